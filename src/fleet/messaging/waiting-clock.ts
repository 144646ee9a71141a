/**
 * How long messages have waited, as this machine really saw it. The wall clock is asked at every look at the outbox, and
 * what passed since the last look counts only as far as it is plausible: a clock that is set ahead by a year, or a
 * machine that starts without knowing the date, must not end the wait of what was written minutes ago, and one that is
 * set back must not make it endless. What it says is an amount of time, not an instant.
 */
import { readStoredJson } from "../../base/errors.ts";
import type { Database } from "../../base/ports/database.ts";
import { readSetting, writeSetting } from "./identity.ts";

/** The amount at the last look that was kept, and what the wall clock said then. */
interface Kept {
  readonly totalMs: number;
  readonly wallMs: number;
}

const WAITED = "waited";

/**
 * So much counts between two looks, at most. Chosen: a monitor looks every ten seconds, and a leap of the clock then
 * costs a message an hour of its week.
 */
export const PLAUSIBLE_MS = 3_600_000;
/** A look is kept when it is so far from the last one; chosen, a crash loses no more of the wait than that. */
const KEPT_MS = 60_000;

/** What the last look that was kept found; null before the first. */
function keptLook(state: Database): Kept | null {
  const json = readSetting(state, WAITED);
  return json === null ? null : (readStoredJson(json, "how long messages waited, in state.db") as Kept);
}

/** How much time has passed, ms. */
export function waitedMs(state: Database, nowWallMs: number): number {
  const kept = keptLook(state);
  if (kept === null) return 0;
  return kept.totalMs + Math.min(PLAUSIBLE_MS, Math.max(0, nowWallMs - kept.wallMs));
}

/** How much time has passed; keeps the look where it is worth it. Inside the caller's transaction. */
export function lookAtWait(state: Database, nowWallMs: number): number {
  const totalMs = waitedMs(state, nowWallMs);
  if (isWorthKeeping(state, nowWallMs)) {
    writeSetting(state, WAITED, JSON.stringify({ totalMs, wallMs: nowWallMs } satisfies Kept));
    // Rows of before this clock, or of another life of it, begin to wait now.
    state.run(
      "UPDATE outbox SET since_ms = ? WHERE state <> 'pushed' AND (since_ms IS NULL OR since_ms > ?)",
      totalMs,
      totalMs,
    );
  }
  return totalMs;
}

/** Whether `lookAtWait` would write. */
function isWorthKeeping(state: Database, nowWallMs: number): boolean {
  const kept = keptLook(state);
  return kept === null || nowWallMs < kept.wallMs || nowWallMs - kept.wallMs >= KEPT_MS;
}

/** The instant by today's clock at which something that waits since `sinceMs` has waited for `forMs`. */
export function endOfWait(state: Database, sinceMs: number, forMs: number): number | null {
  const kept = keptLook(state);
  return kept === null ? null : kept.wallMs + sinceMs + forMs - kept.totalMs;
}

/** A look at what waits, for whoever looks all the time; writes once a minute, and nothing where nothing waits. */
export function keepWaitingClock(state: Database, nowWallMs: number): void {
  if (!isWorthKeeping(state, nowWallMs)) return;
  const waiting = "SELECT 1 FROM outbox WHERE state <> 'pushed' AND state IN ('queued', 'built') LIMIT 1";
  if (state.get(waiting) !== null) state.relaxedTransaction(() => lookAtWait(state, nowWallMs));
}
