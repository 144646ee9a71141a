/**
 * What runs on this machine, what it uses, and who listens where. Everything is as of one look: a process may be gone,
 * and its id given away, by the time an answer is read, so whoever acts on one compares its start again.
 */
import type { ProcessIdentity } from "./process-host.ts";

/** `dead`: a zombie, or what is about to go; it holds nothing and does nothing. */
export type ProcessState = "running" | "sleeping" | "stopped" | "dead" | "unknown";

/** One process. Null: the system does not tell, or not this user. */
export interface ProcessRow {
  readonly pid: number;
  /** 0: it has none that is seen from here. */
  readonly parent: number;
  readonly group: number | null;
  readonly session: number | null;
  /** As in `ProcessIdentity`. */
  readonly start: string | null;
  /** The name of its program, strangers' text; Linux cuts it at 15 characters. */
  readonly name: string;
  readonly state: ProcessState;
  /** Processor time since it was started, without that of its children. */
  readonly cpuMs: number | null;
  /** Memory that is in use at this moment. */
  readonly residentBytes: number | null;
}

/** What is looked up for few processes only. */
export interface ProcessDetails {
  readonly userId: number | null;
  /** Its name, or the number where there is no name for it. */
  readonly user: string | null;
  /** Strangers' text; null where it may not be read, or there is none. */
  readonly commandLine: readonly string[] | null;
}

/** Which sockets: TCP that listens, UDP that is bound and not connected. */
export type SocketProtocol = "tcp" | "udp";

/** A process that holds a listening socket. */
export interface ListenerOwner {
  readonly pid: number;
  readonly start: string | null;
  readonly name: string;
  readonly user: string | null;
}

/** One address that somebody listens on. */
export interface Listener {
  readonly protocol: SocketProtocol;
  /** `127.0.0.1`, `::1`; `0.0.0.0` and `::` are every address. */
  readonly address: string;
  readonly port: number;
  /** The user who made the socket; null where that is not told. */
  readonly user: string | null;
  /**
   * All processes that hold it. Null: somebody does, and this user may not see who. Never empty.
   */
  readonly owners: readonly ListenerOwner[] | null;
}

/** What became of a signal. `forbidden`: the system did not let this user. */
export type SignalOutcome = "sent" | "gone" | "forbidden";

/** See the head of this file. Implemented by `platform/`. */
export interface ProcessTable {
  /** All processes, zombies too, in one pass. */
  list(): Promise<readonly ProcessRow[]>;
  /** Those of `pids` that are there, in their order. */
  pick(pids: readonly number[]): Promise<readonly ProcessRow[]>;
  /** Null when it is gone. */
  details(pid: number): Promise<ProcessDetails | null>;
  /** Who listens, on exactly `port` or (null) anywhere, in the order of ports. */
  listeners(port: number | null): Promise<readonly Listener[]>;
  /** Whether somebody listens on exactly `port`; costs less than asking who. */
  isListened(port: number, protocol: SocketProtocol | null): Promise<boolean>;
  /** Whether fleetd started it, or what it came of. False where that is not told. */
  isOurs(pid: number): Promise<boolean>;
  /** Sends a signal to one process, if it is still the one that is meant: looked at immediately before. */
  signal(identity: ProcessIdentity, signal: "SIGTERM" | "SIGKILL"): Promise<SignalOutcome>;
}

/** Looks at the same processes again and again, and keeps what makes the next look cheap. */
export interface UsageSource {
  /** All processes. */
  list(): Promise<readonly ProcessRow[]>;
  /** As `ProcessTable.pick`; keeps something of those that were named last. */
  pick(pids: readonly number[]): Promise<readonly ProcessRow[]>;
  /**
   * Those of `pids` that are there, and all that came into being since the last call of this or of `list`: whoever knows
   * a tree from before knows it now. Where the system does not tell who is new it is all processes.
   */
  follow(pids: readonly number[]): Promise<readonly ProcessRow[]>;
  close(): void;
}
