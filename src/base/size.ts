import { fail, ok, type Result } from "./result.ts";

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  kb: 1_000,
  mb: 1_000_000,
  gb: 1_000_000_000,
  k: 1024,
  kib: 1024,
  m: 1024 ** 2,
  mib: 1024 ** 2,
  g: 1024 ** 3,
  gib: 1024 ** 3,
};

/** Parses a size as people write it, into bytes: `"1 GiB"`, `"512k"`, `"10MB"`; a bare number is bytes. */
export function parseSize(value: string | number): Result<number> {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(String(value));
  const unit = UNITS[match?.[2]?.toLowerCase() ?? "?"];
  const bytes = Math.round(Number(match?.[1]) * (unit ?? Number.NaN));
  if (Number.isSafeInteger(bytes)) return ok(bytes);
  return fail(`Cannot read size "${String(value).slice(0, 80)}": need a number with B, KiB, MiB or GiB`);
}

/** A size for people: `"512 B"`, `"4.0 KiB"`, `"1.5 GiB"`. */
export function formatSize(sizeBytes: number): string {
  let value = sizeBytes;
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (value < 1024) return unit === "B" ? `${value} B` : `${value.toFixed(1)} ${unit}`;
    value /= 1024;
  }
  return `${value.toFixed(1)} TiB`;
}
