import { DEFAULT_SETTINGS } from "./defaults.ts";
import type { FileSettings, ServerSettings } from "./model.ts";

/** Where a setting stands in the file: `["interval"]`, `["breaker", "failures"]`. */
export type SettingPath = readonly string[];

/** Tables whose keys are the operator's own; they are one value. */
const FREE_TABLES: ReadonlySet<string> = new Set(["labels", "services"]);

/** Whether `key` is a table of settings, each with a default of its own. */
export function isSection(key: string): boolean {
  const standard: unknown = Object.hasOwn(DEFAULT_SETTINGS, key)
    ? DEFAULT_SETTINGS[key as keyof ServerSettings]
    : undefined;
  return isTable(standard) && !FREE_TABLES.has(key);
}

/** Every setting there is, in the order of the file. */
export const SETTING_PATHS: readonly SettingPath[] = [
  ["server"],
  ["remote"],
  ...Object.entries(DEFAULT_SETTINGS).flatMap(([key, standard]: [string, unknown]) =>
    isSection(key) && isTable(standard) ? Object.keys(standard).map((name) => [key, name]) : [[key]],
  ),
];

/** The environment variable of a setting: `FLEETD_BREAKER_FAILURES`. */
export const variableOf = (path: SettingPath): string => `FLEETD_${path.join("_").toUpperCase()}`;

/** What `settings` say at `path`; `undefined` where they say nothing. */
export function valueAt(settings: FileSettings, path: SettingPath): unknown {
  let value: unknown = settings;
  for (const key of path) {
    value = isTable(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  }
  return value;
}

/** What several sources say together, the first one that names a setting; lists and labels are taken whole. */
export function layerSettings(sources: readonly FileSettings[]): FileSettings {
  const layered: Record<string, unknown> = {};
  for (const path of SETTING_PATHS) {
    const value = sources.map((source) => valueAt(source, path)).find((one) => one !== undefined);
    if (value !== undefined) place(layered, path, value);
  }
  // Every value stands where a source had it, so the whole has the shape of a source.
  return layered as FileSettings;
}

/** Puts `value` at `path`, making the table it stands in. */
export function place(into: Record<string, unknown>, path: SettingPath, value: unknown): void {
  const [key = "", name] = path;
  if (name === undefined) {
    into[key] = value;
    return;
  }
  const table = into[key];
  into[key] = { ...(isTable(table) ? table : {}), [name]: value };
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
