import ms from "ms";
import { fail, ok, type Result } from "./result.ts";

const BARE_NUMBER = /^\d+(?:\.\d+)?$/;
// `ms` itself throws above 100 characters; nobody writes a duration that long.
const TEXT_LENGTH_MAX = 40;
const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
// Two units are shown while the larger one is below this; beyond, the smaller one says nothing. Chosen, not measured.
const TWO_UNITS_BELOW = 10;

/**
 * Whole milliseconds of `"500ms"`, `"30s"`, `"2h"`, `"7d"`; a bare number, as text or as a number, is seconds.
 * Never negative and always a safe integer; zero is allowed, the caller decides whether it makes sense.
 */
export function parseDuration(input: string | number): Result<number> {
  const text = String(input).trim();
  const milliseconds = BARE_NUMBER.test(text) ? Number(text) * SECOND_MS : readUnits(text);
  if (milliseconds === undefined || Number.isNaN(milliseconds)) {
    return fail(`Cannot read duration "${text}": use seconds or a unit, such as "30", "500ms", "2h" or "7d"`);
  }
  if (milliseconds < 0) return fail(`Cannot read duration "${text}": it is negative`);
  const rounded = Math.round(milliseconds);
  if (!Number.isSafeInteger(rounded)) return fail(`Cannot read duration "${text}": it is too long`);
  return ok(rounded);
}

/** A duration for people: `"850 ms"`, `"3.2 s"`, `"12 min"`, `"2 h 5 min"`, `"3 d"`; cut, never rounded up. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 0) return `-${formatDuration(-durationMs)}`;
  if (durationMs < SECOND_MS) return `${Math.floor(durationMs)} ms`;
  if (durationMs < 10 * SECOND_MS) return `${Math.floor(durationMs / 100) / 10} s`;
  if (durationMs < MINUTE_MS) return `${Math.floor(durationMs / SECOND_MS)} s`;
  if (durationMs < HOUR_MS) return twoUnits(durationMs, [MINUTE_MS, "min"], [SECOND_MS, "s"]);
  if (durationMs < DAY_MS) return twoUnits(durationMs, [HOUR_MS, "h"], [MINUTE_MS, "min"]);
  return twoUnits(durationMs, [DAY_MS, "d"], [HOUR_MS, "h"]);
}

function readUnits(text: string): number | undefined {
  return text.length === 0 || text.length > TEXT_LENGTH_MAX ? undefined : ms(text);
}

type Unit = readonly [sizeMs: number, name: string];

function twoUnits(durationMs: number, large: Unit, small: Unit): string {
  const count = Math.floor(durationMs / large[0]);
  const rest = Math.floor((durationMs % large[0]) / small[0]);
  const head = `${count} ${large[1]}`;
  return rest === 0 || count >= TWO_UNITS_BELOW ? head : `${head} ${rest} ${small[1]}`;
}
