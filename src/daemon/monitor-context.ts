import type { ReceivePorts, SendPorts } from "../fleet/messaging/mailbox-ports.ts";
import type { ServerSettings } from "../fleet/settings/model.ts";
import type { DaemonState } from "./daemon-state.ts";
import type { Report } from "./events.ts";
import type { MachineRole } from "./machine-role.ts";
import type { Mailbox } from "./open-mailbox.ts";

/** How a monitor runs. */
export interface MonitorOptions {
  readonly version: string;
  /** What holds now; asked anew in every round, so that a changed configuration takes effect in the next one. */
  readonly settings: () => ServerSettings;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/** What the parts of one running monitor share. */
export interface MonitorContext {
  readonly mailbox: Mailbox;
  readonly daemon: DaemonState;
  readonly machine: MachineRole;
  readonly sendPorts: SendPorts;
  readonly receivePorts: ReceivePorts;
  readonly options: MonitorOptions;
  readonly signal: AbortSignal;
  /** Aborts a moment later: what is being pushed may finish. */
  readonly pushSignal: AbortSignal;
}
