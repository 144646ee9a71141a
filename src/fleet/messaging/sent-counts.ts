import type { DatabaseReader } from "../../base/ports/database.ts";

/** How many messages the remote confirmed in each minute (counted from the Unix epoch) since `sinceWallMs`, whoever pushed them. */
export function countSentByMinute(
  state: DatabaseReader,
  sinceWallMs: number,
): { readonly minute: number; readonly count: number }[] {
  return state.all<{ minute: number; count: number }>(
    `SELECT pushed_wall_ms / 60000 AS minute, count(*) AS count FROM outbox
     WHERE type = 'message' AND pushed_wall_ms >= ? GROUP BY 1 ORDER BY 1`,
    Math.floor(sinceWallMs / 60_000) * 60_000,
  );
}
