import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseDuration } from "../../../../src/base/duration.ts";
import { parseSize } from "../../../../src/base/size.ts";
import { renderValue } from "../../../../src/fleet/settings/render-value.ts";

describe("renderValue()", () => {
  test.each([
    [10_000, "10s"],
    [90_000, "90s"],
    [120_000, "2m"],
    [7 * 86_400_000, "7d"],
    [1_500, "1500ms"],
    [0, "0ms"],
  ])("renderValue() writes the duration %d as %s", (value, text) => {
    expect(renderValue(value, "duration")).toBe(text);
  });

  test.each([
    [1024 ** 3, "1 GiB"],
    [10 * 1024 ** 2, "10 MiB"],
    [1_000, "1000"],
  ])("renderValue() writes the size %d as %s", (value, text) => {
    expect(renderValue(value, "size")).toBe(text);
  });

  test.each<[unknown, string]>([
    [true, "true"],
    [3, "3"],
    ["info", "info"],
    ["auto", "auto"],
    ["on", '"on"'],
    ["", '""'],
    ["a b", '"a b"'],
    ["# no", '"# no"'],
    ["\u001b[31m", '"\\u001b[31m"'],
    [["db"], '["db"]'],
    [{ role: "db" }, '{"role":"db"}'],
  ])("renderValue() writes %j as %s", (value, text) => {
    expect(renderValue(value, "other")).toBe(text);
  });

  test("what renderValue() writes is read back as the same", () => {
    fc.assert(
      fc.property(fc.nat({ max: 10 ** 10 }), (value) => {
        expect(parseDuration(renderValue(value, "duration"))).toEqual({ ok: true, value });
        expect(parseSize(renderValue(value, "size"))).toEqual({ ok: true, value });
      }),
    );
  });
});
