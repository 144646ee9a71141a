/**
 * Questions to the index, for people and scripts. The index has the state database attached as `mine`, so what was
 * read and acknowledged here can be asked in the same query.
 */
import { toInstant } from "../../base/instant.ts";
import type { Database, SqlValue } from "../../base/ports/database.ts";
import { type IndexedMessage, MESSAGE_COLUMNS, type MessageRow, toIndexedMessage } from "./message-index.ts";

/** A label that a message must have; `value` null: any. */
export interface LabelFilter {
  readonly name: string;
  readonly value: string | null;
}

/** Which of the messages this server sent. `sinceWallMs`: written at or after. */
export interface SentFilter {
  readonly to?: string | undefined;
  readonly kind?: string | undefined;
  readonly sinceWallMs?: number | undefined;
  readonly labels?: readonly LabelFilter[] | undefined;
  readonly limit: number;
}

/** Which messages of the inbox. `sinceWallMs`: received here at or after. */
export interface InboxFilter {
  readonly unread?: boolean | undefined;
  readonly from?: string | undefined;
  readonly kind?: string | undefined;
  readonly sinceWallMs?: number | undefined;
  readonly thread?: string | undefined;
  readonly labels?: readonly LabelFilter[] | undefined;
  readonly afterPosition?: number | undefined;
  readonly limit: number;
}

/** A message of the inbox with what was done with it here. */
export interface InboxMessage extends IndexedMessage {
  readonly readWallMs: number | null;
  readonly ackedWallMs: number | null;
}

type InboxRow = MessageRow & { read_wall_ms: number | null; acked_wall_ms: number | null };

const FROM_INBOX = `FROM entries LEFT JOIN mine.marks AS mark ON mark.message_from = entries.writer AND mark.message_id = entries.id
  WHERE entries.type = 'message' AND entries.to_me = 1`;
const UNREAD = "(mark.read_wall_ms IS NULL AND entries.history = 0)";
const COLUMNS = `${MESSAGE_COLUMNS}, mark.read_wall_ms, mark.acked_wall_ms`;

/** Messages to this server: urgent unread ones first, then the newest. */
export function listInbox(index: Database, filter: InboxFilter): InboxMessage[] {
  const { where, values } = conditionsOf(filter);
  const sql = `SELECT ${COLUMNS} ${FROM_INBOX} ${where}
    ORDER BY CASE WHEN ${UNREAD} AND urgency >= 2 THEN urgency ELSE 0 END DESC, position DESC LIMIT ?`;
  return index.all<InboxRow>(sql, ...values, filter.limit).map(toInboxMessage);
}

/** The newest messages that fit, in the order in which they came. */
export function listNewest(index: Database, filter: InboxFilter): InboxMessage[] {
  const { where, values } = conditionsOf(filter);
  const sql = `SELECT ${COLUMNS} ${FROM_INBOX} ${where} ORDER BY position DESC LIMIT ?`;
  return index
    .all<InboxRow>(sql, ...values, filter.limit)
    .map(toInboxMessage)
    .reverse();
}

/** The oldest message after `afterPosition` that fits, or null: what `wait` and `watch` go by. */
export function nextInbox(index: Database, filter: InboxFilter): InboxMessage | null {
  const { where, values } = conditionsOf(filter);
  const row = index.get<InboxRow>(
    `SELECT ${COLUMNS} ${FROM_INBOX} ${where} ORDER BY position LIMIT 1`,
    ...values,
  );
  return row === null ? null : toInboxMessage(row);
}

/** How many messages to this server nobody has read here. */
export function countUnread(index: Database): number {
  return index.get<{ count: number }>(`SELECT count(*) AS count ${FROM_INBOX} AND ${UNREAD}`)?.count ?? 0;
}

/** How many unread messages of `from` there are up to a position. */
export function countUnreadOf(index: Database, from: string, upTo: number): number {
  const sql = `SELECT count(*) AS count ${FROM_INBOX} AND ${UNREAD} AND writer = ? AND position <= ?`;
  return index.get<{ count: number }>(sql, from, upTo)?.count ?? 0;
}

/** The newest position of all; 0 in an empty index. */
export const lastPosition = (index: Database): number =>
  index.get<{ position: number | null }>("SELECT max(position) AS position FROM entries")?.position ?? 0;

/** Messages this server wrote that are in its log, newest first. */
export function listSent(index: Database, server: string, filter: SentFilter): IndexedMessage[] {
  const { to, kind, sinceWallMs, labels = [] } = filter;
  const { add, where, values } = conditions();
  const isTo = "EXISTS (SELECT 1 FROM json_each(entries.json, '$.to') AS one WHERE one.value = ?)";
  add(isTo, to);
  add("entries.kind = ?", kind);
  add("entries.at >= ?", sinceWallMs === undefined ? undefined : toInstant(sinceWallMs));
  for (const label of labels) addLabel(add, label);
  const sql = `SELECT ${MESSAGE_COLUMNS} FROM entries WHERE writer = ? AND type = 'message' ${where()}
    ORDER BY position DESC LIMIT ?`;
  return index.all<MessageRow>(sql, server, ...values, filter.limit).map(toIndexedMessage);
}

/** Whether a message has every one of `labels`: the same judgement for what is not in the index yet. */
export const hasLabels = (
  message: { readonly labels?: Readonly<Record<string, string>> | undefined },
  labels: readonly LabelFilter[],
): boolean =>
  labels.every(({ name, value }) => {
    const own = Object.entries(message.labels ?? {}).find(([key]) => key === name);
    return own !== undefined && (value === null || own[1] === value);
  });

/** Characters of an id's end that people see: its beginning is the time, which neighbours share. */
export const SHORT_ID_LENGTH = 8;

/** The end of an id that stands for it on a screen. */
export const shortId = (id: string): string => id.slice(-SHORT_ID_LENGTH);

/** Messages whose id starts or ends with `part`; at most two, since more than one is an error. */
export function findById(index: Database, part: string): IndexedMessage[] {
  const from = `SELECT ${MESSAGE_COLUMNS} FROM entries WHERE type = 'message'`;
  const starting = index.all<MessageRow>(`${from} AND id >= ? AND id < ? LIMIT 2`, part, `${part}\uffff`);
  const found =
    starting.length > 0
      ? starting
      : index.all<MessageRow>(`${from} AND substr(id, ?) = ? LIMIT 2`, -part.length, part);
  return found.map(toIndexedMessage);
}

/** A conversation in the order of arrival here. */
export function listThread(index: Database, thread: string): IndexedMessage[] {
  const sql = `SELECT ${MESSAGE_COLUMNS} FROM entries WHERE thread = ? AND type = 'message' ORDER BY position`;
  return index.all<MessageRow>(sql, thread).map(toIndexedMessage);
}

/** The first answer to message `id` by another server, or null. */
export function findReply(index: Database, id: string, server: string): IndexedMessage | null {
  const sql = `SELECT ${MESSAGE_COLUMNS} FROM entries WHERE in_reply_to = ? AND writer <> ? AND to_me = 1 ORDER BY position LIMIT 1`;
  const row = index.get<MessageRow>(sql, id, server);
  return row === null ? null : toIndexedMessage(row);
}

/** What was done here with one message. */
export function marksOf(
  index: Database,
  message: { from: string; id: string },
): { readWallMs: number | null; ackedWallMs: number | null } {
  const row = index.get<{ read_wall_ms: number | null; acked_wall_ms: number | null }>(
    "SELECT read_wall_ms, acked_wall_ms FROM mine.marks WHERE message_from = ? AND message_id = ?",
    message.from,
    message.id,
  );
  return { readWallMs: row?.read_wall_ms ?? null, ackedWallMs: row?.acked_wall_ms ?? null };
}

function toInboxMessage(row: InboxRow): InboxMessage {
  return { ...toIndexedMessage(row), readWallMs: row.read_wall_ms, ackedWallMs: row.acked_wall_ms };
}

function conditionsOf(filter: InboxFilter): { where: string; values: SqlValue[] } {
  const { add, where, values } = conditions();
  if (filter.unread === true) add(UNREAD);
  add("entries.writer = ?", filter.from);
  add("entries.kind = ?", filter.kind);
  add("entries.received_wall_ms >= ?", filter.sinceWallMs);
  add("entries.thread = ?", filter.thread);
  add("entries.position > ?", filter.afterPosition);
  for (const label of filter.labels ?? []) addLabel(add, label);
  return { where: where(), values };
}

type AddCondition = (sql: string, ...given: readonly (SqlValue | undefined)[]) => void;

/** Collects conditions; one whose value is `undefined` was not asked for. */
function conditions(): { add: AddCondition; where: () => string; values: SqlValue[] } {
  const parts: string[] = [];
  const values: SqlValue[] = [];
  const add: AddCondition = (sql, ...given) => {
    const known = given.filter((value) => value !== undefined);
    if (known.length < given.length) return;
    parts.push(` AND ${sql}`);
    values.push(...known);
  };
  return { add, where: () => parts.join(""), values };
}

function addLabel(add: AddCondition, { name, value }: LabelFilter): void {
  const sql = "SELECT 1 FROM json_each(entries.json, '$.labels') AS label WHERE label.key = ?";
  if (value === null) add(`EXISTS (${sql})`, name);
  else add(`EXISTS (${sql} AND label.value = ?)`, name, value);
}

/** Whom a message is to, short enough for a column. */
export const recipientsOf = (message: { readonly to: readonly string[] }): string => {
  const [first = "", second, ...more] = message.to;
  if (second === undefined) return first;
  return more.length === 0 ? `${first}, ${second}` : `${first} and ${more.length + 1} more`;
};
