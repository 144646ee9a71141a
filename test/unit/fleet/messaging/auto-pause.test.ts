import { expect, test } from "bun:test";
import { autoPause, pauseAuto, resumeAuto } from "../../../../src/fleet/messaging/auto-pause.ts";
import { memoryState } from "../../../helpers/memory-database.ts";

test("autoPause() is null until somebody pauses, and after somebody resumed", () => {
  const state = memoryState();
  expect(autoPause(state, 1000)).toBeNull();
  pauseAuto(state, null, 1000);
  expect(autoPause(state, 9e12)).toEqual({ sinceWallMs: 1000, untilWallMs: null });
  expect(resumeAuto(state, 2000)).toBe(true);
  expect(autoPause(state, 2000)).toBeNull();
  expect(resumeAuto(state, 2000)).toBe(false);
});

test("pauseAuto() for some time ends by itself, and keeps since when where it is said again", () => {
  const state = memoryState();
  pauseAuto(state, 500, 1000);
  expect(autoPause(state, 1499)).toEqual({ sinceWallMs: 1000, untilWallMs: 1500 });
  expect(pauseAuto(state, 500, 1400)).toEqual({ sinceWallMs: 1000, untilWallMs: 1900 });
  expect(autoPause(state, 1900)).toBeNull();
  expect(resumeAuto(state, 1900)).toBe(false);
  expect(pauseAuto(state, null, 3000).sinceWallMs).toBe(3000);
});
