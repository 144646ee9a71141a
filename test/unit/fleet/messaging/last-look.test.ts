import { expect, test } from "bun:test";
import { lastLookWallMs, lookingSinceWallMs, noteLook } from "../../../../src/fleet/messaging/last-look.ts";
import { memoryState } from "../../../helpers/memory-database.ts";

test("lastLookWallMs() is null before the first look, and then the last one noted", () => {
  const state = memoryState();
  expect(lastLookWallMs(state)).toBeNull();
  for (const at of [1_000, 500]) noteLook(state, at);
  expect(lastLookWallMs(state)).toBe(500);
});

test("lookingSinceWallMs() begins anew after a long pause, and when the clock was set", () => {
  const state = memoryState();
  const DAY_MS = 24 * 3_600_000;
  expect(lookingSinceWallMs(state)).toBe(Number.MAX_SAFE_INTEGER);
  const seen = [10, 11, 13, 12, 17, 18, 6].map((day) => {
    noteLook(state, day * DAY_MS);
    return lookingSinceWallMs(state) / DAY_MS;
  });
  expect(seen).toEqual([10, 10, 10, 10, 17, 17, 6]);
});
