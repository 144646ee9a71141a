import { expect, test } from "bun:test";
import { COUNTERS, isCounter, minuteOf } from "../../../../src/fleet/metrics/model.ts";

test("minuteOf() counts whole minutes, before 1970 too", () => {
  expect([0, 59_999, 60_000, -1].map(minuteOf)).toEqual([0, 0, 1, -1]);
});

test("isCounter() knows the public names and nothing else", () => {
  expect(COUNTERS.every(isCounter)).toBe(true);
  expect(["toString", "", "Errors"].some(isCounter)).toBe(false);
});
