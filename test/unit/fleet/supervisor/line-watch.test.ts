import { describe, expect, test } from "bun:test";
import { watchLines } from "../../../../src/fleet/supervisor/line-watch.ts";

const still = { monotonicMs: () => 0 };

describe("watchLines()", () => {
  test("watchLines() is well from the first line that matches", () => {
    const watch = watchLines("listening on :\\d+$", still, false);
    expect([watch.look("starting"), watch.isSeen]).toEqual([false, false]);
    expect([watch.look("listening on :80"), watch.isSeen]).toEqual([true, true]);
    expect([watch.look("listening on :81"), watch.detail]).toEqual([false, "the line was written"]);
  });

  test("watchLines() of one that was ready before needs no line", () => {
    expect(watchLines("x", still, true).isSeen).toBe(true);
  });

  test("watchLines() looks at the beginning of a long line only", () => {
    const watch = watchLines("ready", still, false);
    expect(watch.look(`${"x".repeat(1_024)}ready`)).toBe(false);
  });

  test("watchLines() gives a pattern up that takes too long on somebody's line", () => {
    let nowMs = 0;
    const slow = { monotonicMs: () => (nowMs += 300) };
    const watch = watchLines("ready", slow, false);
    watch.look("x");
    expect([watch.look("ready"), watch.isSeen]).toEqual([false, false]);
    expect(watch.detail).toContain("takes too long");
  });
});
