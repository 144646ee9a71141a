import { describe, expect, test } from "bun:test";
import { parseSince } from "../../../src/cli/parse-since.ts";

const NOW = Date.parse("2026-03-05T12:00:00.000Z");

describe("parseSince()", () => {
  test.each([
    ["2h", NOW - 7_200_000],
    ["30", NOW - 30_000],
    ["2026-01-31T09:00:00Z", Date.parse("2026-01-31T09:00:00Z")],
    ["2026-01-31t09:00:00.5z", Date.parse("2026-01-31T09:00:00.500Z")],
    ["2026-01-31T09:00+02:00", Date.parse("2026-01-31T07:00:00Z")],
    ["2026-01-31 09:00Z", Date.parse("2026-01-31T09:00:00Z")],
    ["2024-02-29", new Date(2024, 1, 29).getTime()],
    ["2026-01-31T09:00", new Date(2026, 0, 31, 9).getTime()],
  ])("parseSince() reads %j", (text, at) => {
    expect(parseSince(text, NOW)).toEqual({ ok: true, value: at });
  });

  test.each(["2026-02-30", "2026-13-01", "2025-02-29T00:00Z", "0000-00-00"])(
    "parseSince() knows that there is no %s",
    (text) => {
      expect(parseSince(text, NOW)).toEqual({
        ok: false,
        error: `Cannot read time "${text}": there is no such day`,
      });
    },
  );

  test.each(["yesterday", "", "-2h", "2026-01-01T25:00Z", "2026-1-1", "2026-01-01T09:00+25:00"])(
    "parseSince() refuses %j and says what it can read",
    (text) => {
      const parsed = parseSince(text, NOW);
      expect(parsed.ok ? "" : parsed.error).toContain('such as "2h"');
    },
  );
});
