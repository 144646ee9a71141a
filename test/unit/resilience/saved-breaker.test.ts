import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type BreakerState, closedBreaker } from "../../../src/resilience/breaker.ts";
import {
  type Boot,
  parseSavedBreaker,
  restoreBreaker,
  saveBreaker,
} from "../../../src/resilience/saved-breaker.ts";

const OPEN: BreakerState = {
  ...closedBreaker(),
  kind: "open",
  generation: 7,
  causes: ["no route"],
  sinceMs: 10_000,
  untilMs: 310_000,
  openings: 2,
};
const boot = (ms: number, id: string | null = "a"): Boot => ({ id, ms });
/** Through a file, as a restarted process gets it. */
const kept = (state: BreakerState, nowMs: number, at: Boot) => {
  const saved = parseSavedBreaker(JSON.stringify(saveBreaker(state, nowMs, at)));
  return saved ?? expect.unreachable();
};

describe("case 16", () => {
  test("a restart on the same boot keeps the remaining time, whatever the process's clock starts at", () => {
    const saved = kept(OPEN, 20_000, boot(5_000_000));
    const restored = restoreBreaker(saved, { nowMs: 3, random: 0.9 }, boot(5_100_000));
    // 290 s were left, 100 s passed.
    expect(restored).toMatchObject({ kind: "open", untilMs: 3 + 190_000, sinceMs: 3 - 110_000 });
    expect(restored).toMatchObject({ openings: 2, causes: ["no route"] });
  });

  test("time that passed meanwhile is no debt", () => {
    const saved = kept(OPEN, 20_000, boot(5_000_000));
    expect(restoreBreaker(saved, { nowMs: 3, random: 0.9 }, boot(9_000_000))).toMatchObject({ untilMs: 3 });
  });

  test.each([
    ["another boot", "b"],
    ["a system that cannot tell its boots apart", null],
  ])("after %s it refuses for 0 up to the open time", (_, id) => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 0.999_999, noNaN: true }), fc.nat(1e9), (random, ms) => {
        const saved = kept(OPEN, 20_000, boot(5_000_000, id === null ? null : "a"));
        const restored = restoreBreaker(saved, { nowMs: 50, random }, boot(ms, id));
        if (restored.kind !== "open") return expect.unreachable();
        expect(restored.untilMs - 50).toBeGreaterThanOrEqual(0);
        expect(restored.untilMs - 50).toBeLessThanOrEqual(300_000);
      }),
    );
  });

  test("half-open comes back as open with its time over, so a probe may go at once", () => {
    const half: BreakerState = {
      ...closedBreaker(),
      kind: "half-open",
      sinceMs: 5,
      openings: 1,
      successes: 1,
      probes: [],
      nextProbe: 2,
    };
    const restored = restoreBreaker(
      kept(half, 60_000, boot(70_000)),
      { nowMs: 9, random: 0.9 },
      boot(71_000),
    );
    expect(restored).toMatchObject({ kind: "open", untilMs: 9 });
    expect(
      restoreBreaker(kept(half, 60_000, boot(70_000)), { nowMs: 9, random: 0.9 }, boot(1, "z")),
    ).toMatchObject({
      untilMs: 9,
    });
  });

  test("closed comes back as new", () => {
    const failing: BreakerState = { ...closedBreaker(), kind: "closed", failures: 3, causes: ["x"] };
    expect(restoreBreaker(kept(failing, 5, boot(5)), { nowMs: 9, random: 0 }, boot(6))).toEqual(
      closedBreaker(),
    );
  });
});

describe("parseSavedBreaker()", () => {
  test.each([
    ["no JSON", "{"],
    ["null", "null"],
    ["a newer layout", JSON.stringify({ ...saveBreaker(OPEN, 1, boot(1)), v: 2 })],
    ["an unknown kind", JSON.stringify({ ...saveBreaker(OPEN, 1, boot(1)), kind: "ajar" })],
    ["no number", JSON.stringify({ ...saveBreaker(OPEN, 1, boot(1)), untilMs: "soon" })],
    ["causes that are no texts", JSON.stringify({ ...saveBreaker(OPEN, 1, boot(1)), causes: [1] })],
    ["a boot that is no text", JSON.stringify({ ...saveBreaker(OPEN, 1, boot(1)), boot: 5 })],
  ])("%s is null", (_, json) => {
    expect(parseSavedBreaker(json)).toBeNull();
  });
});
