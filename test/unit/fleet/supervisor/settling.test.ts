import { describe, expect, test } from "bun:test";
import { settlesInMs, wasStartedSince } from "../../../../src/fleet/supervisor/settling.ts";

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

describe("wasStartedSince()", () => {
  const ended = (atWallMs: number) => ({ kind: "code", text: "exit code 0", atWallMs }) as const;
  const completed = { startedWallMs: null, lastEnd: ended(5) };
  const running = { startedWallMs: 7, lastEnd: null };

  test("sees another run, one that came to its end meanwhile, and one that was not there", () => {
    expect(wasStartedSince(undefined, running)).toBe(true);
    expect(wasStartedSince(running, { ...running, startedWallMs: 9 })).toBe(true);
    expect(wasStartedSince(completed, { ...completed, lastEnd: ended(8) })).toBe(true);
    expect(wasStartedSince({ startedWallMs: null, lastEnd: null }, completed)).toBe(true);
  });

  test("sees nothing where nothing was", () => {
    expect(wasStartedSince(running, running)).toBe(false);
    expect(wasStartedSince(completed, { ...completed })).toBe(false);
    expect(
      wasStartedSince({ startedWallMs: null, lastEnd: null }, { startedWallMs: null, lastEnd: null }),
    ).toBe(false);
  });
});
