import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { fromInstant, INSTANT_MS_MAX, isInstant, toInstant } from "../../../src/base/instant.ts";

const YEAR_0_MS = -62_167_219_200_000;

/** The slow way to say it: what the engine makes of `text` is written like `text`. */
function isWrittenAs(text: string): boolean {
  const date = new Date(text);
  return !Number.isNaN(date.getTime()) && date.toISOString() === text;
}

describe("toInstant()", () => {
  test("toInstant() writes milliseconds and Z, also where they are zero", () => {
    expect(toInstant(0)).toBe("1970-01-01T00:00:00.000Z");
    expect(toInstant(1_785_000_000_007)).toBe("2026-07-25T17:20:00.007Z");
  });

  test("toInstant() writes the largest instant with a year of four digits", () => {
    expect(toInstant(INSTANT_MS_MAX)).toBe("9999-12-31T23:59:59.999Z");
  });

  test("toInstant() sorts as text as the numbers do", () => {
    const instant = fc.integer({ min: YEAR_0_MS, max: INSTANT_MS_MAX });
    fc.assert(
      fc.property(instant, instant, (left, right) => {
        expect(toInstant(left) < toInstant(right)).toBe(left < right);
      }),
    );
  });
});

describe("fromInstant()", () => {
  test("fromInstant() reads back what toInstant() wrote", () => {
    fc.assert(
      fc.property(fc.integer({ min: YEAR_0_MS, max: INSTANT_MS_MAX }), (wallMs) => {
        expect(fromInstant(toInstant(wallMs))).toBe(wallMs);
      }),
    );
  });

  test.each([
    "",
    "2026-07-25",
    "2026-07-25T17:20:00Z",
    "2026-07-25T17:20:00.00Z",
    "2026-07-25T17:20:00.0000Z",
    "2026-07-25T17:20:00.000",
    "2026-07-25T17:20:00.000z",
    "2026-07-25 17:20:00.000Z",
    "2026-07-25T17:20:00.000+00:00",
    "2026-07-25T17:20:00.000Z\n",
    " 2026-07-25T17:20:00.000Z",
    "+12026-07-25T17:20:00.000Z",
    "٢٠٢٦-07-25T17:20:00.000Z",
  ])("fromInstant() is NaN for the other shape %j", (text) => {
    expect(fromInstant(text)).toBeNaN();
  });

  test.each([
    "2026-02-30T00:00:00.000Z",
    "2025-02-29T00:00:00.000Z",
    "2026-04-31T00:00:00.000Z",
    "2026-13-01T00:00:00.000Z",
    "2026-00-01T00:00:00.000Z",
    "2026-01-00T00:00:00.000Z",
    "2026-01-01T24:00:00.000Z",
    "2026-01-01T23:60:00.000Z",
    "2026-01-01T23:59:60.000Z",
    "9999-99-99T99:99:99.999Z",
  ])("fromInstant() is NaN for %s, which no clock shows", (text) => {
    expect(fromInstant(text)).toBeNaN();
  });

  test("fromInstant() takes of all dates and times written with digits those that toInstant() writes", () => {
    const digits = (max: number, length: number): fc.Arbitrary<string> =>
      fc.integer({ min: 0, max }).map((number) => String(number).padStart(length, "0"));
    fc.assert(
      fc.property(
        fc.tuple(digits(9999, 4), digits(13, 2), digits(32, 2), digits(25, 2), digits(61, 2), digits(61, 2)),
        ([year, month, day, hour, minute, second]) => {
          const text = `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
          const parsedMs = fromInstant(text);
          expect(Number.isNaN(parsedMs) ? "no instant" : toInstant(parsedMs)).toBe(
            isWrittenAs(text) ? text : "no instant",
          );
        },
      ),
    );
  });

  test("fromInstant() knows leap days", () => {
    expect(fromInstant("2024-02-29T00:00:00.000Z")).toBe(1_709_164_800_000);
  });
});

describe("isInstant()", () => {
  test("isInstant() agrees with fromInstant()", () => {
    expect(isInstant("2026-07-25T17:20:00.007Z")).toBe(true);
    expect(isInstant("2026-02-30T00:00:00.000Z")).toBe(false);
    expect(isInstant("yesterday")).toBe(false);
  });
});
