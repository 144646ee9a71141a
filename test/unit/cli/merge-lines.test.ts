import { expect, test } from "bun:test";
import { mergeLines } from "../../../src/cli/merge-lines.ts";

const lines = (text: string) => [...text].map((letter) => ({ timestamp: letter.toLowerCase(), letter }));
const merged = (...texts: string[]): string =>
  mergeLines(texts.map(lines))
    .map(({ letter }) => letter)
    .join("");

test.each([
  [[], ""],
  [["", ""], ""],
  [["ace", "bd"], "abcde"],
  [["ab", "AB", "B"], "aAbBB"],
  // A clock that was set back: what one log says keeps its order.
  [["bac", "d"], "bacd"],
  [["c", "ab"], "abc"],
])("mergeLines() of %j is %j", (texts, all) => {
  expect(merged(...texts)).toBe(all);
});
