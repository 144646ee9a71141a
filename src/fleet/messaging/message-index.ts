/**
 * Writing `index.db`: accepted lines, how far each log was read, and receipts.
 *
 * The index is a cache. Everything in it follows from the git store and the pins, so nobody repairs it: it is made
 * again. Functions here run inside the caller's transaction.
 */

import { fromUtf8 } from "../../base/bytes.ts";
import { readStoredJson } from "../../base/errors.ts";
import type { Database, SqlValue } from "../../base/ports/database.ts";
import type { AcceptedLine } from "./accept-batch.ts";
import { addQuarantine } from "./index-troubles.ts";
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
