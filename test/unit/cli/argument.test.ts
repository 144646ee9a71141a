import { describe, expect, test } from "bun:test";
import { aliasesOf, isNeeded, looksLikeFlag, toCamelCase } from "../../../src/cli/argument.ts";

describe("toCamelCase()", () => {
  test("toCamelCase() joins the words of a flag", () => {
    expect(toCamelCase("reply-to")).toBe("replyTo");
    expect(toCamelCase("a-b-c")).toBe("aBC");
    expect(toCamelCase("to")).toBe("to");
  });
});

describe("aliasesOf()", () => {
  test("aliasesOf() is a list whatever was written", () => {
    const flag = { type: "boolean", description: "" } as const;
    expect(aliasesOf(flag)).toEqual([]);
    expect(aliasesOf({ ...flag, alias: "f" })).toEqual(["f"]);
    expect(aliasesOf({ ...flag, alias: ["f", "follow-up"] })).toEqual(["f", "follow-up"]);
  });
});

describe("isNeeded()", () => {
  test("isNeeded() is false with a default or when it says so", () => {
    const word = { type: "positional", description: "" } as const;
    expect(isNeeded(word)).toBe(true);
    expect(isNeeded({ ...word, default: "x" })).toBe(false);
    expect(isNeeded({ ...word, required: false })).toBe(false);
  });
});

describe("looksLikeFlag()", () => {
  test("looksLikeFlag() takes - alone for a word", () => {
    expect(["-", "", "a-b", "=", "-a", "--", "--to", "-5"].map(looksLikeFlag)).toEqual([
      ...[false, false, false, false],
      ...[true, true, true, true],
    ]);
  });
});
