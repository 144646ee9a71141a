import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { backoffMs, jitteredMs } from "../../../src/resilience/backoff.ts";

const TWO_FOUR_EIGHT = { first: 2_000, longest: 8_000 };

describe("backoffMs()", () => {
  test("is 2, 4, 8 s and stays at its longest", () => {
    const pauses = [1, 2, 3, 4, 50].map((failures) => backoffMs(failures, TWO_FOUR_EIGHT, 0.5));
    expect(pauses).toEqual([2_000, 4_000, 8_000, 8_000, 8_000]);
  });

  test("stays within a tenth, for any number of failures", () => {
    const random = fc.double({ min: 0, max: 0.999_999, noNaN: true });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e9 }), random, (failures, chance) => {
        const plainMs = backoffMs(failures, TWO_FOUR_EIGHT, 0.5);
        const pauseMs = backoffMs(failures, TWO_FOUR_EIGHT, chance);
        expect(Math.abs(pauseMs - plainMs)).toBeLessThanOrEqual(plainMs * 0.1);
      }),
    );
  });
});

test("jitteredMs() is a tenth more or less", () => {
  expect([0, 0.5, 1].map((random) => jitteredMs(1000, random))).toEqual([900, 1000, 1100]);
});
