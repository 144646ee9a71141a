import type { Database } from "../../base/ports/database.ts";
import { readSetting, writeSetting } from "./identity.ts";

const FETCHED = "fetched_wall_ms";

/** When the remote was last looked at with success, by whatever process of this server; null for never. */
export function lastLookWallMs(state: Database): number | null {
  const text = readSetting(state, FETCHED);
  return text === null ? null : Number(text);
}

/** Remembers that the remote was looked at with success. */
export function noteLook(state: Database, atWallMs: number): void {
  state.relaxedTransaction(() => writeSetting(state, FETCHED, String(atWallMs)));
}
