import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Bucket, refill, takeToken, untilToken } from "../../../src/resilience/token-bucket.ts";

const LIMITS = { capacity: 6, periodMs: 60_000 };
const full: Bucket = { tokens: 6, updatedMs: 0 };

/** How many of `attempts` (instants in ms, in order) are admitted. */
function countAdmitted(attempts: readonly number[], start: Bucket): number {
  let bucket = start;
  let admitted = 0;
  for (const nowMs of attempts) {
    bucket = refill(bucket, LIMITS, nowMs);
    const taken = takeToken(bucket);
    if (taken === null) continue;
    bucket = taken;
    admitted += 1;
  }
  return admitted;
}

describe("refill()", () => {
  test("refill() gives one token after its share of the period", () => {
    expect(refill({ tokens: 0, updatedMs: 1000 }, LIMITS, 11_000)).toEqual({ tokens: 1, updatedMs: 11_000 });
  });

  test("refill() keeps fractions, so that looking often loses nothing", () => {
    let bucket: Bucket = { tokens: 0, updatedMs: 0 };
    for (let nowMs = 250; nowMs <= 20_000; nowMs += 250) bucket = refill(bucket, LIMITS, nowMs);
    expect(bucket.tokens).toBeCloseTo(2, 9);
  });

  test("refill() never exceeds the capacity, however long nobody came", () => {
    expect(refill({ tokens: 5, updatedMs: 0 }, LIMITS, 1e12).tokens).toBe(6);
  });

  test("refill() cuts what a smaller capacity no longer allows", () => {
    expect(refill({ tokens: 50, updatedMs: 0 }, LIMITS, 0).tokens).toBe(6);
  });

  test("refill() gives nothing when the clock was set back, and counts anew from there", () => {
    const setBack = refill({ tokens: 0, updatedMs: 86_400_000 }, LIMITS, 0);
    expect(setBack).toEqual({ tokens: 0, updatedMs: 0 });
    expect(refill(setBack, LIMITS, 10_000).tokens).toBe(1);
  });

  test("refill() with capacity 0 stays empty", () => {
    expect(refill({ tokens: 0, updatedMs: 0 }, { capacity: 0, periodMs: 1000 }, 1e9).tokens).toBe(0);
  });

  test("refill() leaves the bucket it was given alone", () => {
    refill(full, LIMITS, 5000);
    expect(full).toEqual({ tokens: 6, updatedMs: 0 });
  });
});

describe("takeToken()", () => {
  test("takeToken() takes one and keeps the instant", () => {
    expect(takeToken({ tokens: 1.5, updatedMs: 7 })).toEqual({ tokens: 0.5, updatedMs: 7 });
  });

  test("takeToken() takes the last whole one", () => {
    expect(takeToken({ tokens: 1, updatedMs: 7 })?.tokens).toBe(0);
  });

  test("takeToken() is null below one whole token", () => {
    expect(takeToken({ tokens: 0.999, updatedMs: 7 })).toBeNull();
  });
});

describe("refill() and takeToken()", () => {
  test("refill() and takeToken() admit a burst of the capacity and then one per share", () => {
    // Every 1.25 s for a minute, an eighth of a token each: no rounding in binary.
    const attempts = Array.from({ length: 49 }, (_, step) => step * 1250);
    expect(countAdmitted(attempts, full)).toBe(12);
  });

  test("refill() and takeToken() admit at most capacity x (1 + elapsed / period) on a clock that goes forward", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 100 }), (gaps) => {
        let nowMs = 0;
        const attempts = gaps.map((gap) => (nowMs += gap));
        expect(countAdmitted(attempts, full)).toBeLessThanOrEqual(6 * (1 + nowMs / 60_000) + 1e-6);
      }),
    );
  });

  test("refill() and takeToken() admit no more for a clock that jumps to and fro than its jumps forward are worth", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -200_000, max: 20_000 }), { maxLength: 100 }), (jumps) => {
        let nowMs = 0;
        const attempts = jumps.map((jump) => (nowMs += jump));
        const forwardMs = jumps.reduce((total, jump) => total + Math.max(0, jump), 0);
        expect(countAdmitted(attempts, full)).toBeLessThanOrEqual(6 * (1 + forwardMs / 60_000) + 1e-6);
      }),
    );
  });
});

test("untilToken() is the time until the next one, and 0 when there is one", () => {
  expect(untilToken({ tokens: 0.25, updatedMs: 0 }, LIMITS)).toBe(7_500);
  expect(untilToken({ tokens: 1, updatedMs: 0 }, LIMITS)).toBe(0);
});
