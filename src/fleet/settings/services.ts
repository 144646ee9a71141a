/**
 * The services of a configuration: programs that fleetd starts, watches and starts again. Each is a table below its
 * name. What is wrong within one service is found here; what is wrong between them in `check-services.ts`.
 */
import * as v from "valibot";
import { parseDuration } from "../../base/duration.ts";
import { isIpAddress, parseHostPort } from "../../base/host-port.ts";
import { serviceNameProblem } from "../../base/service-name.ts";
import { parseSize } from "../../base/size.ts";
import { variableProblem } from "../../base/variable-name.ts";
import { PROBE_KEYS, probesSchema } from "./probes.ts";
import { readWith } from "./read-with.ts";
import {
  absolutePath,
  argv,
  between,
  freeTable,
  isAbsolutePath,
  isTable,
  oneOrMore,
  plainText,
  shortForm,
  toPath,
} from "./service-words.ts";

const SERVICES_MAX = 1_000;
const MEMORY_BYTES_MIN = 1024 ** 2;

/** When a service is started again after it ended. */
export const RESTART_POLICIES = ["no", "on-failure", "always", "unless-stopped"] as const;
/** What a service waits for of another one. */
export const DEPENDENCY_CONDITIONS = ["started", "ready", "completed"] as const;
/** Signals that a service may be asked to stop with. */
export const STOP_SIGNALS = [
  "SIGTERM",
  "SIGINT",
  "SIGQUIT",
  "SIGHUP",
  "SIGUSR1",
  "SIGUSR2",
  "SIGWINCH",
  "SIGKILL",
] as const;

const duration = readWith(parseDuration);
const size = readWith(parseSize);
const needFlag = "need true or false";
const flag = v.pipe(
  v.union([v.boolean(), v.picklist(["on", "off", "yes", "no", "true", "false"])], needFlag),
  v.transform((value) => value === true || value === "on" || value === "yes" || value === "true"),
);

const serviceName = v.pipe(
  v.string("need the name of a service"),
  v.rawCheck(({ dataset, addIssue }) => {
    const wrong = dataset.typed ? serviceNameProblem(dataset.value) : null;
    if (wrong !== null) addIssue({ message: wrong });
  }),
);

const commandText = v.pipe(
  v.string("need a list: program, then its arguments; or a text, with shell: true"),
  plainText,
);
/** What is wrong in a list is told of the list. */
const command = v.lazy(
  (value): v.GenericSchema<unknown, readonly string[] | string> =>
    Array.isArray(value) ? argv : commandText,
);

const env = freeTable({
  need: "need variables: NAME: VALUE",
  entriesMax: 1_000,
  keyProblem: variableProblem,
  value: v.pipe(
    v.union([v.string(), v.number(), v.boolean()], "need text, a number, true or false"),
    v.transform(String),
    plainText,
  ),
});

const account = v.pipe(
  v.union([v.string(), between(0, 2 ** 32 - 2)], "need a name or a number"),
  v.transform(String),
  v.regex(/^(?:\d{1,10}|[A-Za-z_][A-Za-z0-9_.@-]{0,62}\$?)$/, "need a name or a number"),
);

const dependsOn = shortForm(
  (value) =>
    Array.isArray(value) && value.every((one) => typeof one === "string")
      ? Object.fromEntries(value.map((name) => [name, "ready"]))
      : value,
  freeTable({
    need: `need a list of services, or NAME: ${DEPENDENCY_CONDITIONS.join("|")}`,
    entriesMax: 100,
    keyProblem: serviceNameProblem,
    value: v.picklist(DEPENDENCY_CONDITIONS, `need ${DEPENDENCY_CONDITIONS.join(", ")}`),
  }),
);

const signal = v.pipe(
  v.string("need a signal"),
  v.transform((text) => (/^sig/i.test(text) ? text.toUpperCase() : `SIG${text.toUpperCase()}`)),
  v.picklist(STOP_SIGNALS, `need one of ${STOP_SIGNALS.join(", ")}`),
);

const memory = v.pipe(size, v.minValue(MEMORY_BYTES_MIN, "need at least 1 MiB"));
const needCpus = "need a number of processors, 0.01 to 1024";

const address = v.pipe(
  v.string("need ADDRESS:PORT"),
  v.rawTransform<string, { readonly host: string; readonly port: number }>(({ dataset, addIssue, NEVER }) => {
    const parsed = parseHostPort(dataset.value);
    if (parsed.ok && isIpAddress(parsed.value.host)) return parsed.value;
    addIssue({
      message: parsed.ok
        ? "need an IP address, such as 127.0.0.1:8080 or [::]:8080: a name may be several"
        : parsed.error,
    });
    return NEVER;
  }),
);

/** The tables inside a service, by their keys. */
const TABLES = {
  backoff: v.strictObject({
    first: v.optional(duration),
    longest: v.optional(duration),
    stable: v.optional(duration),
    failures: v.optional(between(1, 10_000)),
    within: v.optional(duration),
    slow: v.optional(duration),
  }),
  stop: v.strictObject({
    signal: v.optional(signal),
    command: v.optional(command),
    timeout: v.optional(duration),
    to: v.optional(v.picklist(["group", "main"], "need group or main")),
  }),
  limits: v.strictObject({
    memory: v.optional(memory),
    cpus: v.optional(v.pipe(v.number(needCpus), v.minValue(0.01, needCpus), v.maxValue(1_024, needCpus))),
    pids: v.optional(between(1, 4_194_304)),
  }),
  watch: v.strictObject({
    paths: v.optional(oneOrMore(plainText, 100)),
    ignore: v.optional(oneOrMore(plainText, 100)),
    debounce: v.optional(duration),
  }),
  logs: v.strictObject({
    file_size: v.optional(v.pipe(size, v.minValue(64 * 1024, "need at least 64 KiB"))),
    keep: v.optional(duration),
    total: v.optional(size),
    rate: v.optional(between(0, 10_000_000)),
  }),
  container: v.strictObject({
    image: v.pipe(plainText, v.regex(/^[A-Za-z0-9][A-Za-z0-9._\-/:@]{0,254}$/, "need the name of an image")),
    pull: v.optional(v.picklist(["missing", "always", "never"], "need missing, always or never")),
    ports: v.optional(
      oneOrMore(
        v.pipe(
          v.string(),
          v.regex(
            /^(?:(?:[0-9.]+|\[[0-9A-Fa-f:.]+\]):)?\d{1,5}:\d{1,5}(?:\/(?:tcp|udp))?$/,
            "need [ADDRESS:]PORT:PORT[/udp]",
          ),
        ),
        100,
      ),
    ),
    volumes: v.optional(
      oneOrMore(
        v.pipe(plainText, v.regex(/^[^:]+:\/[^:]*(?::ro)?$/, "need FOLDER:/INSIDE or FOLDER:/INSIDE:ro")),
        100,
      ),
    ),
    network: v.optional(
      v.pipe(plainText, v.regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/, "need the name of a network")),
    ),
  }),
} as const;

/** `watch: true` is short for everything below `cwd`, a path or a list of them for `paths`. */
function expandWatch(value: unknown): unknown {
  if (value === true) return {};
  return typeof value === "string" || Array.isArray(value) ? { paths: value } : value;
}

const expandContainer = (value: unknown): unknown => (typeof value === "string" ? { image: value } : value);

/** The keys of a service; `serviceSchema` also checks what goes together. */
export const serviceTable = v.strictObject({
  command: v.optional(command),
  shell: v.optional(flag),
  cwd: v.optional(absolutePath),
  env: v.optional(env),
  env_file: v.optional(oneOrMore(absolutePath, 20)),
  user: v.optional(account),
  group: v.optional(account),
  depends_on: v.optional(dependsOn),
  groups: v.optional(oneOrMore(serviceName, 50)),
  instances: v.optional(between(1, 100)),
  restart: v.optional(v.picklist(RESTART_POLICIES, `need one of ${RESTART_POLICIES.join(", ")}`)),
  backoff: v.optional(TABLES.backoff),
  stop: v.optional(TABLES.stop),
  start_timeout: v.optional(duration),
  limits: v.optional(TABLES.limits),
  watch: v.optional(shortForm(expandWatch, TABLES.watch)),
  probes: v.optional(probesSchema),
  listen: v.optional(oneOrMore(address, 50)),
  logs: v.optional(TABLES.logs),
  container: v.optional(shortForm(expandContainer, TABLES.container)),
  enabled: v.optional(flag),
  zero_downtime: v.optional(flag),
});

/** One service as the file has it; durations in ms, sizes in bytes, short forms written out. */
export type ServiceFile = v.InferOutput<typeof serviceTable>;

interface Problem {
  readonly path: readonly string[];
  readonly message: string;
}

/** One service of the file. */
export const serviceSchema = v.pipe(
  v.custom<unknown>(isTable, "need a table: command and the rest"),
  serviceTable,
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    for (const { path, message } of serviceProblems(dataset.value)) addIssue({ message, path: toPath(path) });
  }),
);

/** The `services` of a file. */
export const servicesSchema = freeTable<ServiceFile>({
  need: "need services: NAME: TABLE",
  entriesMax: SERVICES_MAX,
  keyProblem: serviceNameProblem,
  value: serviceSchema,
});

/** What does not go together within a service. */
function serviceProblems(service: ServiceFile): Problem[] {
  const problems: (Problem | null)[] = [
    ...commandProblems(service),
    isZero(service.start_timeout) ? { path: ["start_timeout"], message: "need more than 0" } : null,
    isZero(service.backoff?.first) ? { path: ["backoff", "first"], message: "need more than 0" } : null,
    isZero(service.backoff?.within) ? { path: ["backoff", "within"], message: "need more than 0" } : null,
    isZero(service.logs?.keep) ? { path: ["logs", "keep"], message: "need more than 0" } : null,
    ...watchProblems(service),
    ...downtimeProblems(service),
  ];
  return problems.filter((problem) => problem !== null);
}

const isZero = (value: number | undefined): boolean => value === 0;

function commandProblems({ command: words, shell, stop, container }: ServiceFile): (Problem | null)[] {
  if (words === undefined && container === undefined) {
    return [{ path: [], message: "need a command: program, then its arguments" }];
  }
  return [
    { path: ["command"], words },
    { path: ["stop", "command"], words: stop?.command },
  ].map(({ path, words: one }) => {
    if (typeof one === "string" && shell !== true) {
      return { path, message: "a text is for a shell: need a list of words, or shell: true" };
    }
    if (typeof one === "string" && one.trim() === "") return { path, message: "need a program" };
    const isListForShell = path.length === 1 && Array.isArray(one) && shell === true;
    return isListForShell
      ? { path, message: "a list never meets a shell: need a text with shell: true" }
      : null;
  });
}

function watchProblems({ watch, cwd }: ServiceFile): Problem[] {
  if (watch === undefined || cwd !== undefined) return [];
  if (watch.paths?.every(isAbsolutePath) === true) return [];
  return [
    { path: ["watch"], message: "need cwd, or absolute paths: a relative path means nothing without it" },
  ];
}

function downtimeProblems({ zero_downtime: isAsked, probes }: ServiceFile): Problem[] {
  if (isAsked !== true || probes?.readiness !== undefined) return [];
  const message = "need probes.readiness: without it nobody knows when the new one may take over";
  return [{ path: ["zero_downtime"], message }];
}

/** The keys inside a service, dotted, for suggestions; its name is left out. */
export const SERVICE_KEYS: readonly string[] = [
  ...Object.keys(serviceTable.entries),
  ...Object.entries(TABLES).flatMap(([key, table]) =>
    Object.keys(table.entries).map((name) => `${key}.${name}`),
  ),
  ...PROBE_KEYS.map((key) => `probes.${key}`),
].map((key) => `services.${key}`);
