import { describe, expect, test } from "bun:test";
import { joinLines, SafeText, safe, toSafeText } from "../../../../src/cli/output/safe-text.ts";

describe("safe()", () => {
  test("safe() makes every string visible and leaves SafeText alone", () => {
    const red = new SafeText("\u001B[31mred\u001B[39m");
    expect(String(safe`From ${"\u001B[2Jweb\n1"} ${red}, ${3} left`)).toBe(
      "From ␛[2Jweb␊1 \u001B[31mred\u001B[39m, 3 left",
    );
  });
});

describe("toSafeText()", () => {
  test("toSafeText() keeps newlines only when asked", () => {
    expect(String(toSafeText("a\nb"))).toBe("a␊b");
    expect(String(toSafeText("a\nb\u0007", { keepNewlines: true }))).toBe("a\nb␇");
  });
});

describe("joinLines()", () => {
  test("joinLines() gives each piece one line, whatever is in it", () => {
    expect(String(joinLines(["a\nb", safe`c`]))).toBe("a␊b\nc");
  });
});

describe("SafeText", () => {
  test("SafeText shows nothing of itself in JSON, so that colours never get into data", () => {
    expect(JSON.stringify({ text: new SafeText("x") })).toBe('{"text":{}}');
  });
});
