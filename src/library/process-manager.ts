import { messageOf } from "../base/errors.ts";
import type { Lock } from "../base/ports/lock.ts";
import type { ProcessTable } from "../base/ports/process-table.ts";
import { toVisible } from "../base/visible-text.ts";
import {
  endProcess,
  freePort,
  type KillOptions,
  type KillOutcome,
  type KillPorts,
} from "../fleet/supervisor/end-process.ts";
import { ancestorsOf } from "../fleet/supervisor/may-kill.ts";
import { boundSecondInstance, parseSecondInstance } from "../fleet/supervisor/second-instance.ts";
import {
  type HandlerOutcome,
  type ShutdownHandler,
  ShutdownHandlers,
} from "../fleet/supervisor/shutdown-handlers.ts";
import { systemClock } from "../platform/clock.ts";
import { tryInstanceLock } from "../platform/instance-lock.ts";
import { type InstancePaths, instancePaths } from "../platform/instance-paths.ts";
import { type InstanceSocket, listenForInstances, tellInstance } from "../platform/instance-socket.ts";
import { ownCall } from "../platform/own-process.ts";
import { markChildren, wasMarked } from "../platform/process-mark.ts";
import { openTable } from "../platform/runtime-table.ts";
import { hookShutdown } from "../platform/shutdown-signals.ts";

/** How a manager works. */
export interface ProcessManagerOptions {
  /** Programs of one name exclude each other; without one, it is the script that runs. */
  readonly name?: string;
  /** Where lock and socket are; without one, below the state folder of fleetd. */
  readonly folder?: string;
  /** How long a shutdown handler may take that names no time of its own: 5,000. */
  readonly handlerTimeoutMs?: number;
  /** How long a process may take to end after TERM, before KILL: 3,000. */
  readonly killTimeoutMs?: number;
  /** Pause before a port is tried again: 200. */
  readonly retryMs?: number;
  /** What a second instance does when it was told that it is one; without it, the process exits with 0. */
  readonly quit?: () => void;
  /** Takes what went wrong; without it, it is a line on stderr. */
  readonly onError?: (context: string, error: unknown) => void;
}

/** What the first instance does when a second one was started: the words it was called with, where, and its id. */
export type SecondInstanceHandler = (argv: readonly string[], cwd: string, pid: number) => void;

/** Who has a port. */
export interface PortInfo {
  readonly port: number;
  readonly inUse: boolean;
  /** Null where nobody has it, or it is not told who. */
  readonly pid: number | null;
  readonly name: string | null;
  readonly user: string | null;
  readonly address: string | null;
  /** All processes that hold it. */
  readonly pids: readonly number[];
}

/** A managed port. */
export interface ManagedPort {
  readonly port: number;
  readonly name: string;
  readonly inUse: boolean;
}

/** How the program is. */
export interface ProcessStatus {
  /** Until it was told to shut down. */
  readonly isRunning: boolean;
  readonly pid: number;
  readonly startTime: Date;
  readonly managedPorts: readonly ManagedPort[];
  readonly shutdownHandlers: number;
}

/** What became of a managed port at the start. */
export interface CleanedPort {
  readonly port: number;
  readonly name: string;
  /** Null where it could not be found out; that was logged. */
  readonly outcome: KillOutcome | null;
}

/** What may be ended: by itself only what this program started, with `force` also what is somebody else's. */
export interface ForceOptions {
  readonly force?: boolean;
}

const DEFAULTS = { handlerTimeoutMs: 5_000, killTimeoutMs: 3_000, retryMs: 200 };
/** How long a process may take to go after KILL: the system has to give back its memory. Chosen. */
const GONE_WITHIN_MS = 5_000;
/** How long a second instance tries to reach the first, which may be starting. Chosen. */
const HAND_OVER_WITHIN_MS = 1_000;
const PORT_MAX = 65_535;

/** One program's instances, ports and end. Everything it does about others is looked at again before it says so. */
export class ProcessManager {
  /** When this manager was made. */
  readonly startTime = new Date();
  readonly #options: ProcessManagerOptions & typeof DEFAULTS;
  readonly #paths: InstancePaths;
  readonly #handlers: ShutdownHandlers;
  readonly #ports = new Map<number, string>();
  #onSecondInstance: SecondInstanceHandler | null = null;
  #single: Promise<boolean> | null = null;
  #lock: Lock | null = null;
  #socket: InstanceSocket | null = null;
  #unhook: (() => void) | null = null;

  constructor(options: ProcessManagerOptions = {}) {
    this.#options = { ...DEFAULTS, ...options };
    this.#paths = instancePaths(options);
    markChildren(this.#paths.key);
    this.#handlers = new ShutdownHandlers({
      clock: systemClock,
      timeoutMs: this.#options.handlerTimeoutMs,
      onTrouble: ({ name, result, durationMs, error }) => {
        const late = `no end within ${Math.round(durationMs)} ms`;
        this.logError(`shutdown handler "${name}"`, result === "timeout" ? new Error(late) : error);
      },
    });
  }

  /**
   * Whether this is the only instance. A second one hands its words and its folder to the first, quits, and is told
   * false. The place is free as soon as its holder ends, however it does.
   * @throws an error with `code` "IO" or "UNAVAILABLE" where there is no way to lock
   */
  enforceSingleInstance(onSecondInstance?: SecondInstanceHandler): Promise<boolean> {
    if (onSecondInstance !== undefined) this.#onSecondInstance = onSecondInstance;
    this.#single ??= this.#takePlace();
    return this.#single;
  }

  async #takePlace(): Promise<boolean> {
    this.#lock = await tryInstanceLock(this.#paths.lock);
    if (this.#lock === null) {
      const line = JSON.stringify(boundSecondInstance(ownCall()));
      await tellInstance(this.#paths.socket, line, HAND_OVER_WITHIN_MS);
      // The caller is told first.
      setImmediate(this.#options.quit ?? (() => process.exit(0)));
      return false;
    }
    try {
      this.#socket = await listenForInstances(this.#paths.socket, (line) => this.#heard(line));
    } catch (thrown) {
      // The lock is what counts.
      this.logError("listening for other instances", thrown);
    }
    return true;
  }

  #heard(line: string): boolean {
    try {
      const parsed = parseSecondInstance(JSON.parse(line));
      if (!parsed.ok) throw new Error(parsed.error);
      const { argv, cwd, pid } = parsed.value;
      this.#onSecondInstance?.(argv, cwd, pid);
      return true;
    } catch (thrown) {
      this.logError("second instance", thrown);
      return false;
    }
  }

  /** Whether somebody listens on TCP port `port`, on whatever address. Binds nothing, so it needs no rights for it. */
  async isPortInUse(port: number): Promise<boolean> {
    if (!this.#isPort(port)) return false;
    return (await openTable()).isListened(port, "tcp");
  }

  /** Who listens on TCP port `port`; clients of it are not meant. */
  async findProcessByPort(port: number): Promise<PortInfo> {
    const listeners = this.#isPort(port) ? await (await openTable()).listeners(port) : [];
    const listening = listeners.filter(({ protocol }) => protocol === "tcp");
    const [first] = listening;
    const owner = listening.flatMap(({ owners }) => owners ?? [])[0];
    return {
      port,
      inUse: first !== undefined,
      pid: owner?.pid ?? null,
      name: owner?.name ?? null,
      user: owner?.user ?? first?.user ?? null,
      address: first?.address ?? null,
      pids: [...new Set(listening.flatMap(({ owners }) => owners ?? []).map(({ pid }) => pid))],
    };
  }

  /** Ends whoever listens on `port`. True: somebody did, and the port is free now. Never throws. */
  async killProcessOnPort(port: number, options: ForceOptions = {}): Promise<boolean> {
    return (await this.#freePort(port, options)) === "killed";
  }

  /** Ends process `pid`. True: it was there, and is gone now. Never throws. */
  async killProcessById(pid: number, options: ForceOptions = {}): Promise<boolean> {
    const context = `ending process ${pid}`;
    try {
      if (!Number.isSafeInteger(pid)) throw new Error("need a process id");
      const { outcome, by } = await endProcess(
        { pid, start: null },
        await this.#killPorts(),
        this.#killOptions(options),
      );
      if (outcome !== "killed")
        this.logError(context, new Error(by === null ? outcome : `${outcome} (${by})`));
      return outcome === "killed";
    } catch (thrown) {
      this.logError(context, thrown);
      return false;
    }
  }

  async #freePort(port: number, options: ForceOptions): Promise<KillOutcome | null> {
    if (!this.#isPort(port)) return null;
    const context = `freeing port ${port}`;
    try {
      const question = { port, protocol: "tcp" } as const;
      const { outcome, owners } = await freePort(
        question,
        await this.#killPorts(),
        this.#killOptions(options),
      );
      const who = owners.map(({ pid, name, outcome: its }) => `${pid} ${name}: ${its}`).join(", ");
      if (outcome !== "killed" && outcome !== "not-found")
        this.logError(context, new Error(`${outcome} (${who})`));
      return outcome;
    } catch (thrown) {
      this.logError(context, thrown);
      return null;
    }
  }

  /** What is ours: what this process started, and what an instance before it left behind. */
  async #killPorts(): Promise<KillPorts> {
    const table = await openTable();
    const isOurs = async (pid: number): Promise<boolean> =>
      wasMarked(pid, this.#paths.key) || ancestorsOf(pid, await table.list()).has(process.pid);
    return { table: { ...table, isOurs } satisfies ProcessTable, clock: systemClock, selfPid: process.pid };
  }

  #killOptions({ force = false }: ForceOptions): KillOptions {
    const { signal } = new AbortController();
    return { force, dryRun: false, termMs: this.#options.killTimeoutMs, killMs: GONE_WITHIN_MS, signal };
  }

  /** Remembers a port of this program. Names are for people. @throws RangeError unless it is 1 to 65535 */
  registerManagedPort(port: number, name: string): void {
    if (!isPort(port))
      throw new RangeError(`Cannot manage port ${port}: need a whole number from 1 to ${PORT_MAX}`);
    this.#ports.set(port, name);
  }

  /** The same as `registerManagedPort`. */
  trackPort(port: number, name: string): void {
    this.registerManagedPort(port, name);
  }

  /**
   * Makes `port` free: ends who has it, if it may be ended, up to `maxRetries` times. Answers whether it is free at the
   * end, which is looked at after the last try, too. Never throws.
   */
  async ensurePortAvailable(port: number, maxRetries = 3, options: ForceOptions = {}): Promise<boolean> {
    if (!this.#isPort(port)) return false;
    const { signal } = new AbortController();
    try {
      for (let tries = 0; await this.isPortInUse(port); tries += 1) {
        if (tries >= maxRetries) return false;
        const outcome = await this.#freePort(port, options);
        // Whoever could not be ended may go by itself, or be gone already.
        if (outcome !== "killed") await systemClock.sleep(this.#options.retryMs, signal);
      }
      return true;
    } catch (thrown) {
      this.logError(`making port ${port} free`, thrown);
      return false;
    }
  }

  /** Frees the managed ports that something of ours still holds; strangers are left alone. Never throws. */
  cleanupOnStartup(): Promise<readonly CleanedPort[]> {
    const cleaned = [...this.#ports].map(async ([port, name]) => {
      const outcome = await this.#freePort(port, {});
      return { port, name, outcome };
    });
    return Promise.all(cleaned);
  }

  /** Adds what is to be done before the end, behind the others. Answers how to take it away again. */
  addShutdownHandler(handler: ShutdownHandler, own: { name?: string; timeoutMs?: number } = {}): () => void {
    return this.#handlers.add(handler, own);
  }

  /** The same as `addShutdownHandler`. */
  onShutdown(handler: ShutdownHandler, own: { name?: string; timeoutMs?: number } = {}): () => void {
    return this.addShutdownHandler(handler, own);
  }

  /** Runs all handlers in their order, each within its time, once. Never rejects. */
  executeShutdownHandlers(reason = "shutdown"): Promise<readonly HandlerOutcome[]> {
    return this.#handlers.execute(reason);
  }

  /** Runs the handlers at the end of the program, at SIGTERM and at SIGINT; a second signal ends it at once. */
  registerShutdownHandlers(): void {
    this.#unhook ??= hookShutdown((reason) => this.executeShutdownHandlers(reason));
  }

  /** How the program is, with a look at its ports. A port that cannot be looked at counts as free, and is logged. */
  async getProcessStatus(): Promise<ProcessStatus> {
    const look = async ([port, name]: [number, string]): Promise<ManagedPort> => {
      const inUse = await this.isPortInUse(port).catch((thrown: unknown) => {
        this.logError(`looking at port ${port}`, thrown);
        return false;
      });
      return { port, name, inUse };
    };
    return {
      isRunning: !this.#handlers.hasBegun,
      pid: process.pid,
      startTime: this.startTime,
      managedPorts: await Promise.all([...this.#ports].map(look)),
      shutdownHandlers: this.#handlers.size,
    };
  }

  /** The same as `getProcessStatus`. */
  getStatus(): Promise<ProcessStatus> {
    return this.getProcessStatus();
  }

  /** Tells of something that went wrong: what was being done, and what was thrown. Never throws. */
  logError(context: string, error: unknown): void {
    try {
      const { onError } = this.#options;
      if (onError !== undefined) onError(context, error);
      else process.stderr.write(`${toVisible(`${context}: ${messageOf(error)}`)}\n`);
    } catch {
      // Who takes errors has one itself: there is nobody left to tell.
    }
  }

  /** Lets go of place, socket and signals; handlers are not run. */
  dispose(): void {
    this.#unhook?.();
    this.#socket?.close();
    this.#lock?.release();
    this.#unhook = null;
    this.#socket = null;
    this.#lock = null;
    this.#single = null;
  }

  #isPort(port: number): boolean {
    if (isPort(port)) return true;
    this.logError(`port ${port}`, new RangeError(`need a whole number from 1 to ${PORT_MAX}`));
    return false;
  }
}

const isPort = (port: number): boolean => Number.isInteger(port) && port >= 1 && port <= PORT_MAX;
