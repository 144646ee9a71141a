import { expect, test } from "bun:test";
import { countSentByMinute } from "../../../../src/fleet/messaging/sent-counts.ts";
import { memoryState } from "../../../helpers/memory-database.ts";

test("countSentByMinute() counts messages that the remote confirmed, by the minute", () => {
  const state = memoryState();
  const add = (id: string, type: string, pushedWallMs: number | null): void => {
    state.run(
      "INSERT INTO outbox(id, type, draft, created_wall_ms, state, pushed_wall_ms) VALUES(?, ?, '{}', 0, 'x', ?)",
      id,
      type,
      pushedWallMs,
    );
  };
  add("a", "message", 59_999);
  add("b", "message", 60_000);
  add("c", "message", 119_999);
  add("d", "receipt", 60_000);
  add("e", "message", null);
  add("f", "message", 240_000);
  expect(countSentByMinute(state, 90_000)).toEqual([
    { minute: 1, count: 2 },
    { minute: 4, count: 1 },
  ]);
});
