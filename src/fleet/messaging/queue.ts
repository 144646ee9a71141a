/**
 * The queue as people see it: what was promised and did not arrive yet, how often it was tried, and why it waits.
 *
 * `queued` → `pushed` is the way of the outbox. A push that nobody answered counts as `unreachable` and kills nothing;
 * one that the remote answered and refused counts as `refused`, and too many of those make an entry `dead`. Whoever
 * waited longer than it may is `expired`.
 */
import { readStoredJson } from "../../base/errors.ts";
import { INSTANT_MS_MAX } from "../../base/instant.ts";
import type { Database } from "../../base/ports/database.ts";
import type { ServerSettings } from "../settings/model.ts";
import type { EntryBody } from "./model.ts";
import { endOfWait, lookAtWait, waitedMs } from "./waiting-clock.ts";

/** How long an entry may wait, how often it may be refused, and how long it rests between two refusals. */
export type QueueRules = Pick<ServerSettings, "queue" | "retry">;

/** `built`: part of a batch that may already be on the remote. `refused`: queued again after a refusal. */
export type QueueState = "queued" | "built" | "refused" | "dead" | "expired";

/** One entry that is not on the remote as far as known. Instants are wall ms. */
export interface QueueItem {
  readonly id: string;
  readonly type: EntryBody["type"];
  /** Whom it is to; of a receipt, whose message it is about. */
  readonly to: readonly string[];
  readonly subject: string;
  readonly state: QueueState;
  readonly createdWallMs: number;
  /** Until when it is tried; null for what never ends. */
  readonly expiresWallMs: number | null;
  readonly unreachable: number;
  readonly refused: number;
  /** The remote's own words of the last failure, hostile text; empty while nothing failed. */
  readonly reason: string;
  /** Since when it fails; null while nothing failed. */
  readonly failedWallMs: number | null;
}

/** How much waits, in numbers. Messages alone are counted, but for `receipts`. */
export interface QueueSummary {
  /** Messages that will be tried again, `refused` among them. */
  readonly waiting: number;
  /** Of those waiting: the remote refused them at least once. */
  readonly refused: number;
  readonly dead: number;
  readonly expired: number;
  readonly receipts: number;
  /** When the oldest of those waiting was written, wall ms; null when none waits. */
  readonly oldestWallMs: number | null;
  /** Why the last of them failed, hostile text, and since when (wall ms); empty and null when none failed. */
  readonly reason: string;
  readonly failedWallMs: number | null;
}

type SummaryRow = {
  waiting: number | null;
  refused: number | null;
  dead: number | null;
  expired: number | null;
  receipts: number | null;
  oldest: number | null;
};

const WAITS = "state IN ('queued', 'built')";

/** What `status` and `health` say of the queue; it costs nothing where all was pushed. */
export function queueSummary(state: Database): QueueSummary {
  const row = state.get<SummaryRow>(
    `SELECT sum(${WAITS} AND type <> 'receipt') AS waiting,
       sum(${WAITS} AND type <> 'receipt' AND refused > 0) AS refused,
       sum(state = 'dead') AS dead, sum(state = 'expired') AS expired,
       sum(${WAITS} AND type = 'receipt') AS receipts,
       min(CASE WHEN ${WAITS} AND type <> 'receipt' THEN created_wall_ms END) AS oldest
     FROM outbox WHERE state <> 'pushed'`,
  );
  const failed = state.get<{ reason: string; failed_wall_ms: number }>(
    `SELECT reason, failed_wall_ms FROM outbox
     WHERE state <> 'pushed' AND state <> 'expired' AND failed_wall_ms IS NOT NULL
     ORDER BY tried_wall_ms DESC, position LIMIT 1`,
  );
  return {
    waiting: row?.waiting ?? 0,
    refused: row?.refused ?? 0,
    dead: row?.dead ?? 0,
    expired: row?.expired ?? 0,
    receipts: row?.receipts ?? 0,
    oldestWallMs: row?.oldest ?? null,
    reason: failed?.reason ?? "",
    failedWallMs: failed?.failed_wall_ms ?? null,
  };
}

type ItemRow = {
  id: string;
  type: EntryBody["type"];
  draft: string;
  state: string;
  created_wall_ms: number;
  expires_wall_ms: number | null;
  since_ms: number | null;
  unreachable: number;
  refused: number;
  reason: string;
  failed_wall_ms: number | null;
};

/** Everything that is not on the remote as far as known, oldest first. `id`: that entry alone. */
export function listQueue(state: Database, rules: QueueRules, id?: string): QueueItem[] {
  const rows = state.all<ItemRow>(
    `SELECT id, type, draft, state, created_wall_ms, expires_wall_ms, since_ms, unreachable, refused, reason,
       failed_wall_ms
     FROM outbox WHERE state <> 'pushed' ${id === undefined ? "" : "AND id = ?"} ORDER BY position`,
    ...(id === undefined ? [] : [id]),
  );
  return rows.map((row) => {
    const { body } = readStoredJson(row.draft, "an entry in state.db") as { body: EntryBody };
    return {
      id: row.id,
      type: row.type,
      ...describe(body),
      state: stateOf(row),
      createdWallMs: row.created_wall_ms,
      expiresWallMs: row.type === "message" ? expiryOf(state, row, rules) : null,
      unreachable: row.unreachable,
      refused: row.refused,
      reason: row.reason,
      failedWallMs: row.failed_wall_ms,
    };
  });
}

function describe(body: EntryBody): { to: readonly string[]; subject: string } {
  if (body.type === "message") return { to: body.to, subject: body.subject };
  return body.type === "receipt"
    ? { to: [body.message_from], subject: `${body.state} receipt` }
    : { to: [], subject: body.type };
}

function stateOf(row: { state: string; refused: number }): QueueState {
  return row.state === "queued" && row.refused > 0 ? "refused" : (row.state as QueueState);
}

function expiryOf(
  state: Database,
  row: Pick<ItemRow, "expires_wall_ms" | "created_wall_ms" | "since_ms">,
  { queue }: QueueRules,
): number {
  const end = row.since_ms === null ? null : endOfWait(state, row.since_ms, queue.expires);
  return Math.min(INSTANT_MS_MAX, row.expires_wall_ms ?? end ?? row.created_wall_ms + queue.expires);
}

// Of a message without an end of its own the rules say how long it waits here; that never goes on the wire,
// and counts on time that this machine saw pass. The end that a sender gave is an instant.
const PAST_EXPIRY =
  "type = 'message' AND CASE WHEN expires_wall_ms IS NULL THEN since_ms + ? <= ? ELSE expires_wall_ms <= ? END";

/** Whether a message waits here whose time is over: queued ones, or those that are part of a batch already. */
export function hasExpired(
  state: Database,
  at: { readonly state: "queued" | "built"; readonly nowWallMs: number },
  rules: QueueRules,
): boolean {
  const sql = `SELECT 1 FROM outbox WHERE state <> 'pushed' AND state = ? AND ${PAST_EXPIRY} LIMIT 1`;
  const waited = waitedMs(state, at.nowWallMs);
  return state.get(sql, at.state, rules.queue.expires, waited, at.nowWallMs) !== null;
}

/** Ends the wait of queued messages whose time is over: they are never sent. Inside the caller's transaction. */
export function expireQueued(state: Database, nowWallMs: number, rules: QueueRules): number {
  return state.run(
    `UPDATE outbox SET state = 'expired' WHERE state = 'queued' AND ${PAST_EXPIRY}`,
    rules.queue.expires,
    lookAtWait(state, nowWallMs),
    nowWallMs,
  );
}

const SINCE = "failed_wall_ms = coalesce(failed_wall_ms, ?), tried_wall_ms = ?, reason = ?";

/** Notes a push that nobody answered for everything that waits. Inside the caller's transaction. */
export function noteUnreachable(state: Database, reason: string, nowWallMs: number): void {
  state.run(
    `UPDATE outbox SET unreachable = unreachable + 1, ${SINCE}
     WHERE state <> 'pushed' AND state IN ('queued', 'built')`,
    nowWallMs,
    nowWallMs,
    reason,
  );
}

/** Longest reason that is kept. Chosen: git's own first line and what a hook says fit. */
const REASON_LENGTH_MAX = 500;

/**
 * Notes that the remote refused these entries: each rests before it is tried again, longer every time, and is dead
 * after as many refusals as the rules allow. The key entry never dies, since nothing could be sent any more. Answers
 * how many died. Inside the caller's transaction.
 */
export function noteRefused(
  state: Database,
  refusal: { readonly ids: readonly string[]; readonly reason: string; readonly nowWallMs: number },
  { queue, retry }: QueueRules,
): number {
  const { ids, nowWallMs } = refusal;
  const reason = refusal.reason.slice(0, REASON_LENGTH_MAX);
  let dead = 0;
  for (const id of ids) {
    const row = state.get<{ refused: number; type: string }>(
      "SELECT refused, type FROM outbox WHERE id = ? AND state = 'queued'",
      id,
    );
    if (row === null) continue;
    const refused = row.refused + 1;
    const dies = refused >= queue.attempts && row.type !== "key";
    const restMs = Math.min(retry.longest, retry.first * 2 ** Math.min(row.refused, 20));
    state.run(
      `UPDATE outbox SET state = ?, refused = ?, due_wall_ms = ?, ${SINCE} WHERE id = ?`,
      dies ? "dead" : "queued",
      refused,
      dies ? null : nowWallMs + restMs,
      nowWallMs,
      nowWallMs,
      reason,
      id,
    );
    if (dies) dead += 1;
  }
  return dead;
}

/** Which of these were refused before: they are tried one by one, so that they keep nobody else. */
export function suspectsAmong(state: Database, ids: readonly string[]): Set<string> {
  const rows = state.all<{ id: string }>(
    `SELECT id FROM outbox WHERE state <> 'pushed' AND refused > 0 AND id IN (SELECT value FROM json_each(?))`,
    JSON.stringify(ids),
  );
  return new Set(rows.map((row) => row.id));
}

/**
 * Gives an entry that is dead, expired or resting a new start: no refusals, and the time to wait anew. False, with
 * nothing changed, for one that its sender gave an end which has passed: its recipients would pass it over. Inside the
 * caller's transaction.
 */
export function retryEntry(state: Database, id: string, nowWallMs: number): boolean {
  const changed = state.run(
    `UPDATE outbox SET state = 'queued', refused = 0, unreachable = 0, reason = '', failed_wall_ms = NULL,
       tried_wall_ms = NULL, due_wall_ms = NULL,
       created_wall_ms = CASE WHEN state = 'expired' THEN ? ELSE created_wall_ms END,
       since_ms = CASE WHEN state = 'expired' THEN ? ELSE since_ms END
     WHERE id = ? AND state IN ('queued', 'dead', 'expired')
       AND (expires_wall_ms IS NULL OR expires_wall_ms > ?)`,
    nowWallMs,
    lookAtWait(state, nowWallMs),
    id,
    nowWallMs,
  );
  return changed === 1;
}

/** Removes an entry that is part of no batch: it is never sent. False for any other. Inside the caller's transaction. */
export function dropEntry(state: Database, id: string): boolean {
  const changed = state.run("DELETE FROM outbox WHERE id = ? AND state IN ('queued', 'dead', 'expired')", id);
  if (changed === 1) state.run("DELETE FROM expected WHERE message_id = ?", id);
  return changed === 1;
}
