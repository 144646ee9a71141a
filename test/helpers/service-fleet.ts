/** Services on this machine as their users meet them: the compiled executable, one server, one configuration file. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { markedProcesses, type ServiceProcess } from "./service-processes.ts";
import { type CallOptions, FLEETD, type Ran, type Running, TempFleet } from "./temp-fleet.ts";
import { untilHolds } from "./temp-git.ts";

/** An instance as `list --json` tells it. */
export interface ListedService {
  readonly name: string;
  readonly service: string;
  readonly state: string;
  readonly wanted: boolean;
  readonly ready: boolean;
  readonly pid: number | null;
  readonly restarts: number;
  readonly last_end: { readonly reason: string; readonly text: string; readonly at: string | null } | null;
  readonly again_in_ms: number | null;
  readonly usage: { readonly memory_bytes: number; readonly processes: number } | null;
  readonly outdated: boolean;
  readonly successor: boolean;
  readonly origin: string;
  readonly command: readonly string[];
}

/** Small programs that services are made of. */
export const SERVICE_PROGRAMS = join(import.meta.dir, "../fixtures/services");
const PROGRAMS = [SERVICE_PROGRAMS, join(import.meta.dir, "../fixtures/supervision")];

/** The server that every one of these fleets has. */
const SERVER = "code1";
const PATIENCE_MS = 60_000;

/** See the head of this file. */
export class ServiceFleet {
  readonly fleet = new TempFleet();
  readonly config = join(this.fleet.git.folder, "fleetd.yaml");
  #monitor: Running | null = null;

  get root(): string {
    return this.fleet.root;
  }

  /** Where everything of it is; it stands in the words of every process that `noted` starts. */
  get folder(): string {
    return this.fleet.git.folder;
  }

  /** The folder of logs and spools of an instance. */
  folderOf(instance: string): string {
    return join(this.fleet.root, "services.d", instance.replace(":", ".").replace(/\.1$/, ""));
  }

  async init(): Promise<void> {
    await this.fleet.init([SERVER]);
    this.configure({});
  }

  /** Writes the configuration. */
  configure(services: object, supervisor: object = {}, rest: object = {}): void {
    writeFileSync(this.config, JSON.stringify({ ...rest, services, supervisor }));
  }

  /** A command that notes its start; a word that ends in .sh or .ts is one of the fixtures. */
  noted(name: string, ...words: readonly string[]): string[] {
    return [join(SERVICE_PROGRAMS, "begin.sh"), this.startsFile(name), ...fixtureWords(words)];
  }

  startsFile(name: string): string {
    return join(this.folder, `starts-${name}`);
  }

  /** The processes that a service was, in the order of their starts. */
  startsOf(name: string): { readonly pid: number; readonly run: string }[] {
    const file = this.startsFile(name);
    if (!existsSync(file)) return [];
    return readFileSync(file, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => {
        const [pid, run = ""] = line.split(" ");
        return { pid: Number(pid), run };
      });
  }

  /** The same of all services. */
  allStarts(): { readonly pid: number; readonly run: string }[] {
    return readdirSync(this.folder)
      .filter((name) => name.startsWith("starts-"))
      .flatMap((name) => this.startsOf(name.slice("starts-".length)));
  }

  /** Starts the daemon and waits until it supervises. */
  async monitor(): Promise<Running> {
    const monitor = await this.fleet.monitor(SERVER, [], this.#options());
    this.#monitor = monitor;
    await untilHolds(async () => {
      if (!this.fleet.isRunning(monitor.pid)) {
        throw new Error(`The monitor has ended: ${monitor.stderr()}${monitor.stdout()}`);
      }
      return (await this.run(["list", "--json"])).code === 0;
    }, PATIENCE_MS);
    return monitor;
  }

  /** The daemon that was started last. */
  get running(): Running {
    if (this.#monitor === null) throw new Error("No monitor was started");
    return this.#monitor;
  }

  /** Ends the daemon as a crash does. */
  async killMonitor(): Promise<void> {
    await this.running.stop("SIGKILL");
  }

  run(words: readonly string[], options: CallOptions = {}): Promise<Ran> {
    return this.fleet.run(words, this.#options(options));
  }

  /** Runs a command that has to end with `code`. @throws when it does not */
  async ran(words: readonly string[], code = 0, options: CallOptions = {}): Promise<Ran> {
    const ran = await this.run(words, options);
    if (ran.code === code) return ran;
    throw new Error(`fleetd ${words.join(" ")} ended with ${ran.code}: ${ran.stderr}${ran.stdout}`);
  }

  async list(...names: readonly string[]): Promise<ListedService[]> {
    const { stdout } = await this.ran(["list", ...names, "--json"]);
    return (JSON.parse(stdout) as { services: ListedService[] }).services;
  }

  async one(name: string): Promise<ListedService> {
    const [one] = await this.list(name);
    if (one === undefined) throw new Error(`There is no "${name}"`);
    return one;
  }

  /** Waits until `list` shows what is wanted. @throws saying what it showed last */
  async until(
    what: string,
    isSo: (services: readonly ListedService[]) => boolean,
    ...names: readonly string[]
  ): Promise<ListedService[]> {
    let last: ListedService[] = [];
    try {
      await untilHolds(async () => {
        last = await this.list(...names);
        return isSo(last);
      }, PATIENCE_MS);
    } catch (thrown) {
      throw new Error(`It never was so: ${what}; last seen ${JSON.stringify(last)}`, { cause: thrown });
    }
    return last;
  }

  /** Living processes that services came to be: their environment or their words have this fleet's folder. */
  processes(): ServiceProcess[] {
    return markedProcesses(this.folder).filter(({ words }) => !words.startsWith(FLEETD));
  }

  /** Ends every daemon and every service, by id, and removes every file. */
  async close(): Promise<void> {
    // A daemon would start anew what is ended below it.
    if (this.#monitor !== null && this.fleet.isRunning(this.#monitor.pid)) await this.killMonitor();
    for (let found = this.processes(); found.length > 0; found = this.processes()) {
      for (const { pid } of found) kill(pid);
      await Bun.sleep(20);
    }
    await this.fleet.remove();
  }

  #options(options: CallOptions = {}): CallOptions {
    return { ...options, env: { FLEETD_CONFIG: this.config, ...options.env } };
  }
}

/** The words of a command, with fixtures by their paths. */
export const fixtureWords = (words: readonly string[]): string[] => {
  const [first = "", ...rest] = words;
  if (!/\.(?:sh|ts)$/.test(first)) return [...words];
  const path = PROGRAMS.map((folder) => join(folder, first)).find((one) => existsSync(one));
  if (path === undefined) throw new Error(`There is no fixture "${first}"`);
  return [...(first.endsWith(".ts") ? [process.execPath] : []), path, ...rest];
};

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
