/** What a process manager is given, and what it answers. */
import type { KillOutcome } from "../fleet/supervisor/end-process.ts";

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
