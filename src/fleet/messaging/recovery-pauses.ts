/**
 * How often the own log is written again where logs of other keys are put in its place. Anybody who may push can do that
 * as often as he likes, so it never ends for good; the pauses keep the log from growing with every one of them.
 */
import type { Database } from "../../base/ports/database.ts";
import { readSetting, writeSetting } from "./identity.ts";

const RECOVERIES = "recoveries";
const REMEMBERED_MS = 3_600_000;

/** So many recoveries within an hour are made at once. */
const AT_ONCE = 3;

/** The pause before the next one, doubled each time. Chosen: a push waits no longer than servers are silent anyway. */
const PAUSE_MS = { first: 15_000, longest: 300_000 } as const;

/** The pause before the next recovery, counted from the last one, ms. */
export function pauseBefore(state: Database, nowWallMs: number): number {
  const more = recent(state, nowWallMs).length - AT_ONCE;
  return more < 0 ? 0 : Math.min(PAUSE_MS.longest, PAUSE_MS.first * 2 ** more);
}

/** How long the next recovery has to wait yet, ms. */
export function untilRecovery(state: Database, nowWallMs: number): number {
  const last = recent(state, nowWallMs).at(-1);
  // A clock that was set back must not make a pause of hours.
  if (last === undefined || nowWallMs < last) return 0;
  return Math.max(0, last + pauseBefore(state, nowWallMs) - nowWallMs);
}

/** Remembers a recovery. Inside the caller's transaction. */
export const noteRecovery = (state: Database, nowWallMs: number): void =>
  writeSetting(state, RECOVERIES, JSON.stringify([...recent(state, nowWallMs), nowWallMs]));

function recent(state: Database, nowWallMs: number): number[] {
  const all = JSON.parse(readSetting(state, RECOVERIES) ?? "[]") as number[];
  return all.filter((atWallMs) => Math.abs(nowWallMs - atWallMs) < REMEMBERED_MS);
}
