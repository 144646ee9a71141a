/**
 * Where settings come from, and what is wrong with them there. One rule everywhere: flag, then environment, then file,
 * then default; each source has the shape of the file, and each setting can say which line or variable it stands in.
 */
import { parseDuration } from "../base/duration.ts";
import { FleetError, requireOk } from "../base/errors.ts";
import type { FileSettings, SettingsIssue } from "../fleet/settings/model.ts";
import { type EnvironmentSettings, readEnvironment } from "../fleet/settings/read-environment.ts";
import { type SettingPath, valueAt } from "../fleet/settings/setting-paths.ts";
import { type ConfigFile, readConfigFile } from "../platform/config-file.ts";
import { configPaths } from "../platform/paths.ts";
import { didYouMean } from "./suggest.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What was given on the command line; the names are those of the flags. */
export interface SettingFlags {
  readonly server?: string | undefined;
  readonly config?: string | undefined;
  readonly remote?: string | undefined;
  readonly interval?: string | undefined;
  readonly autoReply?: boolean | undefined;
}

/** Where a setting was found. */
export type Origin =
  | { readonly kind: "flag"; readonly name: string }
  | { readonly kind: "environment"; readonly name: string }
  | { readonly kind: "file"; readonly path: string; readonly line: number | null }
  | { readonly kind: "default" };

/** One source of settings. */
export interface Source {
  readonly values: FileSettings;
  originOf(path: SettingPath): Promise<Origin>;
}

/** Something wrong with a setting, and where it stands; `text` may be hostile. */
export interface SettingProblem {
  readonly origin: Origin;
  readonly text: string;
}

/** The sources that said something, the one that wins first, and what is wrong in them. */
export interface Sources {
  readonly list: readonly Source[];
  readonly problems: readonly SettingProblem[];
  /** The file that was read. */
  readonly file: string | null;
  /** Variables with fleetd's prefix that fleetd does not know. */
  readonly strangers: readonly string[];
}

/** Reads every source. @throws FleetError USAGE for a flag, CONFIG for a file that cannot be read */
export async function readSources(flags: SettingFlags, environment: Environment): Promise<Sources> {
  const asked = { value: flags.config ?? environment["FLEETD_CONFIG"] };
  const file = await findFile(asked.value === "" ? undefined : asked.value, environment);
  const said = readEnvironment(environment);
  const fromFile = file === null ? null : await parseFile(file);
  const fromEnvironment = await parseEnvironment(said);
  const sources = [fromFlags(flags), fromEnvironment, ...(fromFile === null ? [] : [fromFile])];
  return {
    list: sources.map(({ source }) => source),
    problems: sources.flatMap(({ problems }) => problems),
    file: file?.path ?? null,
    strangers: said.strangers,
  };
}

/** Where the value that holds comes from. */
export async function originOf(sources: readonly Source[], path: SettingPath): Promise<Origin> {
  const source = sources.find(({ values }) => valueAt(values, path) !== undefined);
  return source === undefined ? { kind: "default" } : await source.originOf(path);
}

/** A problem as one line says it: `line 3: ...`, `FLEETD_INTERVAL: ...`. */
export function renderProblem({ origin, text }: SettingProblem): string {
  if (origin.kind === "file") return origin.line === null ? text : `line ${origin.line}: ${text}`;
  return origin.kind === "default" ? text : `${origin.name}: ${text}`;
}

/** The failure that all `problems` are. A flag is a matter of usage, anything else of configuration. */
export function toError(problems: readonly SettingProblem[], file: string | null): FleetError {
  const lines = problems.map(renderProblem).join("; ");
  if (problems.every(({ origin }) => origin.kind === "flag")) {
    return new FleetError("USAGE", `Cannot use ${lines}`);
  }
  const isInFile = file !== null && problems.some(({ origin }) => origin.kind === "file");
  const where = isInFile ? `configuration "${file}"` : "the environment";
  return new FleetError("CONFIG", `Cannot use ${where}: ${lines}`);
}

interface Read {
  readonly source: Source;
  readonly problems: readonly SettingProblem[];
}

function fromFlags(flags: SettingFlags): Read {
  const { server, remote, interval, autoReply } = flags;
  const values: FileSettings = {
    ...(server === undefined ? {} : { server }),
    ...(remote === undefined ? {} : { remote }),
    ...(interval === undefined ? {} : { interval: requireOk("USAGE", parseDuration(interval)) }),
    ...(autoReply === undefined ? {} : { auto_reply: { enabled: autoReply } }),
  };
  const nameOf = ([key = ""]: SettingPath): string => `--${key.replaceAll("_", "-")}`;
  return {
    source: { values, originOf: (path) => Promise.resolve({ kind: "flag", name: nameOf(path) }) },
    problems: [],
  };
}

async function parseEnvironment(said: EnvironmentSettings): Promise<Read> {
  const nameOf = (path: SettingPath): string =>
    said.variables.get(path.join(".")) ?? said.variables.get(path.slice(0, -1).join(".")) ?? path.join(".");
  const toOrigin = (path: SettingPath): Origin => ({ kind: "environment", name: nameOf(path) });
  const unread = said.problems.map(
    ({ variable, message }): SettingProblem => ({
      origin: { kind: "environment", name: variable },
      text: message,
    }),
  );
  const checked = await check(said.value);
  const wrong = await Promise.all(
    checked.issues.map(async (issue) => ({
      origin: toOrigin(knownPart(issue.path)),
      text: issue.isUnknownKey ? await describeIssue(issue) : issue.message,
    })),
  );
  return {
    source: { values: checked.values, originOf: (path) => Promise.resolve(toOrigin(path)) },
    problems: [...unread, ...wrong],
  };
}

/** Of `labels.role` the setting, and of `rules.0.name`: what is below them belongs to the same variable. */
const knownPart = (path: SettingPath): SettingPath => path.slice(0, 2);

async function parseFile(file: ConfigFile): Promise<Read> {
  const checked = await check(file.value);
  const toOrigin = async (path: SettingPath): Promise<Origin> => {
    return { kind: "file", path: file.path, line: await file.lineOf(path) };
  };
  const problems = checked.issues.map(async (issue) => ({
    origin: await toOrigin(issue.path),
    text: await describeIssue(issue),
  }));
  const byLine = (await Promise.all(problems)).sort((one, other) => lineOf(one) - lineOf(other));
  return { source: { values: checked.values, originOf: toOrigin }, problems: byLine };
}

const lineOf = ({ origin }: SettingProblem): number => (origin.kind === "file" ? (origin.line ?? 0) : 0);

/** Only whoever has a file, or sets more than names by variable, pays for the validator: 3 ms of a start. */
async function check(value: unknown): Promise<{ values: FileSettings; issues: readonly SettingsIssue[] }> {
  if (isPlain(value)) return { values: value, issues: [] };
  // The validator takes a list for an object whose keys are its places.
  if (Array.isArray(value)) {
    return { values: {}, issues: [{ path: [], message: "it is a list", isUnknownKey: false }] };
  }
  const { parseFileSettings } = await import("../fleet/settings/model.ts");
  const parsed = parseFileSettings(value);
  return parsed.ok ? { values: parsed.value, issues: [] } : { values: {}, issues: parsed.error };
}

/** Nothing but the texts that are checked where they are used. */
function isPlain(value: unknown): value is FileSettings {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.entries(value).every(
    ([key, one]) => (key === "server" || key === "remote") && typeof one === "string",
  );
}

/** What is wrong with a value, with the name of its key, and what may have been meant. */
export async function describeIssue(issue: SettingsIssue): Promise<string> {
  const key = issue.path.join(".");
  if (!issue.isUnknownKey)
    return key === "" ? `${issue.message}, need a table of settings` : `${key}: ${issue.message}`;
  const { SETTING_KEYS } = await import("../fleet/settings/model.ts");
  // Entries of a list are known by their keys, whatever their place; keys of a service, whatever its name.
  const plain = issue.path.filter((part) => !/^\d+$/.test(part)).join(".");
  const [outer, name] = issue.path;
  const keys =
    outer === "services" && name !== undefined
      ? SETTING_KEYS.map((one) => one.replace(/^services\./, () => `services.${name}.`))
      : SETTING_KEYS;
  return `unknown key "${key}"${didYouMean(plain, keys)}`;
}

async function findFile(given: string | undefined, environment: Environment): Promise<ConfigFile | null> {
  if (given !== undefined) {
    const file = await readConfigFile(given);
    if (file !== null) return file;
    throw new FleetError("CONFIG", `Cannot read configuration "${given}": there is no such file`);
  }
  for (const path of configPaths(environment)) {
    const file = await readConfigFile(path);
    if (file !== null) return file;
  }
  return null;
}
