/**
 * What is known of a former life of this server, which had come further than this state: an old copy of it was put back.
 * The newest log and card that it left on the remote are kept by a name of their own from the look that finds them
 * until they are taken over, since a stranger may delete the refs meanwhile, and nobody else could tell any more.
 */
import { FleetError } from "../../base/errors.ts";
import type { Database } from "../../base/ports/database.ts";
import type { GitStore } from "../../base/ports/git-store.ts";
import type { LogHead } from "./build-batch.ts";
import type { ReceivePorts, SendPorts } from "./mailbox-ports.ts";
import { loadHead } from "./outbox.ts";
import { holdOf } from "./own-alarms.ts";
import { judgeOwnCard, type OwnCard } from "./own-card.ts";
import { judgeOwnTip, type OwnPlace } from "./own-place.ts";
import { holdError } from "./recover-log.ts";
import { listCards } from "./stored-cards.ts";

const PREFIX = "refs/kept/own/";
const NAMES = { log: `${PREFIX}log`, card: `${PREFIX}card` } as const;

/** The commits of a former life that were seen and not taken over; null for what was not seen. */
export function sighted(store: GitStore): { readonly log: string | null; readonly card: string | null } {
  const refs = store.readRefs(PREFIX);
  return { log: refs.get(NAMES.log) ?? null, card: refs.get(NAMES.card) ?? null };
}

export function forgetSighted(store: GitStore): void {
  for (const name of store.readRefs(PREFIX).keys()) store.writeRef(name, null);
}

/**
 * What was seen of a former life is in the way also when its refs are gone: its places in the log are taken.
 * @throws FleetError NOT_AUTHORISED until it was taken over
 */
export function refuseWhileFormer({
  identity,
  state,
  store,
}: Pick<SendPorts, "identity" | "state" | "store">): void {
  const hold = holdOf(state);
  if (hold?.kind !== "other-machine") return;
  const seen = sighted(store);
  if ((seen.log ?? seen.card) !== null) throw holdError(identity.server, hold);
}

/** What the own log really comes to: `place`, or what was seen of a former life where that is more. Remembers what is seen. */
export async function placeWithFormer(
  ports: ReceivePorts,
  place: OwnPlace | null,
  tip: string | null,
): Promise<OwnPlace | null> {
  const { log } = sighted(ports.store);
  if (place?.kind === "unknown") {
    if (log === tip) return place;
    const before = log === null ? null : await unknownAt(ports, log);
    const end = place.batches.at(-1)?.chain.hash;
    if (before?.batches.slice(0, -1).some(({ chain }) => chain.hash === end) === true) return before;
    ports.store.writeRef(NAMES.log, tip);
    return place;
  }
  if (log === null || place?.kind === "taken" || place?.kind === "forked" || place?.kind === "ours")
    return place;
  return (await unknownAt(ports, log)) ?? place;
}

async function unknownAt(
  ports: ReceivePorts,
  tip: string,
): Promise<Extract<OwnPlace, { kind: "unknown" }> | null> {
  try {
    const place = await judgeOwnTip(ports, tip);
    return place.kind === "unknown" ? place : null;
  } catch (thrown) {
    // A power cut may have left the name of something that is not there.
    if (thrown instanceof FleetError) return null;
    throw thrown;
  }
}

/** As `placeWithFormer`, of the own card. */
export async function cardWithFormer(
  ports: ReceivePorts,
  card: OwnCard,
  commit: string | null,
): Promise<OwnCard> {
  const seen = sighted(ports.store).card;
  if (card.kind === "other") {
    if (seen !== commit) ports.store.writeRef(NAMES.card, commit);
    return card;
  }
  if (seen === null || card.kind === "mine") return card;
  try {
    const former = await judgeOwnCard(ports, seen);
    return former.kind === "other" ? former : card;
  } catch (thrown) {
    if (thrown instanceof FleetError) return card;
    throw thrown;
  }
}

/**
 * Who says that he read further in the own log than it goes here, in the epoch in which it ends; null when nobody does.
 * What he read is on no ref any more.
 */
export function readerBeyond({
  state,
  index,
  identity,
}: Pick<ReceivePorts, "state" | "index" | "identity">): string | null {
  const head = loadHead(state);
  if (head === null || beginsEpoch(state)) return null;
  const end = Math.max(head.seq, lastBuiltSeq(state, head.epoch));
  for (const { server, card } of listCards(index)) {
    const cursor = Object.hasOwn(card.cursors, identity.server) ? card.cursors[identity.server] : undefined;
    if (cursor !== undefined && cursor.epoch === head.epoch && cursor.seq > end) return server;
  }
  return null;
}

const beginsEpoch = (state: Database): boolean =>
  state.get("SELECT 1 FROM outbox WHERE state <> 'pushed' AND type = 'key' LIMIT 1") !== null;

/** Of what was built and taken back again some may have arrived. */
function lastBuiltSeq(state: Database, epoch: string): number {
  const rows = state.all<{ head: string }>("SELECT head FROM batches WHERE state <> 'pushed' AND head <> ''");
  const heads = rows.map(({ head }) => JSON.parse(head) as LogHead);
  return Math.max(0, ...heads.filter((head) => head.epoch === epoch).map(({ seq }) => seq));
}
