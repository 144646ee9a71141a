import { type FileSettings, kindOf } from "./model.ts";
import { renderValue } from "./render-value.ts";
import { isTable } from "./service-words.ts";
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
    if (key === "services") return compareServices([old, now], [show(path, old), show(path, now)]);
    const say = (value: unknown): string =>
      value === undefined ? "not set" : renderValue(show(path, value), kindOf(key));
    return [{ key, before: say(old), after: say(now), restart: NEEDS_RESTART.has(key) }];
  });
}

/** What differs, by service and by key: all of them, old and new, would bury one number under the rest of the file. */
function compareServices(
  [before, after]: readonly [unknown, unknown],
  [shownBefore, shownAfter]: readonly [unknown, unknown],
): SettingChange[] {
  const names = keysOf(before, after);
  return names.flatMap((name) => {
    const [old, now] = [entryOf(before, name), entryOf(after, name)];
    const [shownOld, shownNow] = [entryOf(shownBefore, name), entryOf(shownAfter, name)];
    const change = (key: string, was: unknown, is: unknown): SettingChange => ({
      key,
      before: sayEntry(was),
      after: sayEntry(is),
      restart: false,
    });
    if (old === undefined || now === undefined) return [change(`services.${name}`, shownOld, shownNow)];
    return keysOf(old, now)
      .filter((key) => !sameValue(entryOf(old, key), entryOf(now, key)))
      .map((key) => change(`services.${name}.${key}`, entryOf(shownOld, key), entryOf(shownNow, key)));
  });
}

const sayEntry = (value: unknown): string => (value === undefined ? "not set" : renderValue(value, "other"));

const keysOf = (...tables: readonly unknown[]): string[] => [
  ...new Set(tables.flatMap((table) => (isTable(table) ? Object.keys(table) : []))),
];

const entryOf = (table: unknown, key: string): unknown =>
  isTable(table) && Object.hasOwn(table, key) ? table[key] : undefined;

/** Values are what YAML can say, so their JSON is equal when they are, but for the order of labels. */
const sameValue = (one: unknown, other: unknown): boolean => canonical(one) === canonical(other);

function canonical(value: unknown): string | undefined {
  return JSON.stringify(isTable(value) ? Object.entries(value).sort() : value);
}
