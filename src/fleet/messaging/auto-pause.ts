import { readStoredJson } from "../../base/errors.ts";
import type { Database } from "../../base/ports/database.ts";
import { readSetting, writeSetting } from "./identity.ts";

const SETTING = "auto_pause";

/** Since when everything automatic is stopped, and until when (wall ms; null: until somebody says otherwise). */
export interface AutoPause {
  readonly sinceWallMs: number;
  readonly untilWallMs: number | null;
  /** It was not the operator: what the operator had decided before could not be read any more. */
  readonly decisionsLost: boolean;
}

/** What a server says as long as it is paused because decisions may be lost, and what to do then. */
export const DECISIONS_LOST = {
  evidence:
    "state.db was made anew, and what was decided here before (servers revoked, added, forgotten or purged, a pause) could not be read and may be lost; answers and handlers are paused",
  fix: "fleetd trust list, then: fleetd resume auto",
} as const;

/** Whether everything automatic is stopped at `nowWallMs`; null when it is not. Asked anew before every act. */
export function autoPause(state: Database, nowWallMs: number): AutoPause | null {
  const json = readSetting(state, SETTING);
  if (json === null || json === "") return null;
  // Written by `write` below; a file of before has no word of lost decisions.
  const { sinceWallMs, untilWallMs, decisionsLost } = readStoredJson(
    json,
    "the pause in state.db",
  ) as Partial<AutoPause> & Omit<AutoPause, "decisionsLost">;
  if (untilWallMs !== null && nowWallMs >= untilWallMs) return null;
  return { sinceWallMs, untilWallMs, decisionsLost: decisionsLost === true };
}

/**
 * Stops everything automatic, for `durationMs` or (null) until it is resumed; a pause for lost decisions does not become
 * shorter by it. Inside the caller's transaction.
 */
export function pauseAuto(state: Database, durationMs: number | null, nowWallMs: number): AutoPause {
  const before = autoPause(state, nowWallMs);
  const decisionsLost = before?.decisionsLost === true;
  const untilWallMs = durationMs === null || decisionsLost ? null : nowWallMs + durationMs;
  return write(state, { sinceWallMs: before?.sinceWallMs ?? nowWallMs, untilWallMs, decisionsLost });
}

/** Stops everything automatic until an operator has seen which decisions are gone. Inside the caller's transaction. */
export function pauseForLostDecisions(state: Database, nowWallMs: number): AutoPause {
  const sinceWallMs = autoPause(state, nowWallMs)?.sinceWallMs ?? nowWallMs;
  return write(state, { sinceWallMs, untilWallMs: null, decisionsLost: true });
}

function write(state: Database, pause: AutoPause): AutoPause {
  writeSetting(state, SETTING, JSON.stringify(pause));
  return pause;
}

/** Ends a pause; false when there was none. Inside the caller's transaction. */
export function resumeAuto(state: Database, nowWallMs: number): boolean {
  const wasPaused = autoPause(state, nowWallMs) !== null;
  writeSetting(state, SETTING, "");
  return wasPaused;
}
