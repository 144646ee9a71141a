import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { concatBytes, equalBytes, fromBase64, fromHex, fromUtf8, toUtf8 } from "../../../src/base/bytes.ts";

const bytes = fc.uint8Array({ maxLength: 64 });

describe("toUtf8()", () => {
  test("toUtf8() encodes one to four bytes a character", () => {
    expect(toUtf8("aé€😀")).toEqual(
      new Uint8Array([0x61, 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80]),
    );
  });

  test("toUtf8() replaces a lone surrogate, which UTF-8 cannot hold", () => {
    expect(toUtf8("\uD800")).toEqual(new Uint8Array([0xef, 0xbf, 0xbd]));
  });
});

describe("fromUtf8()", () => {
  test("fromUtf8() reads back every well-formed text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(fromUtf8(toUtf8(text))).toBe(text);
      }),
    );
  });

  test.each([
    ["a lone continuation byte", [0x80]],
    ["a cut sequence", [0xe2, 0x82]],
    ["an overlong slash", [0xc0, 0xaf]],
    ["an encoded surrogate", [0xed, 0xa0, 0x80]],
    ["a character beyond Unicode", [0xf4, 0x90, 0x80, 0x80]],
    ["a byte that UTF-8 never has", [0xff]],
  ])("fromUtf8() is null for %s", (_, malformed) => {
    expect(fromUtf8(new Uint8Array(malformed))).toBeNull();
  });

  test("fromUtf8() keeps a byte order mark, so that two different files never read alike", () => {
    expect(fromUtf8(new Uint8Array([0xef, 0xbb, 0xbf, 0x61]))).toBe("\uFEFFa");
  });

  test("fromUtf8() is right again after it met malformed bytes", () => {
    fromUtf8(new Uint8Array([0xe2, 0x82]));
    expect(fromUtf8(new Uint8Array([0x61]))).toBe("a");
  });

  test("fromUtf8() takes no bytes for the empty text", () => {
    expect(fromUtf8(new Uint8Array(0))).toBe("");
  });
});

describe("concatBytes()", () => {
  test("concatBytes() keeps order and every byte", () => {
    fc.assert(
      fc.property(fc.array(bytes), (parts) => {
        expect([...concatBytes(parts)]).toEqual(parts.flatMap((part) => [...part]));
      }),
    );
  });

  test("concatBytes() of one part is a copy", () => {
    const part = new Uint8Array([1, 2]);
    const whole = concatBytes([part]);
    part[0] = 9;
    expect([...whole]).toEqual([1, 2]);
  });

  test("concatBytes() of nothing is empty", () => {
    expect(concatBytes([]).length).toBe(0);
  });
});

describe("equalBytes()", () => {
  test("equalBytes() agrees with comparing the hex forms", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 2, max: 2 }),
        fc.uint8Array({ maxLength: 2, max: 2 }),
        (a, b) => {
          expect(equalBytes(a, b)).toBe(a.toHex() === b.toHex());
        },
      ),
    );
  });

  test("equalBytes() tells a prefix from the whole", () => {
    expect(equalBytes(new Uint8Array([1]), new Uint8Array([1, 0]))).toBe(false);
    expect(equalBytes(new Uint8Array([1, 0]), new Uint8Array([1]))).toBe(false);
  });

  test("equalBytes() compares views by what they show", () => {
    const whole = new Uint8Array([7, 1, 2, 7]);
    expect(equalBytes(whole.subarray(1, 3), new Uint8Array([1, 2]))).toBe(true);
  });
});

describe("fromBase64()", () => {
  test("fromBase64() reads what was written, wrapped at any column", () => {
    fc.assert(
      fc.property(bytes, fc.integer({ min: 1, max: 80 }), (content, column) => {
        const wrapped = content.toBase64().replace(new RegExp(`.{${column}}`, "g"), "$&\r\n");
        expect(fromBase64(wrapped)).toEqual(content);
      }),
    );
  });

  test.each(["####", "a", "=", "Zg==Zg==", "Zm9v\u0000", "Zm9v-_"])("fromBase64() is null for %j", (text) => {
    expect(fromBase64(text)).toBeNull();
  });

  test("fromBase64() takes no text for no bytes", () => {
    expect(fromBase64("")?.length).toBe(0);
  });
});

describe("fromHex()", () => {
  test("fromHex() reads both cases", () => {
    expect([...fromHex("00fFaB")]).toEqual([0x00, 0xff, 0xab]);
  });
});
