import { describe, expect, test } from "bun:test";
import { formatSize, parseSize } from "../../../src/base/size.ts";

describe("parseSize()", () => {
  test.each<[string | number, number]>([
    [512, 512],
    ["0", 0],
    ["1 GiB", 1_073_741_824],
    ["0.5GiB", 536_870_912],
    ["10mb", 10_000_000],
    ["4k", 4096],
  ])("parseSize() reads %j as %d bytes", (text, bytes) => {
    expect(parseSize(text)).toEqual({ ok: true, value: bytes });
  });

  test.each(["", "big", "-1", "1 XB", "toString", "1e400", "9007199254740993"])(
    "parseSize() refuses %j and names it",
    (text) => {
      const parsed = parseSize(text);
      expect(parsed.ok ? "" : parsed.error).toStartWith(`Cannot read size "${text}"`);
    },
  );
});

describe("formatSize()", () => {
  test.each<[number, string]>([
    [0, "0 B"],
    [1023, "1023 B"],
    [4096, "4.0 KiB"],
    [1_610_612_736, "1.5 GiB"],
    [1024 ** 5, "1024.0 TiB"],
  ])("formatSize() shows %d bytes as %s", (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
  });
});
