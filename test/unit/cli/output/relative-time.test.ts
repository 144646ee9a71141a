import { describe, expect, test } from "bun:test";
import { formatRelativeTime } from "../../../../src/cli/output/relative-time.ts";

// A Thursday, in whatever zone the tests run: every instant here is built from local time.
const NOW = new Date(2026, 2, 12, 15, 30).getTime();
const at = (month: number, day: number, hour: number, minute: number) =>
  new Date(2026, month - 1, day, hour, minute).getTime();

describe("formatRelativeTime()", () => {
  test.each([
    [NOW - 400, "now"],
    [NOW + 400, "now"],
    [NOW - 12_900, "12 s ago"],
    [NOW - 3_400, "3 s ago"],
    [NOW - 200_000, "3 min ago"],
    [NOW - 3_599_000, "59 min ago"],
    [NOW + 90_000, "in 1 min"],
    [at(3, 12, 9, 5), "today 09:05"],
    [at(3, 12, 18, 0), "today 18:00"],
    [at(3, 11, 14, 2), "yesterday 14:02"],
    [at(3, 13, 8, 0), "tomorrow 08:00"],
    [at(3, 9, 14, 2), "Mon 14:02"],
    [at(3, 5, 14, 2), "5 Mar 14:02"],
    [at(3, 20, 14, 2), "20 Mar 14:02"],
    [at(0, 31, 14, 2), "2025-12-31"],
  ])("formatRelativeTime() says %p as %p", (atWallMs, expected) => {
    expect(formatRelativeTime(atWallMs, NOW)).toBe(expected);
  });

  test("formatRelativeTime() says minutes across midnight", () => {
    expect(formatRelativeTime(at(3, 11, 23, 50), at(3, 12, 0, 5))).toBe("15 min ago");
  });
});
