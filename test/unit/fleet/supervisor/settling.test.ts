import { describe, expect, test } from "bun:test";
import { settlesInMs } from "../../../../src/fleet/supervisor/settling.ts";

const NOW_MS = 1_000_000;

describe("settlesInMs()", () => {
  test.each(["completed", "failed", "backoff", "crash-loop", "stopped"] as const)(
    "%s is told at once",
    (state) => {
      expect(settlesInMs({ state, startedWallMs: NOW_MS }, NOW_MS)).toBe(0);
    },
  );

  test.each(["blocked", "starting", "unready", "stopping"] as const)(
    "%s has to become something first",
    (state) => {
      expect(settlesInMs({ state, startedWallMs: NOW_MS - 60_000 }, NOW_MS)).toBe(Number.POSITIVE_INFINITY);
    },
  );

  test("what runs has to have lived for a moment, so that what ends at once is not told as started", () => {
    const running = (ageMs: number): number =>
      settlesInMs({ state: "running", startedWallMs: NOW_MS - ageMs }, NOW_MS);
    expect([running(0), running(100), running(499), running(500), running(60_000)]).toEqual([
      500, 400, 1, 0, 0,
    ]);
  });

  test("what runs for who knows how long, or since later than now, is told at once", () => {
    expect(settlesInMs({ state: "running", startedWallMs: null }, NOW_MS)).toBe(0);
    expect(settlesInMs({ state: "running", startedWallMs: NOW_MS + 5_000 }, NOW_MS)).toBe(0);
  });
});
