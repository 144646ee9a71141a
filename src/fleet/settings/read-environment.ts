import { fail, ok, type Result } from "../../base/result.ts";
import { DEFAULT_SETTINGS } from "./defaults.ts";
import { place, SETTING_PATHS, type SettingPath, valueAt, variableOf } from "./setting-paths.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Names of before, and short ones; a name of its own goes before them. */
const ALIASES: ReadonlyMap<string, SettingPath> = new Map([
  ["FLEETD_AUTO_REPLY", ["auto_reply", "enabled"]],
  ["FLEETD_TRUST", ["trust", "mode"]],
  ["SERVER_ID", ["server"]],
  ["MONITOR_INTERVAL", ["interval"]],
]);

/** Variables of fleetd that are no settings. */
const PLAIN_VARIABLES: readonly string[] = ["FLEETD_HOME", "FLEETD_CONFIG", "FLEETD_DEBUG"];

/** Handlers and services get these, and may call fleetd: nothing to wonder about, and nothing to suggest. */
const GIVEN_VARIABLES: readonly string[] = [
  "FLEETD_SERVICE",
  "FLEETD_SERVICE_RUN",
  "FLEETD_INSTANCE",
  "FLEETD_RULE",
  "FLEETD_ATTEMPT",
  "FLEETD_MESSAGE_ID",
  "FLEETD_FROM",
  "FLEETD_TO",
  "FLEETD_KIND",
  "FLEETD_PRIORITY",
  "FLEETD_THREAD",
  "FLEETD_SUBJECT",
];

/** What the environment says: the content of a file, and which variable said what. */
export interface EnvironmentSettings {
  /** To be checked like the content of a file. */
  readonly value: Readonly<Record<string, unknown>>;
  /** The variable that said it, by dotted key. */
  readonly variables: ReadonlyMap<string, string>;
  /** Variables that could not be read at all, and why. */
  readonly problems: readonly { readonly variable: string; readonly message: string }[];
  /** Variables with fleetd's prefix that are none of its own: a handler's, or a typing error. */
  readonly strangers: readonly string[];
}

/** Reads the settings of an environment. An empty variable counts as none, as in a shell. */
export function readEnvironment(environment: Environment): EnvironmentSettings {
  const value: Record<string, unknown> = {};
  const variables = new Map<string, string>();
  const problems: { variable: string; message: string }[] = [];
  for (const [variable, path] of [
    ...SETTING_PATHS.map((one) => [variableOf(one), one] as const),
    ...ALIASES,
  ]) {
    const text = environment[variable];
    if (text === undefined || text === "" || variables.has(path.join("."))) continue;
    variables.set(path.join("."), variable);
    const read = readText(text, path);
    if (read.ok) place(value, path, read.value);
    else problems.push({ variable, message: read.error });
  }
  return { value, variables, problems, strangers: strangersIn(environment) };
}

/** Every variable that means something, for suggestions. */
export const VARIABLES: readonly string[] = [
  ...SETTING_PATHS.map(variableOf),
  ...[...ALIASES.keys()].filter((name) => name.startsWith("FLEETD_")),
  ...PLAIN_VARIABLES,
];

const KNOWN: ReadonlySet<string> = new Set([...VARIABLES, ...GIVEN_VARIABLES]);

const strangersIn = (environment: Environment): string[] =>
  Object.keys(environment).filter((name) => name.startsWith("FLEETD_") && !KNOWN.has(name));

/** Text as YAML would have it, by what stands in the table of defaults: `3`, `a,b`, `k=v,k=v`, or JSON. */
function readText(text: string, path: SettingPath): Result<unknown> {
  const standard = valueAt(DEFAULT_SETTINGS, path);
  if (typeof standard === "number") return ok(/^\d+(?:\.\d+)?$/.test(text.trim()) ? Number(text) : text);
  if (typeof standard !== "object") return ok(text);
  if (/^\s*[[{]/.test(text)) return readJson(text);
  const items = text.split(",").map((item) => item.trim());
  return Array.isArray(standard) ? ok(items) : readPairs(items);
}

function readJson(text: string): Result<unknown> {
  try {
    return ok(JSON.parse(text));
  } catch {
    // The parser's own words quote the text, which may be long and hostile.
    return fail("it begins like JSON and is none");
  }
}

function readPairs(items: readonly string[]): Result<Record<string, string>> {
  const pairs: [string, string][] = [];
  for (const item of items) {
    const [name = "", ...rest] = item.split("=");
    if (name === "" || rest.length === 0) return fail("need NAME=VALUE, separated by commas");
    pairs.push([name, rest.join("=")]);
  }
  return ok(Object.fromEntries(pairs));
}
