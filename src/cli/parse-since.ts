import { parseDuration } from "../base/duration.ts";
import { fail, ok, type Result } from "../base/result.ts";

const DAY = /^(\d{4})-(\d\d)-(\d\d)$/;
/** RFC 3339; without a zone it is the time of this machine, as a clock on the wall shows it. */
const INSTANT =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ]([01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)?$/;

/** The moment that `--since` names, wall ms: `2h` ago, the beginning of `2026-01-01` here, or an instant. */
export function parseSince(text: string, nowWallMs: number): Result<number> {
  const [, year, month, day] = DAY.exec(text) ?? INSTANT.exec(text) ?? [];
  if (year !== undefined) {
    const isReal = isDate(Number(year), Number(month), Number(day));
    const at = DAY.test(text)
      ? new Date(Number(year), Number(month) - 1, Number(day))
      : new Date(text.replace(" ", "T").toUpperCase());
    if (isReal && !Number.isNaN(at.getTime())) return ok(at.getTime());
    return fail(`Cannot read time "${text}": there is no such day`);
  }
  const ago = parseDuration(text);
  if (ago.ok) return ok(Math.max(0, nowWallMs - ago.value));
  return fail(
    `Cannot read time "${text.slice(0, 80)}": use a duration or a date, such as "2h", "2026-01-31" or "2026-01-31T09:00Z"`,
  );
}

function isDate(year: number, month: number, day: number): boolean {
  const date = new Date(Date.UTC(year, month - 1, day));
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}
