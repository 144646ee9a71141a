import type { SettingKind } from "./model.ts";

/** Units from the longest; a duration is written in the longest one that says it exactly. */
const DURATIONS: readonly (readonly [number, string])[] = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "m"],
  [1_000, "s"],
];
const SIZES: readonly (readonly [number, string])[] = [
  [1024 ** 3, " GiB"],
  [1024 ** 2, " MiB"],
  [1024, " KiB"],
];
/** Text that YAML takes for text as it stands. */
const PLAIN = /^(?!(?:true|false|null|yes|no|on|off)$)[A-Za-z/][\w./@:+-]*$/i;

/** A setting as a file would say it: read back, it is the same value. */
export function renderValue(value: unknown, kind: SettingKind): string {
  if (kind === "duration" && typeof value === "number") return inUnits(value, DURATIONS) ?? `${value}ms`;
  if (kind === "size" && typeof value === "number") return inUnits(value, SIZES) ?? `${value}`;
  if (typeof value === "string" && PLAIN.test(value) && !value.endsWith(":")) return value;
  return JSON.stringify(value) ?? "null";
}

function inUnits(value: number, units: readonly (readonly [number, string])[]): string | undefined {
  const fitting = units.find(([size]) => value > 0 && value % size === 0);
  return fitting === undefined ? undefined : `${value / fitting[0]}${fitting[1]}`;
}
