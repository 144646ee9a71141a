/**
 * One line of `entries.jsonl`: written by `encodeLine`, read by `parseLine`.
 *
 * A reader never trusts a line: the bytes are limited before they are decoded, JSON is parsed strictly, and every
 * field has a type and a bound. The idea to keep in mind: a line that is wrong is *one* wrong line. It still takes
 * its place in the writer's chain, so its place is read apart from the body and the entries around it live on.
 */
import * as v from "valibot";
import { fromUtf8, toUtf8 } from "../../base/bytes.ts";
import { isInstant } from "../../base/instant.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import { parseStrictJson } from "../../base/strict-json.ts";
import {
  type Entry,
  FORMAT,
  LIMITS,
  MESSAGE_KINDS,
  PRIORITIES,
  parseRecipient,
  parseServerId,
  RECEIPT_STATES,
} from "./model.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[78][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const REFERENCE = /^[A-Za-z0-9._:-]{1,128}$/;
const HASH = /^sha256:[0-9a-f]{64}$/;
/** More than any conversation comes to; chosen when the format was made. */
const HOPS_FIELD_MAX = 1000;

const uuid = v.pipe(v.string(), v.regex(UUID));
/** A thread or a reply may name a message that an older system wrote, so these are short printable words, not UUIDs. */
const reference = v.pipe(v.string(), v.regex(REFERENCE));
const hash = v.pipe(v.string(), v.regex(HASH));
const instant = v.pipe(v.string(), v.check(isInstant, "not an instant"));
const server = v.pipe(
  v.string(),
  v.check((text) => parseServerId(text).ok, "not a server id"),
);
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const LABEL_NAME = /^[A-Za-z0-9._/-]{1,63}$/;
const shortText = v.pipe(v.string(), v.maxLength(LIMITS.subjectCharactersMax));

const envelope = {
  v: v.literal(FORMAT),
  id: uuid,
  seq: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  prev: v.nullable(hash),
  from: server,
  at: instant,
};

const keySchema = v.looseObject({
  ...envelope,
  type: v.literal("key"),
  fleet: uuid,
  epoch: v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/)),
  public_key: v.pipe(v.string(), v.regex(/^ssh-ed25519 [A-Za-z0-9+/=]{68}$/)),
  format: v.literal(FORMAT),
  proof: v.optional(v.pipe(v.string(), v.maxLength(LIMITS.signatureBytesMax))),
});

const messageSchema = v.looseObject({
  ...envelope,
  type: v.literal("message"),
  to: v.pipe(
    v.array(
      v.pipe(
        v.string(),
        v.check((text) => parseRecipient(text).ok, "not a recipient"),
      ),
    ),
    v.minLength(1),
    v.maxLength(LIMITS.recipientsMax),
  ),
  subject: shortText,
  body: v.pipe(
    v.string(),
    v.check((text) => utf8Length(text) <= LIMITS.bodyBytesMax, "body over 256 KiB"),
  ),
  kind: v.optional(v.picklist(MESSAGE_KINDS)),
  priority: v.optional(v.picklist(PRIORITIES)),
  thread: v.optional(reference),
  in_reply_to: v.optional(reference),
  ack_required: v.optional(v.boolean()),
  expires_at: v.optional(instant),
  auto: v.optional(v.boolean()),
  hops: v.optional(v.pipe(count, v.maxValue(HOPS_FIELD_MAX))),
  // Not `v.record`: it passes over a key "constructor" or "prototype", neither checked nor kept.
  labels: v.optional(v.custom<Readonly<Record<string, string>>>(areLabels, "not up to 64 labels")),
  attachments: v.optional(
    v.array(
      v.looseObject({
        name: v.pipe(v.string(), v.regex(/^[^/\\]{1,255}$/)),
        size: count,
        sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
      }),
    ),
  ),
  idempotency_key: v.optional(shortText),
});

const receiptSchema = v.looseObject({
  ...envelope,
  type: v.literal("receipt"),
  message: reference,
  message_from: server,
  state: v.picklist(RECEIPT_STATES),
  exit_code: v.optional(v.pipe(v.number(), v.safeInteger())),
});

const compactedSchema = v.looseObject({
  ...envelope,
  type: v.literal("compacted"),
  hash,
  count,
  keys: v.pipe(v.array(keySchema), v.minLength(1)),
  receipts: v.array(receiptSchema),
});

const entrySchema = v.variant("type", [messageSchema, receiptSchema, keySchema, compactedSchema]);

/** Where in which log a line says that it stands. */
export type LinePlace = Pick<Entry, "from" | "seq" | "prev">;

/**
 * What one line turned out to be. `parked`: a format or an entry type of the future, kept and reported. `place` is null
 * where a line that cannot be read as an entry does not even say where it belongs.
 */
export type ParsedLine =
  | { readonly status: "entry"; readonly entry: Entry }
  | { readonly status: "parked" | "invalid"; readonly reason: string; readonly place: LinePlace | null };

/** The bytes of `entry` as one line, LF included. Keys keep the order in which the entry was made. */
export const encodeLine = (entry: Entry): Uint8Array => toUtf8(`${JSON.stringify(entry)}\n`);

/** Parses one line (without its LF) of a log. Never throws, whatever the bytes. */
export function parseLine(line: Uint8Array): ParsedLine {
  const unreadable = (reason: string): ParsedLine => ({
    status: "invalid",
    reason,
    place: placeInText(line),
  });
  if (line.length > LIMITS.lineBytesMax) return unreadable("line over 2 MiB");
  const text = fromUtf8(line);
  if (text === null) return unreadable("not UTF-8");
  const json = parseStrictJson(text, LIMITS.jsonDepthMax);
  if (!json.ok) return unreadable(json.error);
  const parked = reasonToPark(json.value);
  if (parked !== null) return { status: "parked", reason: parked, place: placeIn(json.value) };
  const entry = parseEntry(json.value);
  if (entry.ok) return { status: "entry", entry: entry.value };
  return { status: "invalid", reason: entry.error, place: placeIn(json.value) };
}

/** The entry in a parsed JSON value, with the first thing that is wrong as the error. Unknown fields are kept. */
export function parseEntry(value: unknown): Result<Entry> {
  if (isUsualMessage(value)) return ok(value);
  const parsed = v.safeParse(entrySchema, value, { abortEarly: true });
  // The schema changes nothing, and its copy would lack an unknown field that is called "constructor".
  if (parsed.success) return ok(value as Entry);
  const [issue] = parsed.issues;
  return fail(`${v.getDotPath(issue) ?? "entry"}: ${issue.message.slice(0, 160)}`);
}

/**
 * Whether `value` is a message as nearly all are. A yes means that `messageSchema` takes it, in a twentieth of the
 * time; a no says nothing. What is rare (labels, attachments) is left to the schema.
 */
export function isUsualMessage(value: unknown): value is Entry {
  if (typeof value !== "object" || value === null) return false;
  const fields: Readonly<Record<string, unknown>> = value as Record<string, unknown>;
  return fields["type"] === "message" && hasEnvelope(fields) && hasText(fields) && hasUsualOptions(fields);
}

type Fields = Readonly<Record<string, unknown>>;

const hasEnvelope = ({ v: version, id, seq, prev, from, at }: Fields): boolean =>
  version === FORMAT &&
  matches(UUID, id) &&
  isCount(seq) &&
  seq >= 1 &&
  (prev === null || matches(HASH, prev)) &&
  typeof from === "string" &&
  parseServerId(from).ok &&
  typeof at === "string" &&
  isInstant(at);

const hasText = ({ to, subject, body }: Fields): boolean =>
  typeof subject === "string" &&
  subject.length <= LIMITS.subjectCharactersMax &&
  typeof body === "string" &&
  utf8Length(body) <= LIMITS.bodyBytesMax &&
  Array.isArray(to) &&
  to.length >= 1 &&
  to.length <= LIMITS.recipientsMax &&
  to.every((one) => typeof one === "string" && parseRecipient(one).ok);

const hasUsualOptions = (fields: Fields): boolean =>
  isOneOf(MESSAGE_KINDS, fields["kind"]) &&
  isOneOf(PRIORITIES, fields["priority"]) &&
  isOptional(fields["thread"], isReference) &&
  isOptional(fields["in_reply_to"], isReference) &&
  isOptional(fields["ack_required"], isBoolean) &&
  isOptional(fields["auto"], isBoolean) &&
  isOptional(fields["hops"], isHops) &&
  ["expires_at", "labels", "attachments", "idempotency_key"].every((name) => fields[name] === undefined);

const matches = (pattern: RegExp, value: unknown): boolean =>
  typeof value === "string" && pattern.test(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isHops = (value: unknown): boolean => isCount(value) && value <= HOPS_FIELD_MAX;
const isReference = (value: unknown): boolean => matches(REFERENCE, value);
const isBoolean = (value: unknown): boolean => typeof value === "boolean";
const isOptional = (value: unknown, isRight: (value: unknown) => boolean): boolean =>
  value === undefined || isRight(value);
const isOneOf = (words: readonly unknown[], value: unknown): boolean =>
  value === undefined || words.includes(value);

const placeSchema = v.object({ from: envelope.from, seq: envelope.seq, prev: envelope.prev });

/** The place that a JSON value of whatever version names, or null. */
function placeIn(value: unknown): LinePlace | null {
  const parsed = v.safeParse(placeSchema, value, { abortEarly: true });
  return parsed.success ? parsed.output : null;
}

/** How `encodeLine` begins every line: the envelope comes first, so it can be read where the rest cannot. */
const ENVELOPE_TEXT =
  /^\{"v":\d+,"id":"[^"\\]*","seq":(?<seq>\d{1,16}),"prev":(?<prev>null|"[^"\\]*"),"type":"[^"\\]*","from":"(?<from>[^"\\]*)"/;
/** The longest envelope has under 300 bytes; chosen with room for longer ids. */
const ENVELOPE_BYTES = 512;

/** The place of a line that is no strict JSON, or null. */
function placeInText(line: Uint8Array): LinePlace | null {
  const start = String.fromCharCode(...line.subarray(0, ENVELOPE_BYTES));
  const { seq, prev, from } = ENVELOPE_TEXT.exec(start)?.groups ?? {};
  if (seq === undefined || prev === undefined || from === undefined) return null;
  return placeIn({ from, seq: Number(seq), prev: prev === "null" ? null : prev.slice(1, -1) });
}

const TYPES_KNOWN: readonly unknown[] = ["key", "message", "receipt", "compacted"];

/** Later versions and entry types are no errors of the writer: this reader is older than the writer. */
function reasonToPark(value: unknown): string | null {
  if (typeof value !== "object" || value === null || !("v" in value)) return null;
  if (typeof value.v === "number" && value.v !== FORMAT) return `format version ${value.v}`;
  if (!("type" in value) || typeof value.type !== "string" || TYPES_KNOWN.includes(value.type)) return null;
  return `entry type "${value.type.slice(0, 40)}"`;
}

/** The length of `text` in UTF-8; a body is rarely near the limit, so it is encoded only when it may be. */
function utf8Length(text: string): number {
  return text.length * 3 <= LIMITS.bodyBytesMax ? text.length : toUtf8(text).length;
}

function areLabels(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const labels: [string, unknown][] = Object.entries(value);
  return labels.length <= LIMITS.labelsMax && labels.every(([name, text]) => isLabel(name, text));
}

const isLabel = (name: string, text: unknown): boolean =>
  LABEL_NAME.test(name) && typeof text === "string" && text.length <= LIMITS.subjectCharactersMax;
