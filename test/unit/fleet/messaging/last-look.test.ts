import { expect, test } from "bun:test";
import { lastLookWallMs, noteLook } from "../../../../src/fleet/messaging/last-look.ts";
import { memoryState } from "../../../helpers/memory-database.ts";

test("lastLookWallMs() is null before the first look, and then the last one noted", () => {
  const state = memoryState();
  expect(lastLookWallMs(state)).toBeNull();
  for (const at of [1_000, 500]) noteLook(state, at);
  expect(lastLookWallMs(state)).toBe(500);
});
