import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatDuration, parseDuration } from "../../../src/base/duration.ts";
import { ok } from "../../../src/base/result.ts";

describe("parseDuration()", () => {
  test("parseDuration() reads a bare number as seconds", () => {
    expect(parseDuration("10")).toEqual(ok(10_000));
    expect(parseDuration("1.5")).toEqual(ok(1_500));
    expect(parseDuration(2)).toEqual(ok(2_000));
  });

  test.each([
    ["500ms", 500],
    ["30s", 30_000],
    ["5m", 300_000],
    ["2h", 7_200_000],
    ["7d", 604_800_000],
    [" 2 h ", 7_200_000],
    ["0", 0],
  ])("parseDuration() reads %p", (text, expected) => {
    expect(parseDuration(text)).toEqual(ok(expected));
  });

  test.each(["", "  ", "soon", "5 parsecs", "--to", "1e3", "NaN", "Infinity", "2h30", "9".repeat(200)])(
    "parseDuration() refuses %p",
    (text) => {
      expect(parseDuration(text).ok).toBe(false);
    },
  );

  test("parseDuration() refuses what is negative", () => {
    expect(parseDuration("-5m")).toEqual({ ok: false, error: 'Cannot read duration "-5m": it is negative' });
    expect(parseDuration(-1).ok).toBe(false);
  });

  test("parseDuration() says which forms it takes", () => {
    const result = parseDuration("soon");
    expect(result.ok ? "" : result.error).toContain('"500ms", "2h" or "7d"');
  });

  test("parseDuration() gives a safe integer or a reason, whatever the text", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const result = parseDuration(text);
        return result.ok ? Number.isSafeInteger(result.value) && result.value >= 0 : result.error.length > 0;
      }),
    );
  });
});

describe("formatDuration()", () => {
  test.each([
    [0, "0 ms"],
    [850, "850 ms"],
    [3_000, "3 s"],
    [3_250, "3.2 s"],
    [9_999, "9.9 s"],
    [42_900, "42 s"],
    [90_000, "1 min 30 s"],
    [720_000, "12 min"],
    [3_599_999, "59 min"],
    [7_500_000, "2 h 5 min"],
    [7_200_000, "2 h"],
    [259_200_000, "3 d"],
    [97_200_000, "1 d 3 h"],
    [-3_200, "-3.2 s"],
  ])("formatDuration() shows %p ms as %p", (durationMs, expected) => {
    expect(formatDuration(durationMs)).toBe(expected);
  });
});
