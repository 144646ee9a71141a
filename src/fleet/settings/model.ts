/**
 * The configuration: what an operator may write into `fleetd.yaml`.
 *
 * The settings in use have the shape of the file, with every key present: what `config show` prints, what the file
 * says and what the code reads are one name. Durations are ms and sizes are bytes once they are parsed.
 */
import * as v from "valibot";
import { toUtf8 } from "../../base/bytes.ts";
import { parseDuration } from "../../base/duration.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import { parseSize } from "../../base/size.ts";
import { readWith } from "./read-with.ts";
import { RULE_KEYS, rulesSchema } from "./rules.ts";
import { isUnknownKey } from "./service-words.ts";
import { SERVICE_KEYS, servicesSchema } from "./services.ts";

const duration = readWith(parseDuration);
const size = readWith(parseSize);
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(100_000));
const positive = v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(1_000_000));
const groupName = v.pipe(
  v.string(),
  v.regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'need a group name: letters, digits and "-"'),
);
const recipient = v.pipe(
  v.string(),
  v.regex(/^@?[a-z0-9][a-z0-9-]{0,62}$/, 'need a server id, "@" and a group, or "all"'),
);
/** A card has room for so much of them, however many cursors it holds. */
const LABEL_BYTES_MAX = 2 * 1024;

// Not `v.record`: it passes over a label that is called "constructor", neither checked nor kept.
const labels = v.pipe(
  v.custom<Readonly<Record<string, string>>>(isTable, "need labels: NAME: VALUE"),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    if (toUtf8(JSON.stringify(dataset.value)).length > LABEL_BYTES_MAX) {
      addIssue({ message: "need labels of at most 2 KiB altogether: they stand on every card" });
    }
    for (const [key, value] of Object.entries(dataset.value)) {
      const message = labelProblem(key, value);
      const item = { type: "unknown", origin: "value", input: dataset.value, key, value } as const;
      if (message !== null) addIssue({ message, path: [item] });
    }
  }),
);
/** Keys of other servers as `fleetd trust list` and `ssh-keygen` show them: whole, or by their fingerprint. */
const trustKeys = v.pipe(
  v.custom<Readonly<Record<string, string>>>(isTable, "need keys: SERVER: KEY"),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    for (const [key, value] of Object.entries(dataset.value)) {
      const message = trustKeyProblem(key, value);
      const item = { type: "unknown", origin: "value", input: dataset.value, key, value } as const;
      if (message !== null) addIssue({ message, path: [item] });
    }
  }),
);
/** The words that YAML once took for true and false, and people still do. */
const boolean = v.pipe(
  v.union([v.boolean(), v.picklist(["on", "off", "yes", "no", "true", "false"])], "need true or false"),
  v.transform((value) => value === true || value === "on" || value === "yes" || value === "true"),
);

/** How servers that nobody said anything about are met. */
export const TRUST_MODES = ["first-sight", "pinned"] as const;

/** The schema of the file; see `parseFileSettings`. */
export const fileSchema = v.strictObject({
  server: v.optional(v.string()),
  remote: v.optional(v.string()),
  interval: v.optional(duration),
  groups: v.optional(v.pipe(v.array(groupName), v.maxLength(64))),
  labels: v.optional(labels),
  auto_reply: section({
    enabled: boolean,
    status: boolean,
    per_thread: count,
    per_peer: count,
    per_host: count,
  }),
  trust: section({ mode: v.picklist(TRUST_MODES), keys: trustKeys }),
  rules: v.optional(rulesSchema),
  handlers: section({
    timeout: duration,
    output: size,
    concurrency: positive,
    queue: positive,
    attempts: positive,
    retry: duration,
    grace: duration,
  }),
  timeouts: section({ fetch: duration, push: duration, network: duration }),
  retry: section({ retries: count, first: duration, longest: duration, limited: duration }),
  breaker: section({ failures: positive, open_for: duration, successes: positive }),
  heartbeat: section({ idle: duration, every: duration }),
  poll: section({
    conversation: duration,
    conversation_for: duration,
    idle: duration,
    idle_after: duration,
  }),
  push_budget: section({ mode: v.picklist(["auto", "on", "off"]), burst: positive, every: duration }),
  queue: section({ expires: duration, attempts: positive }),
  compaction: section({
    enabled: boolean,
    every: duration,
    keep: duration,
    entries: count,
    live: duration,
    batches: positive,
  }),
  log: section({
    level: v.picklist(["debug", "info", "warning", "error", "critical"]),
    file_size: size,
    keep: duration,
    total: size,
  }),
  services: v.optional(servicesSchema),
  supervisor: section({
    sample: duration,
    cgroup: v.picklist(["auto", "off"]),
    keep_children: boolean,
    notify: v.pipe(v.array(recipient), v.maxLength(32)),
    start_timeout: duration,
    stop_timeout: duration,
    backoff_first: duration,
    backoff_longest: duration,
    backoff_stable: duration,
    crash_failures: positive,
    crash_within: duration,
    crash_slow: duration,
    log_file_size: size,
    log_keep: duration,
    log_total: size,
    log_rate: count,
  }),
  metrics: section({ keep: duration, operations: positive }),
  health: section({
    interval: duration,
    disk_warn: size,
    disk_critical: size,
    memory_warn: v.pipe(v.number(), v.minValue(1), v.maxValue(100)),
    remote_warn: duration,
    remote_critical: duration,
    queue_warn: duration,
  }),
});

/** The content of a configuration file; durations in ms, sizes in bytes. */
export type FileSettings = v.InferOutput<typeof fileSchema>;

type Complete<T> = { readonly [K in keyof T]-?: Complete1<Exclude<T[K], undefined>> };
/** A table of the operator's own keys is one value, and complete as it is. */
type Complete1<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? string extends keyof T
      ? T
      : Complete<T>
    : T;

/** Every setting of a running server but its name and remote; durations in ms, sizes in bytes. */
export type ServerSettings = Omit<Complete<FileSettings>, "server" | "remote">;

/** How a setting is written and read; `other` is as YAML has it. */
export type SettingKind = "duration" | "size" | "boolean" | "other";

/** The kind of the setting with this dotted key. */
export function kindOf(key: string): SettingKind {
  const [outer = "", name] = key.split(".");
  const found = entryOf(fileSchema.entries, outer)?.wrapped;
  const inner = found !== undefined && "entries" in found ? entryOf(found.entries, name ?? "") : found;
  const schema = inner !== undefined && "wrapped" in inner ? inner.wrapped : inner;
  if (schema === duration) return "duration";
  if (schema === size) return "size";
  return schema === boolean ? "boolean" : "other";
}

const entryOf = <T extends object>(entries: T, key: string): T[keyof T] | undefined =>
  Object.hasOwn(entries, key) ? entries[key as keyof T] : undefined;

/** Something wrong in a file: at which key (a path, for the line number), and what. */
export interface SettingsIssue {
  readonly path: readonly string[];
  readonly message: string;
  readonly isUnknownKey: boolean;
}

/** The keys a configuration file may have, dotted, for suggestions. */
export const SETTING_KEYS: readonly string[] = [
  ...Object.entries(fileSchema.entries).flatMap(([key, schema]) => {
    const inner = schema.wrapped;
    if (!("entries" in inner)) return [key];
    return [key, ...Object.keys(inner.entries).map((name) => `${key}.${name}`)];
  }),
  ...RULE_KEYS,
  ...SERVICE_KEYS,
];

/** Parses the value of a YAML file; every issue is reported. An empty file is a file without settings. */
export function parseFileSettings(value: unknown): Result<FileSettings, readonly SettingsIssue[]> {
  const parsed = v.safeParse(fileSchema, withoutShortForms(value ?? {}));
  if (parsed.success) return ok(parsed.output);
  return fail(parsed.issues.map(toSettingsIssue));
}

/** One service as the file has it; durations in ms, sizes in bytes, short forms written out. */
export type ServiceFile = NonNullable<FileSettings["services"]>[string];

/** Reads one service that came another way than in the configuration. A name that is no name is an issue, too. */
export function parseServiceFile(
  name: string,
  value: unknown,
): Result<ServiceFile, readonly SettingsIssue[]> {
  const parsed = v.safeParse(servicesSchema, Object.fromEntries([[name, value]]));
  if (!parsed.success) return fail(parsed.issues.map(toSettingsIssue));
  const [service] = Object.values(parsed.output);
  return service === undefined
    ? fail([{ path: [name], message: "this name is reserved", isUnknownKey: false }])
    : ok(service);
}

/** Reads a file that holds services and nothing else. */
export function parseServicesFile(
  value: unknown,
): Result<Readonly<Record<string, ServiceFile>>, readonly SettingsIssue[]> {
  const parsed = v.safeParse(servicesOnly, value ?? {});
  return parsed.success ? ok(parsed.output.services) : fail(parsed.issues.map(toSettingsIssue));
}

const servicesOnly = v.strictObject({ services: servicesSchema });

const toSettingsIssue = (issue: v.BaseIssue<unknown>): SettingsIssue => ({
  path: (issue.path ?? []).map((item) => String(item.key)),
  message: issue.message,
  isUnknownKey: isUnknownKey(issue),
});

/** `trust: pinned` is short for `trust: { mode: pinned }`. */
function withoutShortForms(value: unknown): unknown {
  if (!isTable(value) || typeof value.trust !== "string") return value;
  return { ...value, trust: { mode: value.trust } };
}

type Entry = v.GenericSchema<unknown, unknown>;

/** A table of the file: the table and each of its keys may be left out. */
function section<const T extends Record<string, Entry>>(entries: T) {
  return v.optional(v.partial(v.strictObject(entries)));
}

function isTable(value: unknown): value is { readonly trust?: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function trustKeyProblem(server: string, value: unknown): string | null {
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(server)) return "need the id of a server";
  const isKey =
    typeof value === "string" &&
    /^(?:ssh-ed25519 [A-Za-z0-9+/]{66,68}={0,2}(?: .*)?|SHA256:[A-Za-z0-9+/]{43})$/.test(value.trim());
  return isKey ? null : 'need "ssh-ed25519 …" or "SHA256:…", as fleetd trust list shows it';
}

function labelProblem(name: string, value: unknown): string | null {
  if (!/^[A-Za-z0-9._/-]{1,63}$/.test(name)) return "need a name of letters, digits, . _ / -";
  if (name === "__proto__") return "this name is reserved";
  // A table may have a "toString" of its own that is none.
  if (typeof value === "object") return "need text";
  if (typeof value !== "string") return `need text, such as "${String(value).slice(0, 40)}" in quotes`;
  return value.length > 200 ? "need at most 200 characters" : null;
}
