import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { toSafeJson, toVisible } from "../../../src/base/visible-text.ts";

// Written out by code point, apart from the implementation's own rule, so that a slip in that rule shows here.
function isForbidden(character: string): boolean {
  const code = character.codePointAt(0) ?? 0;
  const ranges: readonly (readonly [number, number])[] = [
    [0x00, 0x1f],
    [0x7f, 0x9f],
    [0xad, 0xad],
    [0x61c, 0x61c],
    [0x200b, 0x200c],
    [0x200e, 0x200f],
    [0x2028, 0x202e],
    [0x2060, 0x206f],
    [0xd800, 0xdfff],
    [0xfeff, 0xfeff],
    [0xfff9, 0xfffb],
    [0xe0000, 0xe01ef],
  ];
  return ranges.some(([first, last]) => code >= first && code <= last);
}

const nastyText = fc
  .array(
    fc.oneof(
      fc.string({ unit: "binary" }),
      fc.integer({ min: 0, max: 0xff }).map((code) => String.fromCodePoint(code)),
      fc.integer({ min: 0x2000, max: 0x206f }).map((code) => String.fromCodePoint(code)),
      fc.integer({ min: 0xe0000, max: 0xe01ef }).map((code) => String.fromCodePoint(code)),
      fc.integer({ min: 0xd800, max: 0xdfff }).map((code) => String.fromCharCode(code)),
      fc.constantFrom("👩\u200D👩\u200D👧", "\u200D", "\uFE0F", "\r\n", "\u001B[2J", "\u202E"),
    ),
  )
  .map((parts) => parts.join(""));

describe("toVisible()", () => {
  test("toVisible() leaves ordinary text alone", () => {
    const text = "Grüße, 日本語 العربية עברית ✓ é 1️⃣";
    expect(toVisible(text)).toBe(text);
  });

  test("toVisible() shows control characters as pictures", () => {
    expect(toVisible("\u001B[31mred\u0007\u0000")).toBe("␛[31mred␇␀");
    expect(toVisible("\u007F\r\b")).toBe("␡␍␈");
  });

  test.each([
    ["\u009B", "<U+009B>"],
    ["\u0085", "<U+0085>"],
    ["\u202E", "<U+202E>"],
    ["\u2066", "<U+2066>"],
    ["\u200F", "<U+200F>"],
    ["\u061C", "<U+061C>"],
    ["\u200B", "<U+200B>"],
    ["\u200D", "<U+200D>"],
    ["\uFEFF", "<U+FEFF>"],
    ["\u2060", "<U+2060>"],
    ["\u2028", "<U+2028>"],
    ["\u00AD", "<U+00AD>"],
    ["\u{E0041}", "<U+E0041>"],
    ["\u{E0100}", "<U+E0100>"],
    ["\uD800", "�"],
    ["\t", " "],
  ])("toVisible() turns %j into %p", (character, expected) => {
    expect(toVisible(`a${character}b`)).toBe(`a${expected}b`);
  });

  test("toVisible() keeps newlines only when asked", () => {
    expect(toVisible("a\nb")).toBe("a␊b");
    expect(toVisible("a\nb\r\nc\rd\u0007", { keepNewlines: true })).toBe("a\nb\nc␍d␇");
  });

  test("toVisible() keeps whole emoji, and no joiner or selector outside them", () => {
    const emoji = "👩‍👩‍👧 👩🏽‍💻 ❤️ 🏳️‍🌈 1️⃣ ☎︎";
    expect(toVisible(emoji)).toBe(emoji);
    expect(toVisible("a\u200Db 1\u200D2 x\uFE0F 👩\u200Dx 1\uFE0F2")).toBe(
      "a<U+200D>b 1<U+200D>2 x<U+FE0F> 👩<U+200D>x 1<U+FE0F>2",
    );
    expect(toVisible("❤\uFE0F\uFE0F\uFE0E")).toBe("❤\uFE0F<U+FE0F><U+FE0E>");
  });

  test("toVisible() never lets a raw control through, whatever the text", () => {
    fc.assert(
      fc.property(nastyText, (text) => {
        expect([...toVisible(text)].filter(isForbidden)).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  test("toVisible() with keepNewlines lets nothing but newlines through", () => {
    fc.assert(
      fc.property(nastyText, (text) => {
        const raw = [...toVisible(text, { keepNewlines: true })].filter(isForbidden);
        expect(raw.filter((character) => character !== "\n")).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  test("toVisible() changes nothing the second time", () => {
    fc.assert(fc.property(nastyText, (text) => toVisible(toVisible(text)) === toVisible(text)));
  });
});

describe("toSafeJson()", () => {
  test("toSafeJson() escapes what JSON.stringify leaves raw", () => {
    expect(toSafeJson({ a: "\u009B\u202E\u2028\u007F" })).toBe('{"a":"\\u009b\\u202e\\u2028\\u007f"}');
    expect(toSafeJson("\u{E0041}")).toBe('"\\udb40\\udc41"');
  });

  test("toSafeJson() keeps the data exact and the text free of controls", () => {
    fc.assert(
      fc.property(nastyText, (text) => {
        const json = toSafeJson({ text });
        expect(JSON.parse(json)).toEqual({ text });
        expect([...json].filter(isForbidden)).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  test("toSafeJson() says null for what JSON cannot say", () => {
    expect(toSafeJson(undefined)).toBe("null");
  });
});
