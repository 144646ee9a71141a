import { toUtf8 } from "../../base/bytes.ts";
import { INSTANT_MS_MAX, toInstant } from "../../base/instant.ts";
import type { Clock } from "../../base/ports/clock.ts";
import type { Cryptography } from "../../base/ports/cryptography.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import type { EntryDraft } from "./build-batch.ts";
import { derivedId } from "./ids.ts";
import {
  LIMITS,
  MESSAGE_KINDS,
  type MessageBody,
  type MessageEntry,
  PRIORITIES,
  parseRecipient,
  threadOf,
} from "./model.ts";

/** What a sender asks for. Absent fields take the defaults of the format. */
export interface SendRequest {
  readonly to: readonly string[];
  readonly body: string;
  readonly subject: string;
  readonly kind?: string | undefined;
  readonly priority?: string | undefined;
  readonly thread?: string | undefined;
  readonly inReplyTo?: string | undefined;
  readonly ackRequired?: boolean | undefined;
  /** From now until the message is of no use any more. */
  readonly expiresInMs?: number | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** A UUIDv7 that the sender chose, so that a request which is made twice is one message; else a new one. */
  readonly id?: string | undefined;
  /** Whatever is sent twice with one key is one message. */
  readonly idempotencyKey?: string | undefined;
}

/** The message as an entry that waits for its place in the log, or what is wrong with the request. */
export function draftMessage(
  request: SendRequest,
  from: { readonly server: string; readonly clock: Clock; readonly cryptography: Cryptography },
): Result<EntryDraft> {
  const nowMs = from.clock.wallMs();
  const problem = problemOf(request, nowMs);
  if (problem !== null) return fail(problem);
  const key = request.idempotencyKey;
  const id =
    key === undefined
      ? (request.id ?? from.cryptography.uuidV7(nowMs))
      : derivedId("idempotency", [from.server, key], from.cryptography);
  return ok({ id, at: toInstant(nowMs), body: bodyOf(request, nowMs) });
}

/** The request that answers `message`: to its sender, in its conversation. */
export function replyRequest(message: MessageEntry, body: string): SendRequest {
  const subject = `Re: ${message.subject.replace(/^(?:re:\s*)+/i, "").replace(/[\r\n]+/g, " ")}`;
  return {
    to: [message.from],
    body,
    // A cut through a pair of surrogates leaves half a character behind.
    subject: subject.slice(0, LIMITS.subjectCharactersMax).replace(/[\uD800-\uDBFF]$/, ""),
    kind: "response",
    thread: threadOf(message),
    inReplyTo: message.id,
  };
}

/** Default values are not written: a reader supplies them, and lines stay short. */
function bodyOf(request: SendRequest, nowMs: number): MessageBody {
  const isSet = request.expiresInMs !== undefined;
  return {
    type: "message",
    to: request.to,
    subject: request.subject,
    body: request.body,
    ...(request.kind === undefined || request.kind === "info"
      ? {}
      : { kind: request.kind as MessageBody["kind"] }),
    ...(request.priority === undefined || request.priority === "normal"
      ? {}
      : { priority: request.priority as MessageBody["priority"] }),
    ...(request.thread === undefined ? {} : { thread: request.thread }),
    ...(request.inReplyTo === undefined ? {} : { in_reply_to: request.inReplyTo }),
    ...(request.ackRequired === true ? { ack_required: true } : {}),
    ...(isSet ? { expires_at: toInstant(nowMs + (request.expiresInMs ?? 0)) } : {}),
    ...(request.labels === undefined ? {} : { labels: request.labels }),
    ...(request.idempotencyKey === undefined ? {} : { idempotency_key: request.idempotencyKey }),
  };
}

const LABEL_NAME = /^[A-Za-z0-9._/-]{1,63}$/;
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const REFERENCE = /^[A-Za-z0-9._:-]{1,128}$/;

function problemOf(request: SendRequest, nowMs: number): string | null {
  const problem =
    idProblem(request.id) ?? recipientsProblem(request.to) ?? textProblem(request) ?? fieldsProblem(request);
  if (problem !== null) return problem;
  if (nowMs + (request.expiresInMs ?? 0) > INSTANT_MS_MAX)
    return "Cannot send what expires after the year 9999";
  // Two scripts that left the key empty would send one message, and the second would never know.
  return request.idempotencyKey === "" ? "Cannot send with an empty idempotency key: need a text" : null;
}

function idProblem(id: string | undefined): string | null {
  if (id === undefined || UUID_V7.test(id)) return null;
  return `Cannot send as "${id.slice(0, 80)}": need a UUIDv7`;
}

function recipientsProblem(to: readonly string[]): string | null {
  if (to.length === 0) return "Cannot send: no recipient given, need at least one";
  if (to.length > LIMITS.recipientsMax) return `Cannot send to ${to.length} recipients, at most 1000`;
  const wrong = to.map(parseRecipient).find((one) => !one.ok);
  return wrong === undefined || wrong.ok ? null : wrong.error;
}

function textProblem({ subject, body }: SendRequest): string | null {
  if (subject.length > LIMITS.subjectCharactersMax) {
    return `Cannot send a subject of ${subject.length} characters, at most 200`;
  }
  if (/[\r\n]/.test(subject)) return "Cannot send a subject of several lines: need one line";
  if (body.length === 0) return "Cannot send an empty message: need a body";
  const bytes = toUtf8(body).length;
  return bytes > LIMITS.bodyBytesMax
    ? `Cannot send a body of ${bytes} bytes, at most 262144 (256 KiB)`
    : null;
}

function fieldsProblem(request: SendRequest): string | null {
  const { kind, priority, thread, inReplyTo, labels, idempotencyKey } = request;
  if (kind !== undefined && !isOneOf(MESSAGE_KINDS, kind)) return `Cannot send kind "${kind}"`;
  if (priority !== undefined && !isOneOf(PRIORITIES, priority))
    return `Cannot send with priority "${priority}"`;
  for (const reference of [thread, inReplyTo]) {
    if (reference !== undefined && !REFERENCE.test(reference))
      return `Cannot refer to "${reference.slice(0, 80)}"`;
  }
  const names = Object.keys(labels ?? {});
  // Readers refuse a line with a key `__proto__` as a whole.
  const wrong = names.find((name) => !LABEL_NAME.test(name) || name === "__proto__");
  if (wrong !== undefined)
    return `Cannot label a message with "${wrong.slice(0, 80)}": need letters, digits, . _ / -`;
  if (names.length > LIMITS.labelsMax) return `Cannot send ${names.length} labels, at most 64`;
  const long = [...Object.values(labels ?? {}), idempotencyKey ?? ""].find((text) => text.length > 200);
  return long === undefined ? null : "Cannot send a label or key of over 200 characters";
}

const isOneOf = (values: readonly string[], value: string): boolean => values.includes(value);
