/**
 * The tables of a server's two databases.
 *
 * `state.db` must survive: what was promised to senders, what was answered, whose key is whose. `index.db` is made
 * from the git store and may be deleted at any time. Nothing is in both, so they cannot disagree.
 */
import { prepareLayout } from "../../base/database-layout.ts";
import type { Database } from "../../base/ports/database.ts";

const MESSAGES = `
CREATE TABLE settings(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE outbox(
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, draft TEXT NOT NULL, created_wall_ms INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'queued', batch INTEGER, epoch TEXT, seq INTEGER, pushed_wall_ms INTEGER);
CREATE INDEX outbox_queued ON outbox(position) WHERE state = 'queued';
CREATE INDEX outbox_batch ON outbox(batch);
CREATE TABLE batches(
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  commit_id TEXT NOT NULL UNIQUE, state TEXT NOT NULL DEFAULT 'built', built_wall_ms INTEGER NOT NULL, objects BLOB);
CREATE INDEX batches_unstored ON batches(number) WHERE objects IS NOT NULL;
CREATE TABLE peers(
  server TEXT PRIMARY KEY, public_key TEXT NOT NULL, pinned_wall_ms INTEGER NOT NULL,
  epoch TEXT NOT NULL DEFAULT '', seq INTEGER NOT NULL DEFAULT 0, hash TEXT NOT NULL DEFAULT '',
  history_epoch TEXT NOT NULL DEFAULT '', history_seq INTEGER NOT NULL DEFAULT 0, card_n INTEGER NOT NULL DEFAULT 0,
  forgotten_wall_ms INTEGER) WITHOUT ROWID;
CREATE TABLE journal(
  message_from TEXT NOT NULL, message_id TEXT NOT NULL, rule TEXT NOT NULL, reply_id TEXT NOT NULL,
  answered_wall_ms INTEGER NOT NULL, PRIMARY KEY(message_from, message_id)) WITHOUT ROWID;
CREATE TABLE buckets(
  name TEXT PRIMARY KEY, tokens REAL NOT NULL, updated_wall_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE marks(
  message_from TEXT NOT NULL, message_id TEXT NOT NULL, read_wall_ms INTEGER, acked_wall_ms INTEGER,
  PRIMARY KEY(message_from, message_id)) WITHOUT ROWID;
CREATE TABLE expected(
  message_id TEXT NOT NULL, server TEXT NOT NULL, PRIMARY KEY(message_id, server)) WITHOUT ROWID;
`;

/**
 * What was tried with an entry: both counters, the last reason and since when, and when it is due again after a
 * refusal. A batch knows the end of the log after it and the batch it continues, so that it can be taken back; of those
 * that were there before, which were never taken back, only the newest one's end is known.
 * `batch_entries` says what was in one that was. `passed` is when others said how far they had read; groups of peers
 * are here because `expected` is filled from them.
 */
const QUEUE = `
ALTER TABLE outbox ADD COLUMN unreachable INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN refused INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN failed_wall_ms INTEGER;
ALTER TABLE outbox ADD COLUMN tried_wall_ms INTEGER;
ALTER TABLE outbox ADD COLUMN due_wall_ms INTEGER;
ALTER TABLE outbox ADD COLUMN expires_wall_ms INTEGER;
CREATE INDEX outbox_open ON outbox(position) WHERE state <> 'pushed';
ALTER TABLE batches ADD COLUMN head TEXT NOT NULL DEFAULT '';
ALTER TABLE batches ADD COLUMN parent INTEGER;
UPDATE batches SET parent = (SELECT max(older.number) FROM batches AS older WHERE older.number < batches.number);
UPDATE batches SET head = coalesce((SELECT value FROM settings WHERE key = 'head'), '')
  WHERE number = (SELECT max(number) FROM batches);
CREATE INDEX batches_open ON batches(number) WHERE state <> 'pushed';
CREATE TABLE batch_entries(
  batch INTEGER NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY(batch, id)) WITHOUT ROWID;
CREATE TABLE passed(
  server TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL, at TEXT NOT NULL,
  PRIMARY KEY(server, epoch, seq)) WITHOUT ROWID;
ALTER TABLE peers ADD COLUMN groups TEXT NOT NULL DEFAULT '[]';
ALTER TABLE expected ADD COLUMN via TEXT NOT NULL DEFAULT '';
`;

/**
 * The journal of handlers: a run is started before its process is, and done when its result is here. The message stays
 * with it until then, so that it waits for nothing else; `token` is in the environment of the process.
 */
const HANDLERS = `
CREATE TABLE runs(
  message_from TEXT NOT NULL, message_id TEXT NOT NULL, rule TEXT NOT NULL, state TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, queued_wall_ms INTEGER NOT NULL, due_wall_ms INTEGER NOT NULL,
  started_wall_ms INTEGER, ended_wall_ms INTEGER, exit_code INTEGER, reason TEXT NOT NULL DEFAULT '',
  token TEXT NOT NULL DEFAULT '', pid INTEGER, pid_started TEXT, reply_id TEXT, subject TEXT NOT NULL,
  message TEXT NOT NULL, PRIMARY KEY(message_from, message_id)) WITHOUT ROWID;
CREATE INDEX runs_open ON runs(state, due_wall_ms) WHERE state <> 'done';
CREATE INDEX runs_queued ON runs(queued_wall_ms);
`;

/** What happened, bounded: single operations, and counters per minute, so that any window of hours can be counted. */
const METRICS = `
CREATE TABLE operations(
  position INTEGER PRIMARY KEY AUTOINCREMENT, at_wall_ms INTEGER NOT NULL, type TEXT NOT NULL,
  duration_ms REAL NOT NULL, success INTEGER NOT NULL, metadata TEXT NOT NULL);
CREATE INDEX operations_at ON operations(at_wall_ms);
CREATE TABLE counters(
  minute INTEGER NOT NULL, name TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY(minute, name)) WITHOUT ROWID;
`;

/**
 * What is wrong with the own refs: `held` while nothing may be pushed or done by itself for it, `ended_wall_ms` once its
 * cause is gone, so that it can be shown for a while.
 */
const OWN_REFS = `
CREATE TABLE own_alarms(
  kind TEXT PRIMARY KEY, held INTEGER NOT NULL, detail TEXT NOT NULL, first_wall_ms INTEGER NOT NULL,
  ended_wall_ms INTEGER) WITHOUT ROWID;
`;

/**
 * Shortened logs that were pushed without an answer yet: each may be on the remote as long as the log stands on `from_tip`
 * there; `cut` is the commit of the last batch that it leaves out. Rows of messages that everybody has are removed;
 * `sent_minutes` counts them.
 */
const COMPACTION = `
CREATE TABLE compactions(
  commit_id TEXT PRIMARY KEY, from_tip TEXT NOT NULL, cut TEXT NOT NULL, built_wall_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE sent_minutes(minute INTEGER PRIMARY KEY, count INTEGER NOT NULL);
ALTER TABLE peers ADD COLUMN purged_wall_ms INTEGER;
`;

/**
 * What an operator, or what was seen, says about the keys of others. `verdict` is empty where nothing was said, else
 * `added`, `revoked` or `purged`. `held_tip` and `held` are how far the log of a server that is not trusted was seen:
 * once it is, all of that is history. `former_keys` are keys that counted before, this server's own too; `hash` is the
 * line that named the next one, empty where the operator replaced it.
 */
const TRUST = `
CREATE TABLE trust(
  server TEXT PRIMARY KEY, verdict TEXT NOT NULL DEFAULT '', since_wall_ms INTEGER NOT NULL,
  expected TEXT NOT NULL DEFAULT '', held_tip TEXT NOT NULL DEFAULT '', held TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
CREATE TABLE former_keys(
  position INTEGER PRIMARY KEY AUTOINCREMENT, server TEXT NOT NULL, public_key TEXT NOT NULL,
  since_wall_ms INTEGER NOT NULL, until_wall_ms INTEGER NOT NULL, hash TEXT NOT NULL);
CREATE UNIQUE INDEX former_keys_once ON former_keys(server, public_key, hash) WHERE hash <> '';
`;

/** What the waiting clock said when an entry was queued; null in rows of before, which begin to wait at the next look. */
const WAITING = "ALTER TABLE outbox ADD COLUMN since_ms INTEGER";

/** Each step leads from the layout of its position to the next; a file of an older fleetd takes those it lacks. */
const STATE_STEPS: readonly string[] = [
  MESSAGES,
  QUEUE,
  HANDLERS,
  METRICS,
  OWN_REFS,
  COMPACTION,
  TRUST,
  WAITING,
];

const INDEX_TABLES = `
CREATE TABLE entries(
  position INTEGER PRIMARY KEY,
  writer TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL, hash TEXT NOT NULL,
  id TEXT NOT NULL, type TEXT NOT NULL, at TEXT NOT NULL, to_me INTEGER NOT NULL, direct INTEGER NOT NULL,
  history INTEGER NOT NULL, thread TEXT, in_reply_to TEXT, kind TEXT, urgency INTEGER, received_wall_ms INTEGER NOT NULL,
  json TEXT NOT NULL);
CREATE UNIQUE INDEX entries_chain ON entries(writer, epoch, seq);
CREATE INDEX entries_writer ON entries(writer, position);
CREATE UNIQUE INDEX entries_id ON entries(id, writer);
CREATE INDEX entries_thread ON entries(thread) WHERE thread IS NOT NULL;
CREATE INDEX entries_reply ON entries(in_reply_to) WHERE in_reply_to IS NOT NULL;
CREATE INDEX entries_to_me ON entries(position) WHERE to_me = 1;
CREATE TABLE receipts(
  message_from TEXT NOT NULL, message_id TEXT NOT NULL, server TEXT NOT NULL, state TEXT NOT NULL,
  exit_code INTEGER, at TEXT NOT NULL, PRIMARY KEY(message_from, message_id, server, state)) WITHOUT ROWID;
CREATE TABLE progress(
  writer TEXT PRIMARY KEY, epoch TEXT NOT NULL, seq INTEGER NOT NULL, hash TEXT NOT NULL, tip TEXT NOT NULL)
  WITHOUT ROWID;
CREATE TABLE cards(
  server TEXT PRIMARY KEY, n INTEGER NOT NULL, commit_id TEXT NOT NULL, json TEXT NOT NULL,
  received_wall_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE quarantine(
  server TEXT NOT NULL, place TEXT NOT NULL, reason TEXT NOT NULL, seen_wall_ms INTEGER NOT NULL,
  PRIMARY KEY(server, place)) WITHOUT ROWID;
CREATE TABLE alarms(
  server TEXT NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL, first_wall_ms INTEGER NOT NULL,
  rounds INTEGER NOT NULL, PRIMARY KEY(server, kind)) WITHOUT ROWID;
`;

/** The key that counts where a log was read to; empty in rows of before, when no key had ever followed another. */
const INDEX_KEYS = "ALTER TABLE progress ADD COLUMN public_key TEXT NOT NULL DEFAULT ''";

/** As for the state. A step that needs what was received before cannot stand here: the index is made anew instead. */
const INDEX_STEPS: readonly string[] = [INDEX_TABLES, INDEX_KEYS];

/** Makes or completes the tables of `state.db`. @throws FleetError IO when a newer fleetd made the file. */
export const prepareState = (database: Database): void => prepareLayout(database, STATE_STEPS, "state.db");

/** Makes or completes the tables of `index.db`. @throws FleetError IO when a newer fleetd made the file. */
export const prepareIndex = (database: Database): void => prepareLayout(database, INDEX_STEPS, "index.db");
