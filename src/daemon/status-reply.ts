import { formatDuration } from "../base/duration.ts";
import type { Identity } from "../fleet/messaging/identity.ts";
import type { ReceivePorts } from "../fleet/messaging/mailbox-ports.ts";
import { queueDepth } from "../fleet/messaging/outbox.ts";
import { listPeers } from "../fleet/messaging/peers.ts";
import type { DaemonState } from "./daemon-state.ts";

/** The text of an automatic status answer: live figures, a line each. */
export function renderStatusReply(facts: {
  readonly identity: Identity;
  readonly daemon: DaemonState;
  readonly version: string;
  readonly ports: ReceivePorts;
}): string {
  const { identity, daemon, version, ports } = facts;
  const peers = listPeers(ports.state).filter((peer) => !peer.forgotten);
  const queue = queueDepth(ports.state);
  return [
    `${identity.server} has been up for ${formatDuration(daemon.upMs)} (fleetd ${version})`,
    `remote: ${daemon.trouble === null ? "reachable" : "in trouble"}`,
    `waiting to be sent: ${queue.count}`,
    `automatic answers since the start: ${daemon.autoReplies}`,
    `other servers: ${peers.length}`,
  ].join("\n");
}
