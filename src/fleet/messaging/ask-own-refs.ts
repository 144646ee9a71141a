/**
 * Whether this server may push, asked before something is changed that only a push can finish. Nothing is pushed and
 * nothing is settled here: what is found now is found again by the push, which decides.
 */
import { FleetError } from "../../base/errors.ts";
import type { RemoteFailure, RemoteOptions } from "../../base/ports/git-remote.ts";
import { ok, type Result } from "../../base/result.ts";
import { pendingShortened } from "./compaction-state.ts";
import { fetchMeta } from "./fleet-meta.ts";
import { type SendPorts, TRACKING } from "./mailbox-ports.ts";
import { otherFleetDetail } from "./other-fleet.ts";
import { type HoldKind, holdOf } from "./own-alarms.ts";
import { heldByCard, judgeOwnCard } from "./own-card.ts";
import { judgeKnownTip, judgeOwnTip, type OwnPlace } from "./own-place.ts";
import { loadCardState } from "./publish-card.ts";
import { held } from "./recover-log.ts";

/** What stops this server, in words that may quote strangers. */
export interface Stop {
  readonly kind: HoldKind;
  readonly detail: string;
}

/** What stops this server from pushing: known already, or as the remote shows its own refs now; null for nothing. */
export async function askOwnRefs(
  ports: SendPorts,
  options: RemoteOptions,
): Promise<Result<Stop | null, RemoteFailure>> {
  const { identity, state, remote } = ports;
  const known = holdOf(state);
  if (known !== null) return ok({ kind: known.kind, detail: known.detail });
  const { namespace, server } = identity;
  const [meta, log, card] = [`${namespace}meta`, `${namespace}log/${server}`, `${namespace}state/${server}`];
  const listed = await remote.listRefs([meta, log, card], options);
  if (!listed.ok) return listed;
  const { refs } = listed.value;
  const fleet = await fetchMeta(ports, refs.get(meta) ?? null, options);
  if (!fleet.ok) return fleet;
  if (fleet.value === "unread" || typeof fleet.value === "object") {
    const other = fleet.value === "unread" ? "of another format" : fleet.value.other;
    return ok({ kind: "other-fleet", detail: otherFleetDetail(ports, other) });
  }
  const ofLog = await askLog(ports, { ref: log, tip: refs.get(log) ?? null }, options);
  if (!ofLog.ok || ofLog.value !== null) return ofLog;
  return await askCard(ports, { ref: card, commit: refs.get(card) ?? null }, options);
}

async function askLog(
  ports: SendPorts,
  { ref, tip }: { readonly ref: string; readonly tip: string | null },
  options: RemoteOptions,
): Promise<Result<Stop | null, RemoteFailure>> {
  const { state, remote } = ports;
  const isOurs = judgeKnownTip(state, tip) !== null || pendingShortened(state).some((one) => one.tip === tip);
  if (isOurs || tip === null) return ok(null);
  const fetched = await remote.fetch([`+${ref}:${TRACKING.foundLog}`], options);
  if (!fetched.ok) return fetched;
  try {
    return ok(stopOf(ports, await judgeOwnTip(ports, tip)));
  } catch (thrown) {
    // A ref that names no commit is mended by the next push.
    if (thrown instanceof FleetError) return ok(null);
    throw thrown;
  }
}

function stopOf(ports: SendPorts, place: OwnPlace): Stop | null {
  switch (place.kind) {
    case "unknown":
    case "forked":
    case "taken": {
      const { hold, detail } = held(ports, place);
      return { kind: hold, detail };
    }
    // What strangers put there delays a push and stops none.
    default:
      return null;
  }
}

async function askCard(
  ports: SendPorts,
  { ref, commit }: { readonly ref: string; readonly commit: string | null },
  options: RemoteOptions,
): Promise<Result<Stop | null, RemoteFailure>> {
  if (commit === null || commit === loadCardState(ports).commitId) return ok(null);
  const fetched = await ports.remote.fetch([`+${ref}:${TRACKING.foundCard}`], options);
  if (!fetched.ok) return fetched;
  const card = await judgeOwnCard(ports, commit);
  return ok(card.kind === "other" ? heldByCard(ports.identity.server, card.card) : null);
}
