import type { RemoteFailure } from "../../base/ports/git-remote.ts";
import type { SendPorts } from "./mailbox-ports.ts";
import { endOwnAlarms, raiseOwnAlarm } from "./own-alarms.ts";

type Ports = Pick<SendPorts, "identity" | "state" | "remote" | "clock">;

/** Whose the remote is instead, in words. */
export function otherFleetDetail(
  { identity, remote }: Pick<Ports, "identity" | "remote">,
  other: string,
): string {
  const whose = /^[0-9a-f-]{36}$/.test(other) ? `that of fleet ${other}` : other;
  return `the repository at ${remote.displayUrl} is ${whose}, not that of ${identity.fleet}: nothing is pushed there`;
}

/** Writes down that the remote is another fleet's; nothing of this server goes there. As the failure of a push. */
export function noteOtherFleet(ports: Ports, other: string): RemoteFailure {
  const detail = otherFleetDetail(ports, other);
  raiseOwnAlarm(ports.state, { kind: "other-fleet", detail }, ports.clock.wallMs());
  return { kind: "failed", detail };
}

/** Ends that again; true when it had been so. */
export const noteOwnFleet = ({ state, clock }: Ports): boolean =>
  endOwnAlarms(state, ["other-fleet"], clock.wallMs());
