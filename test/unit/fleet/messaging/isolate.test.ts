import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Attempt, halves, isolate } from "../../../../src/fleet/messaging/isolate.ts";

/** Takes every part without a bad number; `pushed` is what it took, in order. */
function remote(bad: readonly number[], triesMax = Number.POSITIVE_INFINITY) {
  const pushed: number[] = [];
  let tries = 0;
  const attempt = (part: readonly number[]): Promise<Attempt> => {
    if (tries >= triesMax) return Promise.resolve("stop");
    tries += 1;
    if (part.some((one) => bad.includes(one))) return Promise.resolve("refused");
    pushed.push(...part);
    return Promise.resolve("pushed");
  };
  return { attempt, pushed, tries: () => tries };
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

describe("isolate()", () => {
  test("finds what is refused and pushes everything else in its order", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 60 }), fc.array(fc.nat(59)), async (count, bad) => {
        const all = numbers(count);
        const there = remote(bad);
        const found = await isolate([all], there.attempt);
        expect(found).toEqual({ refused: all.filter((one) => bad.includes(one)), untried: [] });
        expect(there.pushed).toEqual(all.filter((one) => !bad.includes(one)));
      }),
    );
  });

  test("finds one among a thousand with 20 pushes", async () => {
    for (const bad of [0, 1, 499, 500, 998, 999]) {
      const there = remote([bad]);
      const found = await isolate(halves(numbers(1000)), there.attempt);
      expect(found.refused).toEqual([bad]);
      expect(there.tries()).toBeLessThanOrEqual(20);
    }
  });

  test("says what it did not get to when it is told to stop", async () => {
    const there = remote([0, 5], 4);
    const found = await isolate([[0, 1], [2, 3, 4, 5], [6]], there.attempt);
    expect(found).toEqual({ refused: [0], untried: [2, 3, 4, 5, 6] });
    expect(there.pushed).toEqual([1]);
  });

  test("asks nothing about nothing", async () => {
    const there = remote([]);
    expect(await isolate([[], []], there.attempt)).toEqual({ refused: [], untried: [] });
    expect(there.tries()).toBe(0);
  });
});

test("halves() keeps the order and gives the first half the larger part", () => {
  expect(halves([1, 2, 3, 4, 5])).toEqual([
    [1, 2, 3],
    [4, 5],
  ]);
});
