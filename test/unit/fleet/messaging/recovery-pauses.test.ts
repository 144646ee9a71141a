import { beforeEach, expect, test } from "bun:test";
import { noteRecovery, pauseBefore, untilRecovery } from "../../../../src/fleet/messaging/recovery-pauses.ts";
import { type MemoryDatabase, memoryState } from "../../../helpers/memory-database.ts";

const HOUR_MS = 3_600_000;
let state: MemoryDatabase;
beforeEach(() => {
  state = memoryState();
});

test("pauses begin after three recoveries in an hour, double, and never get longer than five minutes", () => {
  const pauses: number[] = [];
  for (let count = 0; count < 10; count += 1) {
    pauses.push(pauseBefore(state, 1000) / 1000);
    noteRecovery(state, 1000);
  }
  expect(pauses).toEqual([0, 0, 0, 15, 30, 60, 120, 240, 300, 300]);
  expect(pauseBefore(state, 1000 + HOUR_MS)).toBe(0);
});

test("a pause counts from the last recovery, and a clock that is set back or ahead ends it", () => {
  expect(untilRecovery(state, HOUR_MS)).toBe(0);
  for (let count = 0; count < 3; count += 1) noteRecovery(state, HOUR_MS + count);
  expect(untilRecovery(state, HOUR_MS + 2)).toBe(15_000);
  expect(untilRecovery(state, HOUR_MS + 10_002)).toBe(5_000);
  expect(untilRecovery(state, HOUR_MS + 15_002)).toBe(0);
  expect(untilRecovery(state, HOUR_MS)).toBe(0);
  expect(untilRecovery(state, 24 * HOUR_MS)).toBe(0);
});
