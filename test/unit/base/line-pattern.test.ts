import { describe, expect, test } from "bun:test";
import { boundedLine, LINE_LENGTH_MAX, patternProblem } from "../../../src/base/line-pattern.ts";

describe("patternProblem()", () => {
  test.each([
    "ready",
    "listening on .*:\\d+",
    "^\\[INFO\\] (?:up|started)$",
    "a\\(b\\)+",
    "[(*+]x",
    "(?<port>\\d+) open",
  ])("patternProblem(%j) finds nothing", (text) => {
    expect(patternProblem(text)).toBeNull();
  });

  test.each([
    ["(", "no regular expression"],
    ["(a+)+$", "repeats what repeats"],
    ["(a|aa)*b", "repeats what repeats"],
    ["((a+)b)*", "repeats what repeats"],
    ["(?:a{1,9}){2,}", "repeats what repeats"],
    ["(a)\\1", "refers back"],
    ["(?<n>a)\\k<n>", "refers back"],
    ["(?=a)b", "looks around"],
    ["(?<!a)b", "looks around"],
    [".*a.*b.*c", "repeats in 3 places"],
  ])("patternProblem(%j) says that it %s", (text, problem) => {
    expect(patternProblem(text)).toContain(problem);
  });
});

test("boundedLine() is the beginning of a long line", () => {
  expect(boundedLine("x".repeat(70_000)).length).toBe(LINE_LENGTH_MAX);
});
