import { describe, expect, test } from "bun:test";
import { didYouMean, suggest } from "../../../src/cli/suggest.ts";

const COMMANDS = ["send", "inbox", "sent", "status", "servers", "watch", "rebuild-index"];

describe("suggest()", () => {
  test.each([
    ["snd", "send"],
    ["inobx", "inbox"],
    ["STATUS", "status"],
    ["statsu", "status"],
    ["rebuild", "rebuild-index"],
    ["serv", "servers"],
  ])("suggest() takes %p for %p", (word, expected) => {
    expect(suggest(word, COMMANDS)).toBe(expected);
  });

  test.each(["", "x", "toString", "deploy", "w", "sendsendsendsend"])(
    "suggest() finds nothing near %p",
    (word) => {
      expect(suggest(word, COMMANDS)).toBeUndefined();
    },
  );

  test("suggest() prefers a slip over the beginning of another word", () => {
    expect(suggest("sen", ["sensible", "send"])).toBe("send");
  });

  test("suggest() gives the dashes of a flag no extra mistakes", () => {
    expect(suggest("--ab", ["--xy"])).toBeUndefined();
    expect(suggest("--intervall", ["--internal", "--interval"])).toBe("--interval");
  });

  test("suggest() counts two letters that changed places as one mistake", () => {
    expect(suggest("ot", ["to"])).toBe("to");
  });
});

describe("didYouMean()", () => {
  test("didYouMean() is the tail of a message, or nothing", () => {
    expect(didYouMean("snd", COMMANDS)).toBe(', did you mean "send"?');
    expect(didYouMean("deploy", COMMANDS)).toBe("");
  });
});
