import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SendRecord } from "./fleet-checker.ts";
import { killHard } from "./kill.ts";
import { FLEETD } from "./temp-fleet.ts";
import { eventually, TempGit } from "./temp-git.ts";

/** How a command ended. `exitCode` null: by a signal. */
export interface CommandResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly startedWallMs: number;
  readonly endedWallMs: number;
}

/** A command that runs. */
export interface Command {
  readonly pid: number;
  readonly ended: Promise<CommandResult>;
}

/** A daemon that runs. */
export interface Monitor {
  readonly server: string;
  readonly pid: number;
  /** What it told so far, one object per event. */
  events(): Record<string, unknown>[];
  /** What it wrote to stderr. */
  complaints(): string;
  hasEnded(): boolean;
  /** Its exit code; null while it runs, and where a signal ended it. */
  exitCode(): number | null;
  /** Resolves when the process is gone. */
  readonly ended: Promise<unknown>;
  /** Ends it as an operator does. */
  stop(): Promise<void>;
}

/** A handler that writes down what it does; `test/helpers/fixtures/handlers/noting.sh` does. */
export interface NotingHandler {
  /** Where it writes. */
  readonly file: string;
  /** Whether the rule gives a message with this text to it. */
  isWanted(body: string): boolean;
  /** How often it may be started for a message. */
  readonly runsMax: number;
}

/** Where a sandbox lies, and how it runs fleetd. */
export interface SandboxOptions {
  /** The text of a configuration file that every server of the sandbox uses. */
  readonly settings?: string;
  /** A folder for the servers and for the remote that `founder` makes; beside everything else when left out. */
  readonly disk?: { readonly folder: string; readonly founder: string };
  /** Words before each call of fleetd. */
  readonly wrapper?: readonly string[];
}

/** A monitor that is not ready after this time never will be; chosen, far above the slowest seen. */
const READY_WITHIN_MS = 60_000;

/**
 * A fleet of the built executable in a temporary folder: a bare repository as remote, and servers that share nothing
 * but it. Every send is recorded for the judge. `close` ends what still runs and removes the folder.
 */
export class FleetSandbox {
  readonly temp = new TempGit();
  readonly remote: string;
  readonly servers: string[] = [];
  readonly sends: SendRecord[] = [];
  /** The address that new servers are told; the remote's folder where nobody set another one. */
  address: string;
  /** Added to the environment of everything that starts from now on. */
  variables: Readonly<Record<string, string>> = {};
  /** More variables for single servers. */
  readonly variablesOf = new Map<string, Readonly<Record<string, string>>>();
  /** Handlers that the judge is to ask about, by their server. */
  readonly handlers = new Map<string, NotingHandler>();
  /** Words before each call of fleetd. */
  wrapper: readonly string[];
  readonly #servers: string;
  readonly #founder: string | undefined;
  readonly #running = new Map<number, Promise<unknown>>();
  #bodies = 0;
  #monitors = 0;

  /** The text of a configuration file that every server of the sandbox uses, or more than that. */
  constructor(given: string | SandboxOptions = "") {
    const { settings = "", disk, wrapper = [] } = typeof given === "string" ? { settings: given } : given;
    this.wrapper = wrapper;
    this.#servers = join(disk?.folder ?? this.folder, "servers");
    this.#founder = disk?.founder;
    this.remote = disk === undefined ? this.temp.bare() : join(this.#homeOf(disk.founder), "remote.git");
    this.address = this.remote;
    writeFileSync(join(this.folder, "fleetd.yaml"), settings);
  }

  get folder(): string {
    return this.temp.folder;
  }

  /** Where its servers are, and with a disk of its own its remote. */
  get serversFolder(): string {
    return this.#servers;
  }

  /** The private files of one server. */
  filesOf(server: string): { folder: string; state: string; index: string; store: string } {
    const folder = join(this.#homeOf(server), server);
    const file = (name: string): string => join(folder, name);
    return { folder, state: file("state.db"), index: file("index.db"), store: file("fleet.git") };
  }

  /** Runs `fleetd <args>` as `server` to its end. */
  async run(server: string, args: readonly string[]): Promise<CommandResult> {
    return await this.start(server, args).ended;
  }

  /** Starts `fleetd <args>` as `server`. */
  start(server: string, args: readonly string[]): Command {
    const startedWallMs = Date.now();
    const child = Bun.spawn([...this.wrapper, FLEETD, ...args], {
      env: this.#environment(server),
      cwd: this.folder,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const ended = (async (): Promise<CommandResult> => {
      const exitCode = await child.exited;
      const endedWallMs = Date.now();
      // A git that outlived its parent has none of our pipes, so these end with the command.
      const [stdout, stderr] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
      ]);
      this.#running.delete(child.pid);
      return {
        exitCode: child.signalCode === null ? exitCode : null,
        stdout,
        stderr,
        startedWallMs,
        endedWallMs,
      };
    })();
    this.#running.set(child.pid, ended);
    return { pid: child.pid, ended };
  }

  /** The words that make a server. */
  initWords(server: string): string[] {
    const isFounder = server === this.#founder && !existsSync(this.remote);
    return ["init", ...(isFounder ? [] : ["--remote", this.address]), "--server", server];
  }

  /** Makes a server; throws when that fails. */
  async init(server: string): Promise<void> {
    const made = await this.run(server, this.initWords(server));
    if (made.exitCode !== 0) throw new Error(`init of ${server} ended with ${made.exitCode}: ${made.stderr}`);
    this.adopt(server);
  }

  /** Counts a server that was made by other means. */
  adopt(server: string): void {
    if (!this.servers.includes(server)) this.servers.push(server);
  }

  /** A text that no other message of this sandbox has. */
  nextBody(server: string): string {
    this.#bodies += 1;
    return `${server} says ${this.#bodies}`;
  }

  /** Starts a send and records how it ends. */
  startSend(
    server: string,
    words: { readonly to: string; readonly body?: string; readonly more?: string[] },
  ) {
    const body = words.body ?? this.nextBody(server);
    const command = this.start(server, ["send", body, "--to", words.to, "--json", ...(words.more ?? [])]);
    const ended = command.ended.then((result) => {
      const { startedWallMs, endedWallMs, exitCode } = result;
      const told = exitCode === 0 ? "pushed" : exitCode === 75 ? "queued" : "nothing";
      this.sends.push({ server, body, startedWallMs, endedWallMs, told });
      return result;
    });
    return { pid: command.pid, body, ended };
  }

  /** Sends one message and waits until the command ends. */
  async send(
    server: string,
    words: { readonly to: string; readonly body?: string; readonly more?: string[] },
  ) {
    return await this.startSend(server, words).ended;
  }

  /** Starts a daemon without waiting until it is ready. Its output goes to a file, as a service's does. */
  startMonitor(server: string, more: readonly string[] = []): Monitor {
    this.#monitors += 1;
    const log = join(this.folder, `monitor-${this.#monitors}.log`);
    const child = Bun.spawn([...this.wrapper, FLEETD, "monitor", "--json", ...more], {
      env: this.#environment(server),
      cwd: this.folder,
      stdio: ["ignore", Bun.file(log), Bun.file(`${log}.err`)],
    });
    const ended = child.exited.then(() => this.#running.delete(child.pid));
    this.#running.set(child.pid, ended);
    return {
      server,
      pid: child.pid,
      events: () => parseEvents(log),
      complaints: () => readFileSync(`${log}.err`, "utf8"),
      hasEnded: () => child.exitCode !== null || child.signalCode !== null,
      exitCode: () => child.exitCode,
      ended,
      async stop() {
        child.kill("SIGTERM");
        await ended;
      },
    };
  }

  /** Starts a daemon and waits until it is ready. */
  async monitor(server: string, more: readonly string[] = []): Promise<Monitor> {
    const monitor = this.startMonitor(server, more);
    const hasAnswered = (): boolean =>
      monitor.hasEnded() || monitor.events().some((event) => event["kind"] === "ready");
    const isReady = (await eventually(hasAnswered, READY_WITHIN_MS)) && !monitor.hasEnded();
    if (!isReady) throw new Error(`the monitor of ${server} is not ready: ${monitor.complaints()}`);
    return monitor;
  }

  /** Ends everything that runs, as a power cut does, with whatever it has started. */
  async killAll(): Promise<void> {
    for (const pid of this.#running.keys()) killHard(pid, "tree");
    await Promise.all(this.#running.values());
  }

  async close(): Promise<void> {
    await this.killAll();
    this.temp.remove();
  }

  #homeOf(server: string): string {
    return join(this.#servers, server);
  }

  #environment(server: string): Record<string, string> {
    return {
      HOME: this.temp.home,
      PATH: process.env["PATH"] ?? "",
      FLEETD_HOME: this.#homeOf(server),
      FLEETD_CONFIG: join(this.folder, "fleetd.yaml"),
      ...this.variables,
      ...this.variablesOf.get(server),
    };
  }
}

/** Whole lines only: the last one may be half-written. */
function parseEvents(log: string): Record<string, unknown>[] {
  if (!existsSync(log)) return [];
  const lines = readFileSync(log, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}
