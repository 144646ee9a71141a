/**
 * The outbox: what this server promised to send. Rows go `queued` → `built` (part of a batch whose exact bytes are
 * stored) → `pushed` (the remote's answer confirmed the commit). A row is never dropped once it is built, since it may
 * already be on the remote; `take-back.ts` says when a batch may be undone. `dead` and `expired` rows wait for nobody.
 */

import { concatBytes, toUtf8 } from "../../base/bytes.ts";
import { readStoredJson } from "../../base/errors.ts";
import { fromInstant } from "../../base/instant.ts";
import type { Database } from "../../base/ports/database.ts";
import type { GitObject, ObjectKind } from "../../base/ports/git-store.ts";
import type { Batch, EntryDraft, LogHead } from "./build-batch.ts";
import { readSetting, writeSetting } from "./identity.ts";
import type { EntryBody } from "./model.ts";
import { lookAtWait } from "./waiting-clock.ts";

export type OutboxState = "queued" | "built" | "pushed" | "dead" | "expired";

/** One promised entry as the outbox knows it. `epoch` and `seq` from the moment it is built. */
export interface OutboxItem {
  readonly id: string;
  readonly state: OutboxState;
  readonly createdWallMs: number;
  readonly epoch: string | null;
  readonly seq: number | null;
  readonly pushedWallMs: number | null;
  /** How many pushes nobody answered, and how many the remote answered and refused. */
  readonly unreachable: number;
  readonly refused: number;
  /** Why the last of them failed, hostile text; empty when none did. */
  readonly reason: string;
}

/** A batch that was built here and is not known to be on the remote, or not yet safe in the object store. */
export interface StoredBatch {
  readonly number: number;
  readonly commitId: string;
  readonly objects: readonly GitObject[];
}

/**
 * Puts `draft` into the outbox unless its id is there already; false then. A message's expected recipients are fixed
 * at this moment. Inside the caller's transaction.
 */
export function enqueue(state: Database, draft: EntryDraft, nowWallMs: number): boolean {
  const { body } = draft;
  const added = state.run(
    `INSERT INTO outbox(id, type, draft, created_wall_ms, expires_wall_ms, since_ms) VALUES(?, ?, ?, ?, ?, ?)
     ON CONFLICT(id) DO NOTHING`,
    draft.id,
    body.type,
    JSON.stringify({ at: draft.at, body }),
    nowWallMs,
    body.type === "message" && body.expires_at !== undefined ? fromInstant(body.expires_at) : null,
    lookAtWait(state, nowWallMs),
  );
  if (added === 0) return false;
  if (body.type === "message") expectRecipients(state, draft.id, body.to);
  return true;
}

/**
 * Puts the entry that begins an epoch before everything that waits: what comes after a change is of the new epoch.
 * Inside the caller's transaction.
 */
export function enqueueFirst(state: Database, draft: EntryDraft, nowWallMs: number): void {
  state.run(
    `INSERT INTO outbox(position, id, type, draft, created_wall_ms)
     VALUES((SELECT coalesce(min(position), 1) - 1 FROM outbox), ?, ?, ?, ?)`,
    draft.id,
    draft.body.type,
    JSON.stringify({ at: draft.at, body: draft.body }),
    nowWallMs,
  );
}

const EXPECT_PEERS = `INSERT OR IGNORE INTO expected(message_id, server, via)
  SELECT ?, server, ? FROM peers WHERE forgotten_wall_ms IS NULL
    AND server NOT IN (SELECT server FROM trust WHERE verdict IN ('revoked', 'purged'))`;

/**
 * Named servers first, then everybody known, then the members of groups. A server alone decides in which groups it is:
 * those are expected whose last card says so, and `via` tells that it is only what was known here.
 */
export function expectRecipients(state: Database, id: string, to: readonly string[]): void {
  for (const server of to) {
    if (server === "all" || server.startsWith("@")) continue;
    state.run("INSERT OR IGNORE INTO expected(message_id, server) VALUES(?, ?)", id, server);
  }
  if (to.includes("all")) state.run(EXPECT_PEERS, id, "");
  const isMember = "AND EXISTS (SELECT 1 FROM json_each(peers.groups) AS one WHERE one.value = ?)";
  for (const group of to.filter((one) => one.startsWith("@"))) {
    state.run(`${EXPECT_PEERS} ${isMember}`, id, group, group.slice(1));
  }
}

/** An entry rests after a refusal. A clock that was set back must not make a rest of seconds one of days. */
const IS_DUE = "(due_wall_ms IS NULL OR due_wall_ms <= ? OR tried_wall_ms > ?)";

/** Whether anything is queued and due: receipts, which may wait a while, or anything else. */
export function hasQueued(state: Database, what: "urgent" | "receipts", nowWallMs: number): boolean {
  const comparison = what === "receipts" ? "=" : "<>";
  const sql = `SELECT 1 FROM outbox WHERE state = 'queued' AND type ${comparison} 'receipt' AND ${IS_DUE} LIMIT 1`;
  return state.get(sql, nowWallMs, nowWallMs) !== null;
}

/** How long until the next entry that rests after a refusal is due, ms; null when none does. */
export function untilQueuedDue(state: Database, nowWallMs: number): number | null {
  const sql = "SELECT min(due_wall_ms) AS due FROM outbox WHERE state = 'queued' AND due_wall_ms IS NOT NULL";
  const due = state.get<{ due: number | null }>(sql)?.due ?? null;
  return due === null ? null : Math.max(0, due - nowWallMs);
}

/**
 * The oldest queued entries, at most `countMax`, in order. `dueWallMs`: only those that are due at that moment, and a
 * key even if it rests: nothing else can begin a log.
 */
export function queuedDrafts(state: Database, countMax: number, dueWallMs?: number): EntryDraft[] {
  const rows = state.all<{ id: string; draft: string }>(
    `SELECT id, draft FROM outbox WHERE state = 'queued' ${dueWallMs === undefined ? "" : `AND (${IS_DUE} OR type = 'key')`}
     ORDER BY position LIMIT ?`,
    ...(dueWallMs === undefined ? [] : [dueWallMs, dueWallMs]),
    countMax,
  );
  return rows.map((row) => {
    const draft = readStoredJson(row.draft, `entry ${row.id} in state.db`) as { at: string; body: EntryBody };
    return { id: row.id, at: draft.at, body: draft.body };
  });
}

/** What the outbox knows of one entry, or null. */
export function outboxItem(state: Database, id: string): OutboxItem | null {
  const row = state.get<ItemRow>(`SELECT ${ITEM_COLUMNS} FROM outbox WHERE id = ?`, id);
  return row === null ? null : toItem(row);
}

/** Everything promised and not confirmed, dead and expired ones too, oldest first, with its draft. */
export function unconfirmedDrafts(state: Database): (OutboxItem & { readonly draft: EntryDraft })[] {
  return state
    .all<ItemRow & { draft: string }>(
      `SELECT ${ITEM_COLUMNS}, draft FROM outbox WHERE state <> 'pushed' ORDER BY position`,
    )
    .map((row) => {
      const draft = readStoredJson(row.draft, `entry ${row.id} in state.db`) as {
        at: string;
        body: EntryBody;
      };
      return { ...toItem(row), draft: { id: row.id, ...draft } };
    });
}

// The first condition is what the index over the few open rows is made for.
const WAITS = "state <> 'pushed' AND state IN ('queued', 'built')";

/** How many entries of all types wait for the remote's confirmation. */
export const countUnconfirmed = (state: Database): number =>
  state.get<{ count: number }>(`SELECT count(*) AS count FROM outbox WHERE ${WAITS}`)?.count ?? 0;

/** When the remote last confirmed an entry of this server (wall ms), or null. */
export const lastPushedWallMs = (state: Database): number | null =>
  state.get<{ at: number | null }>("SELECT max(pushed_wall_ms) AS at FROM outbox")?.at ?? null;

/** How much waits, and since when (wall ms, null when nothing does). */
export function queueDepth(state: Database): { count: number; oldestWallMs: number | null } {
  const row = state.get<{ count: number; oldest: number | null }>(
    `SELECT count(*) AS count, min(created_wall_ms) AS oldest FROM outbox WHERE ${WAITS} AND type <> 'receipt'`,
  );
  return { count: row?.count ?? 0, oldestWallMs: row?.oldest ?? null };
}

/** The end of the own log as built. */
export function loadHead(state: Database): LogHead | null {
  const json = readSetting(state, "head");
  return json === null ? null : (readStoredJson(json, "the end of the log in state.db") as LogHead);
}

/**
 * Stores a built batch with its exact bytes, moves the head, and marks its entries. Inside the caller's transaction.
 * False, with nothing changed, when the head is not `from` any more (somebody else built meanwhile), or an entry is not
 * queued any more (somebody dropped it): a log never holds what was taken back.
 */
export function recordBatch(state: Database, batch: Batch, from: LogHead, nowWallMs: number): boolean {
  if ((loadHead(state)?.tip ?? null) !== from.tip) return false;
  const ids = batch.entries.map((entry) => entry.id);
  if (queuedAmong(state, ids).size !== ids.length) return false;
  // The same entries built again in the same millisecond are the same commit as the one that was taken back.
  state.run(
    `INSERT INTO batches(commit_id, built_wall_ms, objects, head, parent)
     VALUES(?, ?, ?, ?, (SELECT number FROM batches WHERE commit_id = ?))
     ON CONFLICT(commit_id) DO UPDATE SET state = 'built', objects = excluded.objects`,
    batch.commitId,
    nowWallMs,
    packObjects(batch.objects),
    JSON.stringify(batch.head),
    from.tip,
  );
  const sql = "SELECT number FROM batches WHERE commit_id = ?";
  const number = state.get<{ number: number }>(sql, batch.commitId)?.number ?? 0;
  for (const entry of batch.entries) {
    state.run(
      "UPDATE outbox SET state = 'built', batch = ?, epoch = ?, seq = ? WHERE id = ? AND state = 'queued'",
      number,
      batch.head.epoch,
      entry.seq,
      entry.id,
    );
  }
  writeSetting(state, "head", JSON.stringify(batch.head));
  return true;
}

/** Which of these are queued and in no batch. */
export function queuedAmong(state: Database, ids: readonly string[]): ReadonlySet<string> {
  const sql = "SELECT id FROM outbox WHERE state = 'queued' AND id IN (SELECT value FROM json_each(?))";
  return new Set(state.all<{ id: string }>(sql, JSON.stringify(ids)).map((row) => row.id));
}

const UNPUSHED = "state <> 'pushed' AND state = 'built'";

/** Batches the remote has not confirmed, oldest first. */
export const unpushedBatches = (state: Database): StoredBatch[] => batchesWhere(state, UNPUSHED);

/** Whether there are any; asked every few seconds, so their bytes, which may be many, are not read for it. */
export const hasUnpushed = (state: Database): boolean =>
  state.get(`SELECT 1 FROM batches WHERE ${UNPUSHED} LIMIT 1`) !== null;

/** Batches whose bytes are still kept because their objects were never fsynced, oldest first. */
export const unstoredBatches = (state: Database): StoredBatch[] => batchesWhere(state, UNSTORED);

/** How many batches still keep their bytes. */
export const countUnstored = (state: Database): number =>
  state.get<{ count: number }>(`SELECT count(*) AS count FROM batches WHERE ${UNSTORED}`)?.count ?? 0;

// What was taken back keeps its bytes too, and needs no object until it turns up on the remote.
const UNSTORED = "objects IS NOT NULL AND state <> 'abandoned'";

/**
 * Marks the batch `commitId` and all before it as confirmed by the remote; answers how many entries that confirmed.
 * Inside the caller's transaction.
 */
export function markPushed(state: Database, commitId: string, nowWallMs: number): number {
  const row = state.get<{ number: number }>("SELECT number FROM batches WHERE commit_id = ?", commitId);
  if (row === null) return 0;
  state.run(
    "UPDATE batches SET state = 'pushed' WHERE number <= ? AND state <> 'pushed' AND state = 'built'",
    row.number,
  );
  const confirmed = state.run(
    `UPDATE outbox SET state = 'pushed', pushed_wall_ms = ?, draft = ''
     WHERE state <> 'pushed' AND state = 'built' AND batch <= ?`,
    nowWallMs,
    row.number,
  );
  forgetAbandoned(state, row.number);
  return confirmed;
}

/**
 * A batch that was taken back can only arrive on the one that it continues. As soon as the remote has gone on from
 * there, it never will.
 */
function forgetAbandoned(state: Database, pushed: number): void {
  const older = "SELECT number FROM batches WHERE state <> 'pushed' AND state = 'abandoned' AND number < ?";
  if (state.get(`${older} LIMIT 1`, pushed) === null) return;
  state.run(`DELETE FROM batch_entries WHERE batch IN (${older})`, pushed);
  state.run(`DELETE FROM batches WHERE number IN (${older})`, pushed);
}

/** Drops the bytes of confirmed batches up to `number`: their objects were fsynced. Inside the caller's transaction. */
export function forgetBytes(state: Database, number: number): void {
  state.run("UPDATE batches SET objects = NULL WHERE number <= ? AND state = 'pushed'", number);
}

type ItemRow = {
  id: string;
  state: string;
  created_wall_ms: number;
  epoch: string | null;
  seq: number | null;
  pushed_wall_ms: number | null;
  unreachable: number;
  refused: number;
  reason: string;
};
const ITEM_COLUMNS = "id, state, created_wall_ms, epoch, seq, pushed_wall_ms, unreachable, refused, reason";

const toItem = (row: ItemRow): OutboxItem => ({
  id: row.id,
  state: row.state as OutboxState,
  createdWallMs: row.created_wall_ms,
  epoch: row.epoch,
  seq: row.seq,
  pushedWallMs: row.pushed_wall_ms,
  unreachable: row.unreachable,
  refused: row.refused,
  reason: row.reason,
});

function batchesWhere(state: Database, condition: string): StoredBatch[] {
  return state
    .all<{ number: number; commit_id: string; objects: Uint8Array | null }>(
      `SELECT number, commit_id, objects FROM batches WHERE ${condition} ORDER BY number`,
    )
    .map((row) => ({
      number: row.number,
      commitId: row.commit_id,
      objects: row.objects === null ? [] : unpackObjects(row.objects),
    }));
}

/** Objects as one value: a JSON line of kinds, ids and sizes, then the contents one after the other. */
function packObjects(objects: readonly GitObject[]): Uint8Array {
  const header = objects.map(({ kind, id, content }) => [kind, id, content.length]);
  return concatBytes([toUtf8(`${JSON.stringify(header)}\n`), ...objects.map(({ content }) => content)]);
}

function unpackObjects(bytes: Uint8Array): GitObject[] {
  const end = bytes.indexOf(0x0a);
  const header = readStoredJson(new TextDecoder().decode(bytes.subarray(0, end)), "a batch in state.db") as [
    ObjectKind,
    string,
    number,
  ][];
  let offset = end + 1;
  return header.map(([kind, id, size]) => {
    offset += size;
    return { kind, id, content: bytes.slice(offset - size, offset) };
  });
}
