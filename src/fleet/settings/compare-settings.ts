import { type FileSettings, kindOf } from "./model.ts";
import { renderValue } from "./render-value.ts";
import { SETTING_PATHS, type SettingPath, valueAt } from "./setting-paths.ts";

/** A setting that is another one now; values as a file would say them. */
export interface SettingChange {
  readonly key: string;
  readonly before: string;
  readonly after: string;
  /** Whether it takes effect only when the monitor is started again. */
  readonly restart: boolean;
}

/** What a running monitor cannot become: it is one server of one fleet. */
const NEEDS_RESTART: ReadonlySet<string> = new Set(["server", "remote"]);

/** Every setting in which two configurations differ. `show` makes a value fit to be seen. */
export function compareSettings(
  before: FileSettings,
  after: FileSettings,
  show: (path: SettingPath, value: unknown) => unknown,
): SettingChange[] {
  return SETTING_PATHS.flatMap((path) => {
    const key = path.join(".");
    const [old, now] = [valueAt(before, path), valueAt(after, path)];
    if (sameValue(old, now)) return [];
    const say = (value: unknown): string =>
      value === undefined ? "not set" : renderValue(show(path, value), kindOf(key));
    return [{ key, before: say(old), after: say(now), restart: NEEDS_RESTART.has(key) }];
  });
}

/** Values are what YAML can say, so their JSON is equal when they are, but for the order of labels. */
const sameValue = (one: unknown, other: unknown): boolean => canonical(one) === canonical(other);

function canonical(value: unknown): string | undefined {
  const isTable = typeof value === "object" && value !== null && !Array.isArray(value);
  return JSON.stringify(isTable ? Object.entries(value).sort() : value);
}
