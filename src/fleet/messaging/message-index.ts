/**
 * Writing `index.db`: accepted lines, how far each log was read, cards, receipts, and what was refused.
 *
 * The index is a cache. Everything in it follows from the git store and the pins, so nobody repairs it: it is made
 * again. Functions here run inside the caller's transaction.
 */

import { fromUtf8 } from "../../base/bytes.ts";
import { readStoredJson } from "../../base/errors.ts";
import type { Database, SqlValue } from "../../base/ports/database.ts";
import type { AcceptedLine } from "./accept-batch.ts";
import type { Card } from "./card.ts";
import {
  type Cursor,
  type Entry,
  isAddressedTo,
  isDirect,
  type MessageEntry,
  PRIORITIES,
  type ReceiptEntry,
  threadOf,
} from "./model.ts";

/** For whom lines are indexed: what `to_me` and `history` mean. */
export interface Reader {
  readonly server: string;
  readonly groups: readonly string[];
  readonly history: { readonly epoch: string; readonly seq: number };
  readonly nowWallMs: number;
}

/** How far a log was read into the index. */
export interface Progress extends Cursor {
  readonly tip: string;
  /** The key that counts from here on, `"ssh-ed25519 …"`; empty where only one ever did. */
  readonly publicKey: string;
}

type ProgressRow = { epoch: string; seq: number; hash: string; tip: string; public_key: string };

const toProgress = ({ public_key, ...place }: ProgressRow): Progress => ({ ...place, publicKey: public_key });

/** How far the log of `writer` was read, or null. */
export function loadProgress(index: Database, writer: string): Progress | null {
  const sql = "SELECT epoch, seq, hash, tip, public_key FROM progress WHERE writer = ?";
  const row = index.get<ProgressRow>(sql, writer);
  return row === null ? null : toProgress(row);
}

/** Everybody's progress by writer. */
export function listProgress(index: Database): Map<string, Progress> {
  const rows = index.all<ProgressRow & { writer: string }>(
    "SELECT writer, epoch, seq, hash, tip, public_key FROM progress",
  );
  return new Map(rows.map(({ writer, ...row }) => [writer, toProgress(row)]));
}

/** Stores how far a log was read. */
export function saveProgress(index: Database, writer: string, progress: Progress): void {
  index.run(
    "INSERT OR REPLACE INTO progress(writer, epoch, seq, hash, tip, public_key) VALUES(?, ?, ?, ?, ?, ?)",
    writer,
    progress.epoch,
    progress.seq,
    progress.hash,
    progress.tip,
    progress.publicKey,
  );
}

/** Adds accepted lines of `writer`. What cannot be read is quarantined in its place and counts as an entry. */
export function insertLines(
  index: Database,
  writer: string,
  lines: readonly AcceptedLine[],
  reader: Reader,
): void {
  for (const line of lines) {
    const { parsed } = line;
    if (parsed.status === "entry") {
      insertEntry(index, line, parsed.entry, reader);
    } else {
      const place = `${line.epoch}:${line.seq}`;
      addQuarantine(index, { server: writer, place, reason: parsed.reason }, reader.nowWallMs);
    }
  }
}

const INSERT_ENTRY = `INSERT OR IGNORE INTO entries(writer, epoch, seq, hash, id, type, at, to_me, direct, thread,
  in_reply_to, kind, urgency, history, received_wall_ms, json) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

/** An id that its writer used before is the same message once more: the first stays, each appears once. */
function insertEntry(index: Database, line: AcceptedLine, entry: Entry, reader: Reader): void {
  for (const receipt of receiptsIn(entry)) insertReceipt(index, receipt);
  const isHistory = line.epoch === reader.history.epoch && line.seq <= reader.history.seq;
  if (isHistory && entry.type === "key") {
    // What stands before an epoch of which a part is history is history as a whole.
    index.run("UPDATE entries SET history = 1 WHERE writer = ? AND history = 0", entry.from);
  }
  index.run(
    INSERT_ENTRY,
    entry.from,
    line.epoch,
    line.seq,
    line.hash,
    entry.id,
    entry.type,
    entry.at,
    ...messageColumns(entry, reader),
    isHistory ? 1 : 0,
    reader.nowWallMs,
    fromUtf8(line.text) ?? "",
  );
}

/** `to_me`, `direct`, `thread`, `in_reply_to`, `kind` and `urgency`: empty for what is no message. */
function messageColumns(entry: Entry, reader: Reader): SqlValue[] {
  if (entry.type !== "message") return [0, 0, null, null, null, null];
  const { to } = entry;
  const isToMe = entry.from !== reader.server && isAddressedTo(to, reader.server, reader.groups);
  return [
    isToMe ? 1 : 0,
    isDirect(to, reader.server) ? 1 : 0,
    threadOf(entry),
    entry.in_reply_to ?? null,
    entry.kind ?? "info",
    PRIORITIES.indexOf(entry.priority ?? "normal"),
  ];
}

function receiptsIn(entry: Entry): ReceiptEntry[] {
  if (entry.type === "receipt") return [entry];
  return entry.type === "compacted" ? entry.receipts.filter((one) => one.type === "receipt") : [];
}

function insertReceipt(index: Database, entry: ReceiptEntry): void {
  index.run(
    "INSERT OR IGNORE INTO receipts(message_from, message_id, server, state, exit_code, at) VALUES(?, ?, ?, ?, ?, ?)",
    entry.message_from,
    entry.message,
    entry.from,
    entry.state,
    entry.exit_code ?? null,
    entry.at,
  );
}

/** Something of a server that was not taken, and why. `place`: a commit id, or `"<epoch>:<seq>"`. */
export interface Quarantined {
  readonly server: string;
  readonly place: string;
  readonly reason: string;
}

/** Records what was refused; the first reason for a place stays. */
export function addQuarantine(index: Database, one: Quarantined, nowWallMs: number): void {
  index.run(
    "INSERT OR IGNORE INTO quarantine(server, place, reason, seen_wall_ms) VALUES(?, ?, ?, ?)",
    one.server,
    one.place,
    one.reason,
    nowWallMs,
  );
}

/** Forgets what was refused at these places: it was taken after all. */
export function removeQuarantine(index: Database, server: string, places: readonly string[]): void {
  for (const place of places) {
    index.run("DELETE FROM quarantine WHERE server = ? AND place = ?", server, place);
  }
}

/** Whether anything of a server was refused. */
export const hasRefused = (index: Database, server: string): boolean =>
  index.get("SELECT 1 FROM quarantine WHERE server = ? LIMIT 1", server) !== null;

/**
 * Has the logs of which something was refused read once more, from their beginning; to be called when damage was mended,
 * since what could not be read may have looked like what its writer never wrote.
 */
export function readRefusedAgain(index: Database): void {
  const untrusted = UNTRUSTED.map(() => "?").join(", ");
  const refused = `SELECT server FROM quarantine WHERE reason NOT IN (${untrusted})`;
  index.transaction(() => index.run(`DELETE FROM progress WHERE writer IN (${refused})`, ...UNTRUSTED));
}

/** Everything refused, newest first. */
export function listQuarantine(index: Database): (Quarantined & { readonly seenWallMs: number })[] {
  return index
    .all<{ server: string; place: string; reason: string; seen_wall_ms: number }>(
      "SELECT server, place, reason, seen_wall_ms FROM quarantine ORDER BY seen_wall_ms DESC, server, place",
    )
    .map(({ seen_wall_ms, ...one }) => ({ ...one, seenWallMs: seen_wall_ms }));
}

/** Reasons of what was put aside because its server is not trusted; any number of commits is one fact. */
const UNTRUSTED: readonly string[] = ["revoked", "purged"];

/** What was refused, in words and newest first; what comes of one server that is not trusted is told once. */
export function describeQuarantine(
  index: Database,
): { readonly server: string; readonly evidence: string; readonly isUntrusted: boolean }[] {
  const all = listQuarantine(index);
  const isUntrusted = ({ reason }: Quarantined): boolean => UNTRUSTED.includes(reason);
  const counts = Map.groupBy(all.filter(isUntrusted), ({ server, reason }) => `${server} ${reason}`);
  const untrusted = [...counts.values()].flatMap((some) => {
    const [one] = some;
    if (one === undefined) return [];
    const what = some.length === 1 ? "1 batch was" : `${some.length} batches were`;
    const evidence = `quarantined: ${what} put aside, since it is ${one.reason}`;
    return [{ server: one.server, evidence, isUntrusted: true }];
  });
  const others = all.filter((one) => !isUntrusted(one));
  return [
    ...others.map(({ server, place, reason }) => {
      return { server, evidence: `quarantined ${place.slice(0, 12)}: ${reason}`, isUntrusted: false };
    }),
    ...untrusted,
  ];
}

/** Something that an operator should look at. `rounds`: in how many looks at the remote it was so. */
export interface Alarm {
  readonly server: string;
  readonly kind: string;
  readonly detail: string;
}

/** Raises an alarm or counts it once more. */
export function raiseAlarm(index: Database, alarm: Alarm, nowWallMs: number): void {
  index.run(
    `INSERT INTO alarms(server, kind, detail, first_wall_ms, rounds) VALUES(?, ?, ?, ?, 1)
     ON CONFLICT(server, kind) DO UPDATE SET rounds = rounds + 1, detail = excluded.detail`,
    alarm.server,
    alarm.kind,
    alarm.detail,
    nowWallMs,
  );
}

/** Whether an alarm stands with exactly this detail, however often it was seen. */
export const isRaised = (index: Database, { server, kind, detail }: Alarm): boolean =>
  index.get("SELECT 1 FROM alarms WHERE server = ? AND kind = ? AND detail = ?", server, kind, detail) !==
  null;

/** The alarms of these kinds that were raised for the first time a moment ago. */
export const freshAlarms = (index: Database, kinds: readonly string[]): Alarm[] =>
  index
    .all<{ server: string; kind: string; detail: string }>(
      "SELECT server, kind, detail FROM alarms WHERE rounds = 1 ORDER BY server, kind",
    )
    .filter(({ kind }) => kinds.includes(kind));

/** Whether an alarm was raised often enough to be listed: whoever raises it at every look need not do so again. */
export const isLasting = (index: Database, server: string, kind: string): boolean =>
  index.get("SELECT 1 FROM alarms WHERE server = ? AND kind = ? AND rounds >= 2", server, kind) !== null;

/** Ends an alarm whose cause is gone. Called at every look, so it writes only when there is one. */
export function clearAlarm(index: Database, server: string, kind: string): void {
  const where = "FROM alarms WHERE server = ? AND kind = ?";
  if (index.get(`SELECT 1 ${where}`, server, kind) !== null) index.run(`DELETE ${where}`, server, kind);
}

/** Ends the alarms of a kind that were first raised before `beforeWallMs`. Called at every look. */
export function endAlarms(index: Database, kind: string, beforeWallMs: number): void {
  const where = "FROM alarms WHERE kind = ? AND first_wall_ms < ?";
  if (index.get(`SELECT 1 ${where}`, kind, beforeWallMs) === null) return;
  index.transaction(() => index.run(`DELETE ${where}`, kind, beforeWallMs));
}

/** The servers of which an alarm of one of these kinds is known, however often it was so. */
export function serversWithAlarm(index: Database, kinds: readonly string[]): Set<string> {
  const rows = index.all<{ server: string; kind: string }>("SELECT server, kind FROM alarms");
  return new Set(rows.filter((row) => kinds.includes(row.kind)).map((row) => row.server));
}

/** Alarms that stood for at least two looks: refs are not fetched at one instant, so once may be chance. */
export const listAlarms = (index: Database): (Alarm & { readonly rounds: number })[] =>
  index.all<{ server: string; kind: string; detail: string; rounds: number }>(
    "SELECT server, kind, detail, rounds FROM alarms WHERE rounds >= 2 ORDER BY server, kind",
  );

/** A card as it was last taken. */
export interface StoredCard {
  readonly server: string;
  readonly commitId: string;
  readonly card: Card;
  readonly receivedWallMs: number;
}

/** Stores the newest card of a server. */
export function saveCard(index: Database, stored: StoredCard): void {
  index.run(
    "INSERT OR REPLACE INTO cards(server, n, commit_id, json, received_wall_ms) VALUES(?, ?, ?, ?, ?)",
    stored.server,
    stored.card.n,
    stored.commitId,
    JSON.stringify(stored.card),
    stored.receivedWallMs,
  );
}

type CardRow = { server: string; commit_id: string; json: string; received_wall_ms: number };
const CARDS = "SELECT server, commit_id, json, received_wall_ms FROM cards";

/** The last card of every server, by name. */
export const listCards = (index: Database): StoredCard[] =>
  index.all<CardRow>(`${CARDS} ORDER BY server`).map((row) => toStoredCard(index, row));

/** The last card of one server, or null. */
export function findCard(index: Database, server: string): StoredCard | null {
  const row = index.get<CardRow>(`${CARDS} WHERE server = ?`, server);
  return row === null ? null : toStoredCard(index, row);
}

/** Cards as they were read last: every look asks for all of them, and few have changed. */
const readBefore = new WeakMap<Database, Map<string, { readonly json: string; readonly card: Card }>>();

function toStoredCard(index: Database, row: CardRow): StoredCard {
  const known = readBefore.get(index) ?? new Map<string, { readonly json: string; readonly card: Card }>();
  readBefore.set(index, known);
  const before = known.get(row.server);
  // Stored by `saveCard` after `parseCard` had accepted it.
  const isSame = before?.json === row.json;
  const card = isSame ? before.card : (readStoredJson(row.json, "a card in index.db") as Card);
  if (!isSame) known.set(row.server, { json: row.json, card });
  return { server: row.server, commitId: row.commit_id, card, receivedWallMs: row.received_wall_ms };
}

/** Declares all that the index holds now history; for a server that just joined. */
export const markAllHistory = (index: Database): void => {
  index.run("UPDATE entries SET history = 1");
};

/** A message as the index holds it. `position` rises in the order of arrival here. */
export interface IndexedMessage {
  readonly position: number;
  readonly epoch: string;
  readonly message: MessageEntry;
  readonly toMe: boolean;
  readonly history: boolean;
  readonly receivedWallMs: number;
}

/** Columns for `toIndexedMessage`. */
export const MESSAGE_COLUMNS = "position, epoch, json, to_me, history, received_wall_ms";
export type MessageRow = {
  position: number;
  epoch: string;
  json: string;
  to_me: number;
  history: number;
  received_wall_ms: number;
};

/** One row of `entries` with type `message`. */
export const toIndexedMessage = (row: MessageRow): IndexedMessage => ({
  position: row.position,
  epoch: row.epoch,
  // Stored by `insertEntry` after the line had been accepted as a message.
  message: readStoredJson(row.json, "a message in index.db") as MessageEntry,
  toMe: row.to_me === 1,
  history: row.history === 1,
  receivedWallMs: row.received_wall_ms,
});
