import { expect, test } from "bun:test";
import { drawLines } from "../../../../src/cli/top/draw-lines.ts";

const frame = (lines: readonly string[], columns = 5) => ({ lines, columns });

test("drawLines() clears a screen that nobody knows, and draws every line", () => {
  const text = drawLines(null, frame(["ab", "cd"]));
  expect(text).toContain("\u001B[2J");
  expect(text).toContain("\u001B[1;1Hab\u001B[0m\u001B[K");
  expect(text).toContain("\u001B[2;1Hcd\u001B[0m\u001B[K");
});

test("drawLines() draws only lines that differ, and nothing where none does", () => {
  const before = frame(["ab", "cd", "ef"]);
  expect(drawLines(before, frame(["ab", "cd", "ef"]))).toBe("");
  const text = drawLines(before, frame(["ab", "x", "ef"]));
  expect(text).toContain("\u001B[2;1Hx");
  expect(text).not.toContain("ab");
  expect(text).not.toContain("\u001B[2J");
});

test("drawLines() clears nothing behind a full line: its last character would go", () => {
  expect(drawLines(frame(["", ""]), frame(["abcde", ""]))).not.toContain("\u001B[K");
  expect(drawLines(frame(["", ""]), frame(["日本x", ""]))).not.toContain("\u001B[K");
});

test("drawLines() begins anew on a screen of another size", () => {
  expect(drawLines(frame(["ab"]), frame(["ab"], 6))).toContain("\u001B[2J");
  expect(drawLines(frame(["ab"]), frame(["ab", "cd"]))).toContain("\u001B[2J");
});
