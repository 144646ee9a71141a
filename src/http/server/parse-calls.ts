import * as v from "valibot";
import { fail, ok, type Result } from "../../base/result.ts";
import { parseSecondInstance } from "../../fleet/supervisor/second-instance.ts";
import {
  CHANGES_TIMEOUT_MS_MAX,
  type ChangesCall,
  type MarkCall,
  type SecondInstanceCall,
  type SendCall,
} from "../protocol.ts";

const optionalText = v.optional(v.string());

// Not `v.record`: it passes over a label that is called "constructor", and it would be lost without a word.
const labels = v.pipe(
  v.custom<Readonly<Record<string, string>>>(
    (value) => typeof value === "object" && value !== null && !Array.isArray(value),
    "need labels",
  ),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    for (const [key, value] of Object.entries<unknown>(dataset.value)) {
      const item = { type: "unknown", origin: "value", input: dataset.value, key, value } as const;
      if (typeof value !== "string") addIssue({ message: "need a text", path: [item] });
    }
  }),
);

const sendSchema: v.GenericSchema<unknown, SendCall> = v.object({
  id: optionalText,
  to: v.array(v.string()),
  body: v.string(),
  subject: v.string(),
  kind: optionalText,
  priority: optionalText,
  thread: optionalText,
  inReplyTo: optionalText,
  ackRequired: v.optional(v.boolean()),
  expiresInMs: v.optional(v.pipe(v.number(), v.minValue(1))),
  labels: v.optional(labels),
  idempotencyKey: optionalText,
});

const markSchema: v.GenericSchema<unknown, MarkCall> = v.object({
  from: v.string(),
  id: v.string(),
  state: v.picklist(["read", "acked"]),
});

const changesSchema: v.GenericSchema<unknown, ChangesCall> = v.object({
  since: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  timeoutMs: v.pipe(v.number(), v.minValue(0), v.maxValue(CHANGES_TIMEOUT_MS_MAX)),
});

/** The body of a `send` as it came over the socket. */
export const parseSendCall = (value: unknown): Result<SendCall> => parse(sendSchema, value);
/** The body of a `mark`. */
export const parseMarkCall = (value: unknown): Result<MarkCall> => parse(markSchema, value);
/** The body of a `changes`. */
export const parseChangesCall = (value: unknown): Result<ChangesCall> => parse(changesSchema, value);
/** The body of a `secondInstance`. */
export const parseSecondInstanceCall = (value: unknown): Result<SecondInstanceCall> =>
  parseSecondInstance(value);

/** A body by its schema; the first thing that is wrong with it, in words. */
export function parse<Schema extends v.GenericSchema>(
  schema: Schema,
  value: unknown,
): Result<v.InferOutput<Schema>> {
  const parsed = v.safeParse(schema, value, { abortEarly: true });
  if (parsed.success) return ok(parsed.output);
  return fail(
    `Cannot read request: ${v.getDotPath(parsed.issues[0]) ?? "body"}: ${parsed.issues[0].message}`,
  );
}
