import type { DatabaseReader } from "../../base/ports/database.ts";

/** How many messages the remote confirmed in each minute (counted from the Unix epoch) since `sinceWallMs`, whoever pushed them. */
export function countSentByMinute(
  state: DatabaseReader,
  sinceWallMs: number,
): { readonly minute: number; readonly count: number }[] {
  const since = Math.floor(sinceWallMs / 60_000);
  return state.all<{ minute: number; count: number }>(
    `SELECT minute, sum(count) AS count FROM (
       SELECT pushed_wall_ms / 60000 AS minute, 1 AS count FROM outbox WHERE type = 'message' AND pushed_wall_ms >= ?
       UNION ALL SELECT minute, count FROM sent_minutes WHERE minute >= ?)
     GROUP BY minute ORDER BY minute`,
    since * 60_000,
    since,
  );
}
