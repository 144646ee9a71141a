/**
 * The words of the wire format: what an entry of a server's log is, its limits, and who is who.
 *
 * Everything here is version 1 of a public format (docs/format.md). Fields are only ever added; a reader keeps
 * fields that it does not know.
 */
import { fail, ok, type Result } from "../../base/result.ts";

/** The wire format that this code writes and reads. */
export const FORMAT = 1;

/** Limits of the wire format; a writer never exceeds them, a reader refuses what does. */
export const LIMITS = {
  lineBytesMax: 2 * 1024 * 1024,
  bodyBytesMax: 256 * 1024,
  subjectCharactersMax: 200,
  batchLinesMax: 1000,
  batchBytesMax: 4 * 1024 * 1024,
  cardBytesMax: 64 * 1024,
  /** A signature file is about 300 bytes; chosen with room, not measured. */
  signatureBytesMax: 4096,
  recipientsMax: 1000,
  labelsMax: 64,
  jsonDepthMax: 32,
} as const;

/** After so many automatic steps a conversation is over (RFC 3834 in spirit). */
export const HOPS_MAX = 5;

/** Message kinds and priorities, in the order of the format; the first kind and "normal" are the defaults. */
export const MESSAGE_KINDS = ["info", "request", "response", "warning", "error", "update"] as const;
export const PRIORITIES = ["low", "normal", "high", "critical"] as const;
export type MessageKind = (typeof MESSAGE_KINDS)[number];
export type Priority = (typeof PRIORITIES)[number];

/** What a recipient says it did with a message. */
export const RECEIPT_STATES = ["read", "acked", "handled"] as const;
export type ReceiptState = (typeof RECEIPT_STATES)[number];

/** What every entry carries. `prev` is `"sha256:<hex>"` of the previous line without its LF, null on a log's first. */
export interface Envelope {
  readonly v: number;
  readonly id: string;
  readonly seq: number;
  readonly prev: string | null;
  readonly from: string;
  /** RFC 3339 with milliseconds, always `Z`. */
  readonly at: string;
}

/** Entry 1 of an epoch: who writes here, for which fleet, with which key (`"ssh-ed25519 <base64>"`). */
export interface KeyBody {
  readonly type: "key";
  readonly fleet: string;
  readonly epoch: string;
  readonly public_key: string;
  readonly format: number;
  /** Where the key is another one than before: a signature by it, which proves that its writer has it. */
  readonly proof?: string | undefined;
}

export interface Attachment {
  readonly name: string;
  readonly size: number;
  readonly sha256: string;
}

/** A message. Absent fields mean: kind info, priority normal, no thread, not automatic, 0 hops. */
export interface MessageBody {
  readonly type: "message";
  /** Server ids, `all`, or `@group`; at least one. */
  readonly to: readonly string[];
  readonly subject: string;
  readonly body: string;
  readonly kind?: MessageKind | undefined;
  readonly priority?: Priority | undefined;
  readonly thread?: string | undefined;
  readonly in_reply_to?: string | undefined;
  readonly ack_required?: boolean | undefined;
  readonly expires_at?: string | undefined;
  readonly auto?: boolean | undefined;
  readonly hops?: number | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly attachments?: readonly Attachment[] | undefined;
  readonly idempotency_key?: string | undefined;
}

/** What became of somebody else's message here. `exit_code` only with `handled`. */
export interface ReceiptBody {
  readonly type: "receipt";
  readonly message: string;
  readonly message_from: string;
  readonly state: ReceiptState;
  readonly exit_code?: number | undefined;
}

/** The first line of a compacted log: what the removed lines came to. */
export interface CompactedBody {
  readonly type: "compacted";
  /** `"sha256:<hex>"` of the last line removed; the next kept line's `prev` equals it. */
  readonly hash: string;
  readonly count: number;
  /** The key entries removed, oldest first, as they were. */
  readonly keys: readonly Entry[];
  /** Receipts removed whose messages may still be waited for, as they were. */
  readonly receipts: readonly Entry[];
}

export type EntryBody = KeyBody | MessageBody | ReceiptBody | CompactedBody;
export type Entry = Envelope & EntryBody;
export type MessageEntry = Envelope & MessageBody;
export type ReceiptEntry = Envelope & ReceiptBody;

/** How far somebody has read a log. */
export interface Cursor {
  readonly epoch: string;
  readonly seq: number;
  readonly hash: string;
}

const SERVER_ID = /^[a-z0-9][a-z0-9-]{0,62}$/;
const GROUP = /^@[a-z0-9][a-z0-9-]{0,62}$/;
const DEVICE_NAMES = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])$/;

/** The id of a server: lowercase letters, digits and dashes, at most 63; `all` and Windows device names are reserved. */
export function parseServerId(text: string): Result<string> {
  if (!SERVER_ID.test(text)) {
    return fail(
      `Cannot use server id "${text.slice(0, 80)}": need 1 to 63 of a-z, 0-9 and "-", not starting with "-"`,
    );
  }
  if (text === "all" || DEVICE_NAMES.test(text))
    return fail(`Cannot use server id "${text}": it is reserved`);
  return ok(text);
}

/** One recipient: a server id, `all`, or `@group`. */
export function parseRecipient(text: string): Result<string> {
  if (text === "all" || GROUP.test(text)) return ok(text);
  const server = parseServerId(text);
  return server.ok
    ? server
    : fail(`Cannot address "${text.slice(0, 80)}": need a server id, "all" or "@group"`);
}

/** Recipients as typed, separated by commas; duplicates are taken once. */
export function parseRecipients(text: string): Result<readonly string[]> {
  const recipients = new Set<string>();
  for (const part of text.split(",")) {
    const recipient = parseRecipient(part.trim());
    if (!recipient.ok) return recipient;
    recipients.add(recipient.value);
  }
  return ok([...recipients]);
}

/** Whether a message with these recipients is meant for `server` with its groups (without `@`). */
export function isAddressedTo(to: readonly string[], server: string, groups: readonly string[]): boolean {
  return to.some((one) => one === server || one === "all" || groups.some((group) => one === `@${group}`));
}

/** Whether `server` is named itself, not by `all` or a group. */
export const isDirect = (to: readonly string[], server: string): boolean => to.includes(server);

/** The conversation that a message belongs to: its thread, or itself as the first of one. */
export const threadOf = (message: { id: string; thread?: string | undefined }): string =>
  message.thread ?? message.id;
