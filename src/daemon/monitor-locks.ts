import type { Keepable, KeepableLock } from "../base/ports/lock.ts";
import type { Inherited } from "../platform/kept-files.ts";
import { takeKeptLock, tryKeepableLock } from "../platform/kept-lock.ts";
import type { ServerPaths } from "../platform/paths.ts";
import { MachineRole } from "./machine-role.ts";

/** The locks that one monitor holds as long as its process lives, whichever program it is. */
export class MonitorLocks {
  readonly machine: MachineRole;
  readonly #daemon: KeepableLock;

  private constructor(daemon: KeepableLock, machine: MachineRole) {
    this.#daemon = daemon;
    this.machine = machine;
  }

  /**
   * Takes the lock of the server whose files are at `paths`, or what the program before held; null when another process
   * has it. The machine's is taken when it is asked for.
   * @throws FleetError IO
   */
  static take(paths: ServerPaths, inherited: Inherited | null): MonitorLocks | null {
    const kept = (name: string, path: string): KeepableLock | null =>
      inherited?.take(name, (descriptor) => takeKeptLock(path, descriptor)) ?? null;
    const machine = new MachineRole(paths.machineLock, kept(MACHINE, paths.machineLock));
    const daemon = kept(DAEMON, paths.daemonLock) ?? tryKeepableLock(paths.daemonLock);
    if (daemon !== null) return new MonitorLocks(daemon, machine);
    machine.release();
    return null;
  }

  /** What is to be kept for the next program, by name. */
  files(): ReadonlyMap<string, Keepable> {
    const { lock } = this.machine;
    return new Map([[DAEMON, this.#daemon], ...(lock === null ? [] : [[MACHINE, lock] as const])]);
  }

  release(): void {
    this.machine.release();
    this.#daemon.release();
  }
}

/** The next program may be of another version: these names stay. */
const DAEMON = "daemon-lock";
const MACHINE = "machine-lock";
