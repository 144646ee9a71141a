import { messageOf } from "../base/errors.ts";
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
import {
  type HandlerOutcome,
  type ShutdownHandler,
  ShutdownHandlers,
} from "../fleet/supervisor/shutdown-handlers.ts";
import { systemClock } from "../platform/clock.ts";
import { type InstancePaths, instancePaths } from "../platform/instance-paths.ts";
import { markChildren, wasMarked } from "../platform/process-mark.ts";
import { openTable } from "../platform/runtime-table.ts";
import { hookShutdown } from "../platform/shutdown-signals.ts";
import type {
  CleanedPort,
  ForceOptions,
  ManagedPort,
  PortInfo,
  ProcessManagerOptions,
  ProcessStatus,
  SecondInstanceHandler,
} from "./process-manager-model.ts";
import { SinglePlace } from "./single-place.ts";

const DEFAULTS = { handlerTimeoutMs: 5_000, killTimeoutMs: 3_000, retryMs: 200 };
/** How long a process may take to go after KILL: the system has to give back its memory, and may have much to do. */
const GONE_WITHIN_MS = 15_000;
const PORT_MAX = 65_535;

/** One program's instances, ports and end. Everything it does about others is looked at again before it says so. */
export class ProcessManager {
  /** When this manager was made. */
  readonly startTime = new Date();
  readonly #options: ProcessManagerOptions & typeof DEFAULTS;
  readonly #paths: InstancePaths;
  readonly #handlers: ShutdownHandlers;
  readonly #ports = new Map<number, string>();
  readonly #place: SinglePlace;
  #unhook: (() => void) | null = null;

  constructor(options: ProcessManagerOptions = {}) {
    this.#options = { ...DEFAULTS, ...options };
    this.#paths = instancePaths(options);
    this.#place = new SinglePlace(this.#paths, {
      quit: options.quit ?? (() => process.exit(0)),
      logError: (context, error) => this.logError(context, error),
    });
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
    if (onSecondInstance !== undefined) this.#place.onSecondInstance = onSecondInstance;
    return this.#place.take();
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
    this.#unhook = null;
    this.#place.leave();
  }

  #isPort(port: number): boolean {
    if (isPort(port)) return true;
    this.logError(`port ${port}`, new RangeError(`need a whole number from 1 to ${PORT_MAX}`));
    return false;
  }
}

const isPort = (port: number): boolean => Number.isInteger(port) && port >= 1 && port <= PORT_MAX;
