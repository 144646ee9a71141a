import { readStoredJson } from "../../base/errors.ts";
import type { Database } from "../../base/ports/database.ts";
import { readSetting, writeSetting } from "./identity.ts";

const SETTING = "auto_pause";

/** Since when everything automatic is stopped, and until when (wall ms; null: until somebody says otherwise). */
export interface AutoPause {
  readonly sinceWallMs: number;
  readonly untilWallMs: number | null;
}

/** Whether everything automatic is stopped at `nowWallMs`; null when it is not. Asked anew before every act. */
export function autoPause(state: Database, nowWallMs: number): AutoPause | null {
  const json = readSetting(state, SETTING);
  if (json === null || json === "") return null;
  // Written by `pauseAuto` below.
  const pause = readStoredJson(json, "the pause in state.db") as AutoPause;
  return pause.untilWallMs !== null && nowWallMs >= pause.untilWallMs ? null : pause;
}

/** Stops everything automatic, for `durationMs` or (null) until it is resumed. Inside the caller's transaction. */
export function pauseAuto(state: Database, durationMs: number | null, nowWallMs: number): AutoPause {
  const pause: AutoPause = {
    sinceWallMs: autoPause(state, nowWallMs)?.sinceWallMs ?? nowWallMs,
    untilWallMs: durationMs === null ? null : nowWallMs + durationMs,
  };
  writeSetting(state, SETTING, JSON.stringify(pause));
  return pause;
}

/** Ends a pause; false when there was none. Inside the caller's transaction. */
export function resumeAuto(state: Database, nowWallMs: number): boolean {
  const wasPaused = autoPause(state, nowWallMs) !== null;
  writeSetting(state, SETTING, "");
  return wasPaused;
}
