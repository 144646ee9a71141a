import type { Database } from "../../base/ports/database.ts";
import { readSetting, writeSetting } from "./identity.ts";

const FETCHED = "fetched_wall_ms";
const GAP = "look_gap_wall_ms";

/** A pause in looking, or a step of the clock, that is longer than this makes one wonder who was silent. Chosen. */
const GAP_MS = 3 * 24 * 3_600_000;

/** When the remote was last looked at with success, by whatever process of this server; null for never. */
export function lastLookWallMs(state: Database): number | null {
  const text = readSetting(state, FETCHED);
  return text === null ? null : Number(text);
}

/** Remembers that the remote was looked at with success, and when looking began anew after a long pause. */
export function noteLook(state: Database, atWallMs: number): void {
  const last = lastLookWallMs(state);
  const isGap = last === null || Math.abs(atWallMs - last) > GAP_MS;
  state.relaxedTransaction(() => {
    writeSetting(state, FETCHED, String(atWallMs));
    if (isGap) writeSetting(state, GAP, String(atWallMs));
  });
}

/** Since when the remote was looked at without a long pause and by a clock that was not set (wall ms). */
export const lookingSinceWallMs = (state: Database): number =>
  Number(readSetting(state, GAP) ?? Number.MAX_SAFE_INTEGER);
