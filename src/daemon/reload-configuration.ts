import { messageOf } from "../base/errors.ts";
import { setOwnGroups } from "../fleet/messaging/own-groups.ts";
import { setTrustPolicy } from "../fleet/messaging/trust.ts";
import type { MonitorContext, Reloaded } from "./monitor-context.ts";

/** What the fleet sees of the settings: the card says it. */
const ON_THE_CARD: ReadonlySet<string> = new Set(["groups", "labels"]);

/**
 * Reads the configuration again, tells what changed, and lets every loop look at it now.
 * @throws FleetError what is wrong with it; nothing has changed then
 */
export async function reloadConfiguration(context: MonitorContext): Promise<Reloaded> {
  const { daemon, mailbox, options } = context;
  let reloaded: Reloaded;
  try {
    reloaded = await options.reload();
  } catch (thrown) {
    options.report({ kind: "misconfigured", detail: messageOf(thrown) });
    throw thrown;
  }
  setOwnGroups(mailbox.state, options.settings().groups);
  setTrustPolicy(mailbox.state, options.settings().trust);
  context.supervision.opened?.redefine();
  options.report({ kind: "configured", ...reloaded });
  if (reloaded.changes.some(({ key }) => ON_THE_CARD.has(key))) daemon.wantCard(0);
  daemon.receiveBell.ring();
  daemon.pushBell.ring();
  return reloaded;
}
