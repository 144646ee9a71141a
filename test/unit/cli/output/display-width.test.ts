import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { displayWidth, truncate } from "../../../../src/cli/output/display-width.ts";

describe("displayWidth()", () => {
  test("displayWidth() counts what a screen shows", () => {
    expect(["abc", "日本", "é", "👩‍👩‍👧", "\u001B[31mred\u001B[39m"].map(displayWidth)).toEqual([
      3, 4, 1, 2, 3,
    ]);
  });
});

describe("truncate()", () => {
  test("truncate() leaves what fits and marks what it cut", () => {
    expect(truncate("hello", 5)).toBe("hello");
    expect(truncate("hello", 4)).toBe("hel…");
    expect(truncate("hello", 0)).toBe("");
    expect(truncate("日本語日本語", 4)).toBe("日…");
  });

  test("truncate() closes a colour it cut through", () => {
    expect(truncate("\u001B[31mhello\u001B[39m", 3)).toBe("\u001B[31mhe…\u001B[39m");
  });

  test("truncate() never exceeds the width", () => {
    const text = fc.array(fc.constantFrom("a", "日", "👩‍👩‍👧", "é", "ｶ", " ")).map((parts) => parts.join(""));
    fc.assert(fc.property(text, fc.nat(12), (words, width) => displayWidth(truncate(words, width)) <= width));
  });
});
