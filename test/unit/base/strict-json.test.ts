import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseStrictJson } from "../../../src/base/strict-json.ts";
import { expectLinear } from "../../helpers/hostile-bytes.ts";

const DEPTH_MAX = 32;

const errorOf = (text: string, depthMax = DEPTH_MAX): string | null => {
  const parsed = parseStrictJson(text, depthMax);
  return parsed.ok ? null : parsed.error;
};

const SAME_KEY = "an object has the same key twice";
const PROTO_KEY = 'a key is "__proto__"';

describe("parseStrictJson()", () => {
  test("parseStrictJson() agrees with JSON.parse on every value that JSON can write", () => {
    const value = fc.jsonValue({ maxDepth: 6, stringUnit: "binary" });
    fc.assert(
      fc.property(value, fc.constantFrom(0, 1, "\t"), (original, indent) => {
        fc.pre(!JSON.stringify(original).includes("__proto__"));
        const text = JSON.stringify(original, null, indent);
        expect(parseStrictJson(text, DEPTH_MAX)).toEqual({ ok: true, value: JSON.parse(text) });
      }),
    );
  });

  test("parseStrictJson() never throws, and never accepts what JSON.parse refuses", () => {
    const scrap = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      '"',
      ":",
      ",",
      "\\",
      "a",
      "1",
      "null",
      " ",
      '"a":',
      "\u0000",
    );
    fc.assert(
      fc.property(fc.array(scrap, { maxLength: 12 }), (scraps) => {
        const text = scraps.join("");
        const parsed = parseStrictJson(text, DEPTH_MAX);
        if (parsed.ok) expect(parsed.value).toEqual(JSON.parse(text));
      }),
    );
  });

  test.each([
    "",
    " ",
    "{",
    '{"a":1',
    '"',
    '"\\"',
    "{'a':1}",
    '{"a":1,}',
    "[1,]",
    "NaN",
    "01",
    "\uFEFF{}",
    "1 2",
  ])("parseStrictJson() refuses %j, which is not JSON", (text) => {
    expect(errorOf(text)).toBe("not JSON");
  });

  test.each([
    '{"a":1,"a":1}',
    '{"a":1,"b":2,"a":3}',
    '{"a":1,"\\u0061":2}',
    '{"\\u0061":1,"\\u0061":2}',
    '[{"x":{"a":1,"a":2}}]',
    '{"a":{"a":1},"a":2}',
    '{"":1,"":2}',
    '{"a\\"":1,"a\\u0022":2}',
    '{"1":0,"1":0}',
    '{"😀":1,"\\ud83d\\ude00":2}',
    '{"a:":1,"a:":2}',
  ])("parseStrictJson() refuses the duplicate key in %s", (text) => {
    expect(errorOf(text)).toBe(SAME_KEY);
  });

  test.each([
    '{"a":{"a":{"a":1}}}',
    '[{"a":1},{"a":2}]',
    '{"a":"a","b":"b"}',
    '{"a":"\\"b\\":1","c":":"}',
    '{"a":"x\\\\","b":"\\\\\\":"}',
    '{"constructor":1,"toString":2,"hasOwnProperty":3}',
    '["a","a",":"]',
    '{"é":1,"e\u0301":2}',
  ])("parseStrictJson() takes %s, where nothing is there twice", (text) => {
    expect(parseStrictJson(text, DEPTH_MAX)).toEqual({ ok: true, value: JSON.parse(text) });
  });

  test("parseStrictJson() finds a key that white space parts from its colon", () => {
    expect(errorOf('{"a" :1,"a"\t\r\n :2}')).toBe(SAME_KEY);
  });

  test("parseStrictJson() finds any one key written twice", () => {
    const keys = fc.uniqueArray(fc.string({ unit: "binary" }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(keys, fc.nat(), fc.nat(), (names, which, where) => {
        fc.pre(!names.includes("__proto__"));
        const members = names.map((name, index) => `${JSON.stringify(name)}:${index}`);
        const twice = members.toSpliced(where % (names.length + 1), 0, members[which % names.length] ?? "");
        expect(errorOf(`{${twice.join(",")}}`)).toBe(SAME_KEY);
        expect(errorOf(`{${members.join(",")}}`)).toBeNull();
      }),
    );
  });

  test.each([
    '{"__proto__":{"admin":true}}',
    '{"\\u005f_proto__":1}',
    '{"a":[{"\\u005f\\u005fproto\\u005f\\u005f":1}]}',
    '{"__proto__":1,"__proto__":2}',
  ])("parseStrictJson() refuses the key of %s", (text) => {
    expect(errorOf(text)).toBe(PROTO_KEY);
  });

  test("parseStrictJson() takes the text __proto__ as a value", () => {
    expect(errorOf('{"a":"__proto__"}')).toBeNull();
  });

  test("parseStrictJson() changes no prototype while it refuses", () => {
    errorOf('{"__proto__":{"polluted":1}}');
    expect("polluted" in {}).toBe(false);
  });

  test.each(["[", '{"a":'])(
    "parseStrictJson() refuses 100,000 levels of %s and does not overflow",
    (open) => {
      const close = open === "[" ? "]" : "}";
      const text = open.repeat(100_000) + (open === "[" ? "" : "1") + close.repeat(100_000);
      expect(errorOf(text)).toBe("nested deeper than 32");
      expect(errorOf(open.repeat(100_000))).toBe("nested deeper than 32");
    },
  );

  test("parseStrictJson() counts the depth exactly", () => {
    const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
    expect(errorOf(nested(32))).toBeNull();
    expect(errorOf(nested(33))).toBe("nested deeper than 32");
    expect(errorOf('{"a":[1]}', 1)).toBe("nested deeper than 1");
    expect(errorOf("1", 0)).toBeNull();
  });

  test("parseStrictJson() counts the deepest place and not how many there are", () => {
    expect(errorOf(`[${"[],{},".repeat(1000)}[]]`, 2)).toBeNull();
  });

  test("parseStrictJson() takes brackets inside a string for text, escaped quotes or not", () => {
    const text = JSON.stringify({ body: `${'"\\['.repeat(50_000)}{{{` });
    expect(errorOf(text, 1)).toBeNull();
  });

  test.each<[string, (count: number) => string]>([
    ["quotes", (count) => `"${'\\"'.repeat(count)}"`],
    ["backslashes", (count) => `"${"\\\\".repeat(count)}"`],
    ["backslashes in an open string", (count) => `"${"\\".repeat(count + 1)}`],
    ["blanks after a string", (count) => `"a"${" ".repeat(count)}`],
    ["empty strings", (count) => `[${'"",'.repeat(count)}""]`],
  ])("parseStrictJson() takes time in proportion to many %s", (_, make) => {
    expectLinear(make, (text) => errorOf(text));
  });
});
