/**
 * The control socket: what `fleetd` commands and the daemon of the same server say to each other. Both ends import
 * this file, so neither can speak another language. HTTP/1.1 over a unix socket (Windows has them too), JSON both
 * ways; the socket lies in a folder that only its user can open.
 */
import * as v from "valibot";
import { fail, ok, type Result } from "../base/result.ts";

/** Paths of the control socket. */
export const PATHS = {
  status: "/v1/status",
  send: "/v1/send",
  mark: "/v1/mark",
  changes: "/v1/changes",
} as const;

/** A request may be this large: a message body as JSON with every byte escaped, and its envelope. */
export const REQUEST_BYTES_MAX = 4 * 1024 * 1024;

/** How long the server may keep a client waiting for a change, ms. */
export const CHANGES_TIMEOUT_MS_MAX = 60_000;

const optionalText = v.optional(v.string());

const sendSchema = v.object({
  to: v.array(v.string()),
  body: v.string(),
  subject: v.string(),
  kind: optionalText,
  priority: optionalText,
  thread: optionalText,
  inReplyTo: optionalText,
  ackRequired: v.optional(v.boolean()),
  expiresInMs: v.optional(v.pipe(v.number(), v.minValue(1))),
  labels: v.optional(v.record(v.string(), v.string())),
  idempotencyKey: optionalText,
});

/** Body of `send`. The message itself is checked where messages are made. */
export type SendCall = v.InferOutput<typeof sendSchema>;
/** Answer of `send`: durable in the outbox. `isNew` false: the idempotency key was used before. */
export interface SendAnswer {
  readonly id: string;
  readonly isNew: boolean;
}

const markSchema = v.object({ from: v.string(), id: v.string(), state: v.picklist(["read", "acked"]) });
/** Body of `mark`: somebody's message was read or acknowledged here. */
export type MarkCall = v.InferOutput<typeof markSchema>;
export interface MarkAnswer {
  readonly changed: boolean;
}

const changesSchema = v.object({
  since: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  timeoutMs: v.pipe(v.number(), v.minValue(0), v.maxValue(CHANGES_TIMEOUT_MS_MAX)),
});
/** Body of `changes`: answered as soon as the daemon's revision is above `since`, or at the timeout. */
export type ChangesCall = v.InferOutput<typeof changesSchema>;
/** The revision rises with everything the daemon received, sent or was told; what changed is in the databases. */
export interface ChangesAnswer {
  readonly revision: number;
}

/** Answer of `status`: what only the running daemon knows. Instants are wall ms. */
export interface DaemonStatus {
  readonly pid: number;
  readonly version: string;
  readonly server: string;
  readonly startedWallMs: number;
  readonly revision: number;
  readonly lastFetchWallMs: number | null;
  readonly lastPushWallMs: number | null;
  /** The last failure of the remote while it lasts, hostile text. */
  readonly trouble: string | null;
  readonly autoReplies: number;
  /** Whether this daemon looks after what exists once per machine. */
  readonly holdsMachine: boolean;
}

/** An error as the control socket sends it; `code` is one of `EXIT_CODES`. */
export interface ErrorAnswer {
  readonly error: { readonly code: string; readonly message: string };
}

export const parseSendCall = (value: unknown): Result<SendCall> => parse(sendSchema, value);
export const parseMarkCall = (value: unknown): Result<MarkCall> => parse(markSchema, value);
export const parseChangesCall = (value: unknown): Result<ChangesCall> => parse(changesSchema, value);

function parse<Schema extends v.GenericSchema>(
  schema: Schema,
  value: unknown,
): Result<v.InferOutput<Schema>> {
  const parsed = v.safeParse(schema, value, { abortEarly: true });
  if (parsed.success) return ok(parsed.output);
  return fail(
    `Cannot read request: ${v.getDotPath(parsed.issues[0]) ?? "body"}: ${parsed.issues[0].message}`,
  );
}
