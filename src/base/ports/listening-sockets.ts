import type { HostPort } from "../host-port.ts";

/**
 * Sockets that this process listens on for others: it never accepts from them, and hands them to the programs that do.
 * What arrives while no program accepts waits in the queue of the system. Descriptors are closed by what this process
 * starts, unless they are handed on.
 */
export interface ListeningSockets {
  /**
   * Listens on an address; null when somebody has it. One socket can never be opened beside another one by accident.
   * @throws FleetError saying why it is not possible
   */
  open(address: HostPort): number | null;
  /**
   * The same beside a socket that may be shared, which fleetd opened earlier and may not take back: each of the two gets
   * a part of what comes. Null when that one may not be shared.
   */
  openBeside(address: HostPort): number | null;
  /** The very socket of a process that listens there; null: it has none. `forbidden`: it has, and it may not be taken. */
  takeFrom(pid: number, address: HostPort): number | "forbidden" | null;
  close(descriptor: number): void;
}
