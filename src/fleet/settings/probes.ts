/** How a service is asked whether it is well: by http, by a connection, by a program, by its log, or by what it says. */
import * as v from "valibot";
import { parseDuration } from "../../base/duration.ts";
import { parseHostPort } from "../../base/host-port.ts";
import { patternProblem } from "../../base/line-pattern.ts";
import { readWith } from "./read-with.ts";
import { argv, between, freeTable, isTable, oneOrMore, plainText, port } from "./service-words.ts";

/** The ways to ask; exactly one of them stands in a probe. */
export const PROBE_KINDS = ["http", "tcp", "exec", "log", "notify"] as const;

const PATTERN_LENGTH_MAX = 500;

const host = v.pipe(
  plainText,
  v.regex(/^[A-Za-z0-9.:_-]{1,253}$/, "need a name or an IP address, without brackets"),
);

const headers = freeTable({
  need: "need headers: NAME: VALUE",
  entriesMax: 50,
  keyProblem: (name) =>
    /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/.test(name) ? null : "need the name of a header",
  value: v.pipe(plainText, v.regex(/^[\t\x20-\x7e]{0,4096}$/, "need one line of ASCII text")),
});

const httpTable = v.strictObject({
  host: v.optional(host),
  port,
  path: v.optional(
    v.pipe(plainText, v.regex(/^\/[\x21-\x7e]*$/, 'need a path that begins with "/", without spaces')),
  ),
  /** Status codes that count as well; without them 200 to 399. */
  status: v.optional(oneOrMore(between(100, 599), 50)),
  headers: v.optional(headers),
});

const tcpTable = v.strictObject({ host: v.optional(host), port });

/** `http://127.0.0.1:8080/health` is short for a table; what is no such address stays, and is refused as no table. */
function expandHttp(value: unknown): unknown {
  if (typeof value !== "string") return value;
  const match = /^http:\/\/(?<authority>[^/?#@]+)(?<path>\/[^#]*)?$/.exec(value);
  const { authority = "", path } = match?.groups ?? {};
  const address = parseHostPort(/:\d+$/.test(authority) ? authority : `${authority}:80`);
  if (!address.ok) return value;
  return { ...address.value, ...(path === undefined ? {} : { path }) };
}

function expandTcp(value: unknown): unknown {
  if (typeof value === "number") return { port: value };
  const address = typeof value === "string" ? parseHostPort(value) : null;
  return address?.ok ? address.value : value;
}

const needTable = (need: string) => v.check<unknown, string>((value) => isTable(value), need);

const http = v.pipe(
  v.unknown(),
  v.transform(expandHttp),
  needTable("need http://ADDRESS:PORT/PATH, or a table with port, and host, path, status, headers"),
  httpTable,
);
const tcp = v.pipe(
  v.unknown(),
  v.transform(expandTcp),
  needTable("need a port, ADDRESS:PORT, or a table with port and host"),
  tcpTable,
);

const pattern = v.pipe(
  plainText,
  v.minLength(1, "need a regular expression"),
  v.maxLength(PATTERN_LENGTH_MAX, `need at most ${PATTERN_LENGTH_MAX} characters`),
  v.rawCheck(({ dataset, addIssue }) => {
    const wrong = dataset.typed ? patternProblem(dataset.value) : null;
    if (wrong !== null) addIssue({ message: wrong });
  }),
);

const common = {
  interval: v.optional(readWith(parseDuration)),
  timeout: v.optional(readWith(parseDuration)),
  failures: v.optional(between(1, 100_000)),
  successes: v.optional(between(1, 1_000)),
  delay: v.optional(readWith(parseDuration)),
};

const probe = v.pipe(
  v.strictObject({
    http: v.optional(http),
    tcp: v.optional(tcp),
    exec: v.optional(argv),
    log: v.optional(pattern),
    notify: v.optional(v.literal(true, "need true, or leave it out")),
    ...common,
  }),
  v.check(
    (one) => PROBE_KINDS.filter((kind) => one[kind] !== undefined).length === 1,
    `need exactly one of ${PROBE_KINDS.join(", ")}`,
  ),
  v.check((one) => one.interval !== 0 && one.timeout !== 0, "need an interval and a timeout of more than 0"),
);

const probeTable = v.strictObject({
  startup: v.optional(probe),
  readiness: v.optional(probe),
  liveness: v.optional(probe),
});

/** The probes of a service, as the file has them. */
export const probesSchema = v.pipe(
  probeTable,
  v.check(
    ({ liveness }) => liveness?.log === undefined,
    "liveness cannot be a line of the log: one that is not written says nothing",
  ),
);

/** One probe, as the file has it; durations in ms. */
export type ProbeFile = v.InferOutput<typeof probe>;

/** The keys inside the probes of a service, dotted, for suggestions. */
export const PROBE_KEYS: readonly string[] = Object.keys(probeTable.entries).flatMap((name) => [
  name,
  ...[...PROBE_KINDS, ...Object.keys(common)].map((key) => `${name}.${key}`),
  ...Object.keys(httpTable.entries).map((key) => `${name}.http.${key}`),
  ...Object.keys(tcpTable.entries).map((key) => `${name}.tcp.${key}`),
]);
