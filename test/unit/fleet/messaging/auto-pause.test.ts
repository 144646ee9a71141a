import { expect, test } from "bun:test";
import {
  autoPause,
  pauseAuto,
  pauseForLostDecisions,
  resumeAuto,
} from "../../../../src/fleet/messaging/auto-pause.ts";
import { writeSetting } from "../../../../src/fleet/messaging/identity.ts";
import { memoryState } from "../../../helpers/memory-database.ts";

test("autoPause() is null until somebody pauses, and after somebody resumed", () => {
  const state = memoryState();
  expect(autoPause(state, 1000)).toBeNull();
  pauseAuto(state, null, 1000);
  expect(autoPause(state, 9e12)).toEqual({ sinceWallMs: 1000, untilWallMs: null, decisionsLost: false });
  expect(resumeAuto(state, 2000)).toBe(true);
  expect(autoPause(state, 2000)).toBeNull();
  expect(resumeAuto(state, 2000)).toBe(false);
});

test("pauseAuto() for some time ends by itself, and keeps since when where it is said again", () => {
  const state = memoryState();
  pauseAuto(state, 500, 1000);
  expect(autoPause(state, 1499)).toEqual({ sinceWallMs: 1000, untilWallMs: 1500, decisionsLost: false });
  expect(pauseAuto(state, 500, 1400)).toEqual({ sinceWallMs: 1000, untilWallMs: 1900, decisionsLost: false });
  expect(autoPause(state, 1900)).toBeNull();
  expect(resumeAuto(state, 1900)).toBe(false);
  expect(pauseAuto(state, null, 3000).sinceWallMs).toBe(3000);
});

test("pauseForLostDecisions() holds until it is resumed, whatever pause was there or is asked for", () => {
  const state = memoryState();
  pauseAuto(state, 500, 1000);
  const lost = { sinceWallMs: 1000, untilWallMs: null, decisionsLost: true };
  expect(pauseForLostDecisions(state, 1100)).toEqual(lost);
  expect(pauseAuto(state, 500, 1200)).toEqual(lost);
  expect(autoPause(state, 9e12)).toEqual(lost);
  expect(resumeAuto(state, 2000)).toBe(true);
  expect(pauseAuto(state, null, 3000).decisionsLost).toBe(false);
});

test("a pause that was stored before there were lost decisions has none", () => {
  const state = memoryState();
  writeSetting(state, "auto_pause", '{"sinceWallMs":1,"untilWallMs":null}');
  expect(autoPause(state, 2)?.decisionsLost).toBe(false);
});
