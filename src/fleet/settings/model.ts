/**
 * The configuration: what an operator may write into `fleetd.yaml`, and which source wins where several speak.
 * One rule everywhere: flag > environment > file > default.
 */
import * as v from "valibot";
import { parseDuration } from "../../base/duration.ts";
import { fail, ok, type Result } from "../../base/result.ts";

const duration = v.pipe(
  v.union([v.number(), v.string()]),
  v.rawTransform<number | string, number>(({ dataset, addIssue, NEVER }) => {
    const parsed = parseDuration(dataset.value);
    if (parsed.ok) return parsed.value;
    addIssue({ message: parsed.error });
    return NEVER;
  }),
);
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(100_000));

const fileSchema = v.strictObject({
  server: v.optional(v.string()),
  remote: v.optional(v.string()),
  interval: v.optional(duration),
  auto_reply: v.optional(
    v.strictObject({
      enabled: v.optional(v.boolean()),
      per_thread: v.optional(count),
      per_peer: v.optional(count),
      per_host: v.optional(count),
    }),
  ),
});

/** The content of a configuration file; durations in ms. */
export type FileSettings = v.InferOutput<typeof fileSchema>;

/** The keys a configuration file may have, dotted, for suggestions. */
export const SETTING_KEYS: readonly string[] = [
  "server",
  "remote",
  "interval",
  "auto_reply",
  "auto_reply.enabled",
  "auto_reply.per_thread",
  "auto_reply.per_peer",
  "auto_reply.per_host",
];

/** Something wrong in a file: at which key (a path, for the line number), and what. */
export interface SettingsIssue {
  readonly path: readonly string[];
  readonly message: string;
  readonly isUnknownKey: boolean;
}

/** Parses the value of a YAML file; every issue is reported. An empty file is a file without settings. */
export function parseFileSettings(value: unknown): Result<FileSettings, readonly SettingsIssue[]> {
  const parsed = v.safeParse(fileSchema, value ?? {});
  if (parsed.success) return ok(parsed.output);
  return fail(
    parsed.issues.map((issue) => ({
      path: (issue.path ?? []).map((item) => String(item.key)),
      message: issue.message,
      isUnknownKey: issue.type === "strict_object" && issue.expected === "never",
    })),
  );
}
