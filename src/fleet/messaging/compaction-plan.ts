/**
 * How much of the own log may go. Asked of the databases alone, so that it costs nothing where the answer is "nothing".
 *
 * A batch goes only if every server that is alive said on its card that it has handled it, if nobody is waited for to
 * acknowledge a message in it, and if enough stays behind it. Who was not heard of for `live` is not waited for: he
 * finds a gap when he comes back, and is told how large it is.
 */
import { formatDuration } from "../../base/duration.ts";
import { fromInstant, toInstant } from "../../base/instant.ts";
import type { Database } from "../../base/ports/database.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import type { ServerSettings } from "../settings/model.ts";
import type { LogHead } from "./build-batch.ts";
import { forgottenBy } from "./card.ts";
import { lookingSinceWallMs } from "./last-look.ts";
import type { ReceivePorts } from "./mailbox-ports.ts";
import { hasUnpushed } from "./outbox.ts";
import { listPeers } from "./peers.ts";
import { listCards } from "./stored-cards.ts";
import { confirmedBatch } from "./take-back.ts";

export type CompactionRules = ServerSettings["compaction"];

/** What would go: everything up to the commit `cut`, the end of `batches` of the log that ends with `tip`. */
export interface CompactionPlan {
  readonly cut: string;
  readonly cutHead: LogHead;
  readonly tip: string;
  readonly head: LogHead;
  /** How many batches go, and how many stay. */
  readonly batches: number;
  readonly kept: number;
  /** What keeps more from going, in words; empty where nothing but the minimum does. */
  readonly heldBy: string;
}

/** The last batch that may go by one of the rules, and that rule in words. `isHold`: somebody waits for what comes next. */
interface Limit {
  readonly number: number;
  readonly why: string;
  readonly isHold?: boolean;
}

type PlanPorts = Pick<ReceivePorts, "identity" | "state" | "index" | "clock">;

/** A place in the own log up to which batches may go, and who or what says so. */
interface Bound {
  readonly epoch: string;
  readonly seq: number;
  readonly why: string;
}

/** What may go now, or why nothing does. */
export function planCompaction(ports: PlanPorts, rules: CompactionRules): Result<CompactionPlan> {
  const { state } = ports;
  const confirmed = confirmedBatch(state);
  if (confirmed?.head == null) return fail("nothing was pushed yet");
  if (hasUnpushed(state)) return fail("something waits to be pushed");
  if (state.get("SELECT 1 FROM batches WHERE state = 'abandoned' LIMIT 1") !== null)
    return fail("a batch that was taken back may still arrive");
  const { head } = confirmed;
  const epochs = listEpochs(state);
  const held = lowest(epochs, [...readerBounds(ports, rules), ...ackBounds(ports, rules)]);
  const none = (epochs[0]?.first ?? 1) - 1;
  const oldEnough =
    "SELECT max(number) AS number FROM batches WHERE json_extract(head, '$.committedMs') <= ?";
  const aged = state.get<{ number: number | null }>(oldEnough, ports.clock.wallMs() - rules.keep);
  const limits: Limit[] = [
    ...(held === null ? [] : [{ number: lastNumber(state, epochs, held), why: held.why, isHold: true }]),
    {
      number: lastNumber(state, epochs, keptBound(epochs, head, rules.entries)),
      why: `the newest ${rules.entries} entries stay`,
    },
    { number: aged?.number ?? none, why: `nothing is ${formatDuration(rules.keep)} old` },
    { number: confirmed.number - 1, why: "the newest batch stays" },
  ];
  const limit = limits.reduce((low, one) => (one.number < low.number ? one : low));
  const cut = state.get<{ number: number; commit_id: string; head: string }>(
    `SELECT number, commit_id, head FROM batches WHERE state = 'pushed' AND head <> '' AND number <= ?
     AND json_extract(head, '$.committedMs') <= ? ORDER BY number DESC LIMIT 1`,
    limit.number,
    ports.clock.wallMs() - rules.keep,
  );
  if (cut === null) return fail(limit.why);
  const heldBy = limit.isHold ? limit.why : "";
  if (cut.number < lastRotation(state, ports.identity.server)) return fail(beforeRotation(heldBy));
  const count = state.get<{ batches: number; kept: number }>(
    "SELECT sum(number <= ?) AS batches, sum(number > ?) AS kept FROM batches WHERE state = 'pushed'",
    cut.number,
    cut.number,
  );
  const cutHead = JSON.parse(cut.head) as LogHead;
  const { tip } = confirmed;
  return ok({ cut: cut.commit_id, cutHead, tip, head, heldBy, ...(count ?? { batches: 0, kept: 0 }) });
}

/**
 * Whether so much goes that it is worth the work: what stays is read and written once more by this server, and judged
 * once more by every other, so no less may go than stays.
 */
export const isWorthIt = (plan: CompactionPlan, rules: CompactionRules): boolean =>
  plan.batches >= rules.batches && plan.batches >= plan.kept;

/** Batches of the own log that are on the remote. */
export const countBatches = (state: Database): number =>
  state.get<{ count: number }>("SELECT count(*) AS count FROM batches WHERE state = 'pushed'")?.count ?? 0;

/** The batch in which the own key was changed last; 0 where none is there. One key signs the root and all that stays. */
function lastRotation(state: Database, server: string): number {
  const sql = `SELECT max(number) AS number FROM batches WHERE state = 'pushed' AND head <> ''
    AND json_extract(head, '$.hash') IN (SELECT hash FROM former_keys WHERE server = ? AND hash <> '')`;
  return state.get<{ number: number | null }>(sql, server)?.number ?? 0;
}

const beforeRotation = (heldBy: string): string =>
  heldBy === ""
    ? "the last change of the own key is not old enough"
    : `${heldBy}, and the last change of the own key came after that`;

/** An epoch of the own log as far as it is there: the numbers of its batches, and the seq of its last entry. */
interface Epoch {
  readonly epoch: string;
  readonly first: number;
  readonly last: number;
  readonly seq: number;
}

function listEpochs(state: Database): Epoch[] {
  return state.all<{ epoch: string; first: number; last: number; seq: number }>(
    `SELECT json_extract(head, '$.epoch') AS epoch, min(number) AS first, max(number) AS last,
       max(json_extract(head, '$.seq')) AS seq
     FROM batches WHERE state = 'pushed' AND head <> '' GROUP BY 1 ORDER BY 2`,
  );
}

/** The bound that lets the least go; a place in an epoch that is not there any more lets nothing go. */
function lowest(epochs: readonly Epoch[], bounds: readonly Bound[]): Bound | null {
  const place = ({ epoch }: Bound): number => epochs.findIndex((one) => one.epoch === epoch);
  const isBelow = (one: Bound, other: Bound): boolean =>
    place(one) < place(other) || (place(one) === place(other) && one.seq < other.seq);
  return bounds.reduce<Bound | null>((low, one) => (low === null || isBelow(one, low) ? one : low), null);
}

/** The number of the last batch that lies wholly at or before a place; 0 where none does. */
function lastNumber(state: Database, epochs: readonly Epoch[], bound: Bound): number {
  const epoch = epochs.find((one) => one.epoch === bound.epoch);
  if (epoch === undefined) return 0;
  const row = state.get<{ number: number | null }>(
    `SELECT max(number) AS number FROM batches WHERE state = 'pushed' AND head <> '' AND number BETWEEN ? AND ?
     AND json_extract(head, '$.seq') <= ?`,
    epoch.first,
    epoch.last,
    bound.seq,
  );
  return row?.number ?? epoch.first - 1;
}

/** So many entries stay, however old they are. */
function keptBound(epochs: readonly Epoch[], head: LogHead, entries: number): Bound {
  let left = entries;
  for (const { epoch, seq } of epochs.toReversed()) {
    if (seq > left) return { epoch, seq: seq - left, why: "" };
    left -= seq;
  }
  return { epoch: epochs[0]?.epoch ?? head.epoch, seq: 0, why: "" };
}

/** How far every server that is alive has handled the own log. */
function readerBounds({ identity, state, index, clock }: PlanPorts, rules: CompactionRules): Bound[] {
  const cards = new Map(listCards(index).map((stored) => [stored.server, stored]));
  const deadBeforeMs = clock.wallMs() - rules.live;
  // Who was silent is known only to one who listened all the time, by a clock that was not set.
  const hasListened = lookingSinceWallMs(state) <= deadBeforeMs;
  return listPeers(state).flatMap((peer): Bound[] => {
    const stored = cards.get(peer.server);
    const heardWallMs = stored?.receivedWallMs ?? peer.pinnedWallMs;
    if (peer.forgotten || (hasListened && heardWallMs < deadBeforeMs)) return [];
    if (stored !== undefined && forgottenBy(stored.card).includes(identity.server)) return [];
    const cursor = stored?.card.cursors[identity.server];
    const why = `${peer.server} has read up to entry ${cursor?.seq ?? 0}`;
    return [{ epoch: cursor?.epoch ?? "", seq: cursor?.seq ?? 0, why }];
  });
}

/**
 * Messages whose acknowledgement is still waited for: by a recipient that is alive, and for no longer than somebody who
 * is silent would be.
 */
function ackBounds({ identity, state, index, clock }: PlanPorts, rules: CompactionRules): Bound[] {
  const nowWallMs = clock.wallMs();
  const forgotten = new Set(listPeers(state).flatMap((peer) => (peer.forgotten ? [peer.server] : [])));
  const asked = index.all<{ epoch: string; seq: number; id: string; expires: string | null }>(
    `SELECT epoch, seq, id, json_extract(json, '$.expires_at') AS expires FROM entries
     WHERE writer = ? AND type = 'message' AND at >= ? AND json_extract(json, '$.ack_required') = 1 ORDER BY position`,
    identity.server,
    toInstant(nowWallMs - rules.live),
  );
  for (const { epoch, seq, id, expires } of asked) {
    if (expires !== null && fromInstant(expires) <= nowWallMs) continue;
    const [waiting] = openAcks(state, index, { server: identity.server, id }).filter(
      (one) => !forgotten.has(one),
    );
    if (waiting === undefined) continue;
    return [{ epoch, seq: seq - 1, why: `${waiting} has not acknowledged entry ${seq}` }];
  }
  return [];
}

/** The expected recipients that did not acknowledge a message. */
function openAcks(state: Database, index: Database, message: { server: string; id: string }): string[] {
  const acked = new Set(
    index
      .all<{ server: string }>(
        "SELECT server FROM receipts WHERE message_from = ? AND message_id = ? AND state = 'acked'",
        message.server,
        message.id,
      )
      .map((row) => row.server),
  );
  return state
    .all<{ server: string }>("SELECT server FROM expected WHERE message_id = ?", message.id)
    .flatMap(({ server }) => (acked.has(server) ? [] : [server]));
}
