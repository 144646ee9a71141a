import type { RemoteFailure } from "../../base/ports/git-remote.ts";
import type { SendPorts } from "./mailbox-ports.ts";
import { endOwnAlarms, raiseOwnAlarm } from "./own-alarms.ts";

type Ports = Pick<SendPorts, "identity" | "state" | "remote" | "clock">;

/** Writes down that the remote is another fleet's; nothing of this server goes there. As the failure of a push. */
export function noteOtherFleet({ identity, state, remote, clock }: Ports, other: string): RemoteFailure {
  const whose = /^[0-9a-f-]{36}$/.test(other) ? `that of fleet ${other}` : other;
  const detail = `the repository at ${remote.displayUrl} is ${whose}, not that of ${identity.fleet}: nothing is pushed there`;
  raiseOwnAlarm(state, { kind: "other-fleet", detail }, clock.wallMs());
  return { kind: "failed", detail };
}

/** Ends that again; true when it had been so. */
export const noteOwnFleet = ({ state, clock }: Ports): boolean =>
  endOwnAlarms(state, ["other-fleet"], clock.wallMs());
