/**
 * What `state.db` need not know any more of messages that were sent. A million of them must not stay there for ever.
 *
 * A row of the outbox says that a message was pushed and keeps its id from being used twice; `expected` says from whom an
 * answer may come. Both go when the entry is in no log any more that this server shows, or when it is older than anybody
 * is waited for. What was counted stays counted.
 */
import type { Database } from "../../base/ports/database.ts";

/** Rows that go in one transaction. Chosen: some 20 ms. */
const ROWS_AT_ONCE = 2_000;

/** Batches that stay known by their ids, of a log that is never shortened. Chosen: weeks of usual traffic. */
const BATCHES_KEPT = 100_000;

/** What may go: pushed before `beforeWallMs`, and counted by the minute since `countedSinceWallMs`. */
export interface PruneLimits {
  readonly beforeWallMs: number;
  readonly countedSinceWallMs: number;
}

/** Removes some of what is not needed; true while there is more of it. */
export function pruneSent(state: Database, limits: PruneLimits): boolean {
  const rows =
    "SELECT position FROM outbox WHERE state = 'pushed' AND pushed_wall_ms < ? ORDER BY position LIMIT ?";
  return state.relaxedTransaction(() => {
    const old = state.all<{ position: number; id: string; type: string; at: number }>(
      `SELECT position, id, type, pushed_wall_ms AS at FROM outbox WHERE position IN (${rows})
       AND position < (SELECT max(position) FROM outbox WHERE state = 'pushed')`,
      limits.beforeWallMs,
      ROWS_AT_ONCE,
    );
    for (const one of old) {
      if (one.type === "message") {
        state.run(
          "INSERT INTO sent_minutes(minute, count) VALUES(?, 1) ON CONFLICT(minute) DO UPDATE SET count = count + 1",
          Math.floor(one.at / 60_000),
        );
        state.run("DELETE FROM expected WHERE message_id = ?", one.id);
      }
      state.run("DELETE FROM outbox WHERE position = ?", one.position);
    }
    if (old.length > 0) return true;
    state.run("DELETE FROM sent_minutes WHERE minute < ?", Math.floor(limits.countedSinceWallMs / 60_000));
    state.run(
      `DELETE FROM batches WHERE state = 'pushed' AND objects IS NULL
       AND number < (SELECT max(number) FROM batches WHERE state = 'pushed') - ?`,
      BATCHES_KEPT,
    );
    return false;
  });
}
