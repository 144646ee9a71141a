import type { ReceivePorts, SendPorts } from "../fleet/messaging/mailbox-ports.ts";
import type { SettingChange } from "../fleet/settings/compare-settings.ts";
import type { ServerSettings } from "../fleet/settings/model.ts";
import type { Inherited } from "../platform/kept-files.ts";
import type { DaemonState } from "./daemon-state.ts";
import type { Report } from "./events.ts";
import type { MachineRole } from "./machine-role.ts";
import type { Mailbox } from "./open-mailbox.ts";
import type { Reexec } from "./reexec.ts";
import type { RemoteGate } from "./remote-gate.ts";
import type { MachineSupervision } from "./supervision/supervise.ts";

/** A configuration that was read again: from which file, and what is different now. */
export interface Reloaded {
  readonly file: string | null;
  readonly changes: readonly SettingChange[];
}

/** How a monitor runs. */
export interface MonitorOptions {
  readonly version: string;
  /** What holds now; asked anew in every round, so that a changed configuration takes effect in the next one. */
  readonly settings: () => ServerSettings;
  /** Reads the configuration again; what holds changes only if it is valid. @throws FleetError */
  readonly reload: () => Promise<Reloaded>;
  readonly report: Report;
  readonly signal: AbortSignal;
  /** What the program before this one in the same process left; null for the first one. */
  readonly inherited: Inherited | null;
  /** The words that ask another program of fleetd whether it is content with the configuration of this monitor. */
  readonly check: readonly string[];
}

/** What the parts of one running monitor share. */
export interface MonitorContext {
  readonly mailbox: Mailbox;
  readonly daemon: DaemonState;
  readonly gate: RemoteGate;
  readonly machine: MachineRole;
  readonly supervision: MachineSupervision;
  readonly reexec: Reexec;
  readonly sendPorts: SendPorts;
  readonly receivePorts: ReceivePorts;
  readonly options: MonitorOptions;
  readonly signal: AbortSignal;
  /** Aborts a moment later: what is being pushed may finish. */
  readonly pushSignal: AbortSignal;
}
