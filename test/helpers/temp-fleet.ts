// A fleet on this machine as its users meet it: the compiled executable, in an environment of its own. The one idea: a
// test file makes one `TempFleet`, everything it starts or writes hangs on it, and `remove()` takes all of it away.
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { serverPaths } from "../../src/platform/paths.ts";
import { allProcesses, eventually, TempGit } from "./temp-git.ts";

/** The executable under test, as `scripts/build.ts` leaves it, or another one: a long run wants a copy of its own. */
export const FLEETD =
  process.env["FLEETD_UNDER_TEST"] ??
  join(import.meta.dir, "../../dist", process.platform === "win32" ? "fleetd.exe" : "fleetd");

/** How a call of fleetd ended. */
export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
}

/** What a call gets beside its words. */
export interface CallOptions {
  /** The server to act as, through the environment. */
  readonly as?: string;
  readonly stdin?: string;
  readonly cwd?: string;
  /** Another executable than the one under test. */
  readonly program?: string;
  /** Added to the clean environment; `undefined` takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** A JSON answer. */
export type Answer = Record<string, unknown>;

/** A fleetd that runs until it is stopped: a monitor, `watch`, `wait`. */
export interface Running {
  readonly pid: number;
  /** What it printed so far. */
  stdout(): string;
  stderr(): string;
  /** Resolves as soon as `text` is in its output. @throws when it ends before, or after a minute */
  printed(text: string): Promise<void>;
  /** Sends `signal` and answers how the process ended. */
  stop(signal?: NodeJS.Signals): Promise<Ran>;
  /** How it ended by itself. */
  ended(): Promise<Ran>;
}

const START_TIMEOUT_MS = 60_000;

/** Servers below one state folder, with an empty home and a temporary folder of their own. */
export class TempFleet {
  readonly git = new TempGit();
  readonly root = `${this.git.folder}/state`;
  readonly temporary = `${this.git.folder}/tmp`;
  readonly environment: Readonly<Record<string, string>>;
  readonly #running = new Set<Bun.Subprocess>();

  constructor() {
    if (!existsSync(FLEETD)) throw new Error(`Cannot test "${FLEETD}": it is missing, run scripts/build.ts`);
    mkdirSync(this.temporary);
    const { home } = this.git;
    const path = process.env["PATH"] ?? "";
    this.environment = { HOME: home, PATH: path, TMPDIR: this.temporary, FLEETD_HOME: this.root };
  }

  /** Runs fleetd to its end. */
  run(words: readonly string[], options: CallOptions = {}): Promise<Ran> {
    return this.start(words, options).ended();
  }

  /** Runs fleetd and answers its stdout. @throws unless it ends with 0 */
  async text(words: readonly string[], options: CallOptions = {}): Promise<string> {
    const ran = await this.run(words, options);
    if (ran.code === 0) return ran.stdout;
    throw new Error(`fleetd ${words.join(" ")} ended with ${ran.code}: ${ran.stderr}${ran.stdout}`);
  }

  /** Runs fleetd with `--json` and answers the object. @throws unless it ends with `code` */
  async json(words: readonly string[], options: CallOptions = {}, code = 0): Promise<Answer> {
    const end = words.includes("--") ? words.indexOf("--") : words.length;
    const ran = await this.run(words.toSpliced(end, 0, "--json"), options);
    if (ran.code !== code) {
      throw new Error(`fleetd ${words.join(" ")} ended with ${ran.code}: ${ran.stderr}${ran.stdout}`);
    }
    return JSON.parse(ran.stdout) as Answer;
  }

  /** Makes servers of one fleet, in order; without `remote` the first one makes an embedded one. */
  async init(servers: readonly string[], remote = `${this.root}/remote.git`): Promise<void> {
    for (const [position, server] of servers.entries()) {
      const isFounder = position === 0 && remote === `${this.root}/remote.git` && !existsSync(remote);
      const words = ["init", "--server", server, ...(isFounder ? [] : ["--remote", remote])];
      await this.text(words);
    }
  }

  /** Starts fleetd and leaves it running. */
  start(words: readonly string[], options: CallOptions = {}): Running {
    const startMs = performance.now();
    const child = Bun.spawn([options.program ?? FLEETD, ...words], {
      stdio: [
        options.stdin === undefined ? "ignore" : new TextEncoder().encode(options.stdin),
        "pipe",
        "pipe",
      ],
      cwd: options.cwd ?? this.git.home,
      env: this.#environmentOf(options),
    });
    this.#running.add(child);
    const output = { stdout: "", stderr: "" };
    const reading = Promise.all([
      collect(child.stdout, (text) => (output.stdout += text)),
      collect(child.stderr, (text) => (output.stderr += text)),
    ]);
    const ended = async (): Promise<Ran> => {
      const code = await child.exited;
      this.#running.delete(child);
      await reading;
      return { code, ...output, durationMs: performance.now() - startMs };
    };
    return {
      pid: child.pid,
      stdout: () => output.stdout,
      stderr: () => output.stderr,
      async printed(text) {
        const has = (): boolean => (output.stdout + output.stderr).includes(text);
        await eventually(() => has() || child.exitCode !== null, START_TIMEOUT_MS);
        if (!has()) throw new Error(`"${text}" was not printed: ${output.stderr}${output.stdout}`);
      },
      stop(signal = "SIGTERM") {
        child.kill(signal);
        return ended();
      },
      ended,
    };
  }

  /** Starts the monitor of `server`; it is ready when its control socket answers. */
  async monitor(server: string, words: readonly string[] = [], options: CallOptions = {}): Promise<Running> {
    const running = this.start(["monitor", "--server", server, ...words], options);
    const { socket } = serverPaths(this.root, server);
    const deadlineMs = performance.now() + START_TIMEOUT_MS;
    for (let ready = false; !ready; ready = await answers(socket)) {
      if (!this.isRunning(running.pid) || performance.now() > deadlineMs) {
        throw new Error(`The monitor of "${server}" did not start: ${running.stderr()}${running.stdout()}`);
      }
      await Bun.sleep(5);
    }
    return running;
  }

  /** Whether a process that was started here still runs. */
  isRunning(pid: number): boolean {
    return [...this.#running].some((child) => child.pid === pid && child.exitCode === null);
  }

  /** Ends processes that a command left on purpose, and waits until they are gone. @throws when one stays */
  async endPids(pids: readonly number[]): Promise<void> {
    for (const pid of pids) if (isAlive(pid)) process.kill(pid, "SIGTERM");
    const ended = await eventually(() => !pids.some(isAlive), START_TIMEOUT_MS);
    if (!ended) throw new Error(`Processes ${pids.join(", ")} did not end`);
  }

  /** Ends what runs, by pid, and removes every file. */
  async remove(): Promise<void> {
    const running = [...this.#running];
    for (const child of running) child.kill("SIGTERM");
    const late = setTimeout(() => {
      for (const child of running) child.kill("SIGKILL");
    }, 10_000);
    await Promise.all(running.map((child) => child.exited));
    clearTimeout(late);
    this.git.remove();
  }

  #environmentOf(options: CallOptions): Record<string, string | undefined> {
    const server = options.as === undefined ? {} : { FLEETD_SERVER: options.as };
    return { ...this.environment, ...server, ...options.env };
  }
}

/** Names in the temporary folder of a fleet: what a command that ended left behind. */
export const leftIn = (fleet: TempFleet): string[] => readdirSync(fleet.temporary);

/** A process that ended and was not waited for yet counts as ended. */
export const isAlive = (pid: number): boolean =>
  allProcesses().some((one) => one.pid === pid && one.state !== "Z");

async function answers(socket: string): Promise<boolean> {
  if (!existsSync(socket)) return false;
  try {
    return (await fetch("http://fleetd/v1/status", { unix: socket })).ok;
  } catch {
    // Made, and nobody listens on it yet.
    return false;
  }
}

async function collect(stream: ReadableStream<Uint8Array>, take: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  for await (const part of stream) take(decoder.decode(part, { stream: true }));
}
