import { expect, test } from "bun:test";
import { wrap } from "../../../../src/cli/output/wrap.ts";

const linesOf = (text: string, first: string, width: number): string[] =>
  String(wrap(text, { first, width })).split("\n");

test("wrap() breaks between words and indents what follows", () => {
  expect(linesOf("one two three four five six", "  ! ", 20)).toEqual([
    "  ! one two three",
    "    four five six",
  ]);
});

test("wrap() breaks a word that is longer than a line, and loses nothing of it", () => {
  const path = `/${"x".repeat(50)}/end`;
  const lines = linesOf(`see ${path}`, "! ", 30);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(30);
  expect(
    lines
      .map((line) => line.slice(2))
      .join("")
      .replace(" ", ""),
  ).toBe(`see${path}`);
});

test("wrap() makes strangers' text visible and keeps it on its lines", () => {
  expect(linesOf("a\u001b[2Jb\nc", "", 80)).toEqual(["a␛[2Jb␊c"]);
});
