import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseKeys } from "../../../../src/cli/top/keys.ts";

const namesOf = (input: string, escapeAlone = false): string[] =>
  parseKeys(input, escapeAlone).keys.map((key) => (key.kind === "text" ? key.text : `<${key.kind}>`));

test.each<[string, string[]]>([
  ["q", ["q"]],
  ["\u001B[A\u001B[B", ["<up>", "<down>"]],
  ["\u001BOA\u001BOH\u001BOF", ["<up>", "<home>", "<end>"]],
  ["\u001B[5~\u001B[6~", ["<page-up>", "<page-down>"]],
  ["\u001B[1~\u001B[4~\u001B[H\u001B[F", ["<home>", "<end>", "<home>", "<end>"]],
  ["\u001B[1;5A", ["<up>"]],
  ["\r\n\t", ["<enter>", "<enter>", "<tab>"]],
  ["\u007F\u0008\u0015", ["<backspace>", "<backspace>", "<ctrl-u>"]],
  ["\u0003\u000C", ["<ctrl-c>", "<ctrl-l>"]],
  ["日本😀", ["日", "本", "😀"]],
  ["\u0001\u001A", []],
  ["\u001B[?1;2c\u001B[I", []],
  ["\u001B[200~", []],
])("parseKeys(%p) reads %p", (input, keys) => {
  expect(namesOf(input)).toEqual(keys);
});

test("parseKeys() waits for the rest of a key, and takes a lone escape for itself when nothing follows", () => {
  expect(parseKeys("a\u001B")).toEqual({ keys: [{ kind: "text", text: "a" }], rest: "\u001B" });
  expect(parseKeys("\u001B[1;").rest).toBe("\u001B[1;");
  expect(parseKeys("\u001B", true)).toEqual({ keys: [{ kind: "escape" }], rest: "" });
  expect(namesOf("\u001B[", true)).toEqual(["<escape>"]);
  expect(namesOf("\u001Bq")).toEqual(["<escape>", "q"]);
});

test("parseKeys() reads the same keys however their bytes come apart, and never stands still", () => {
  const piece = fc.constantFrom(
    "\u001B[A",
    "\u001BOB",
    "\u001B[6~",
    "q",
    "é",
    "\r",
    "\u001B[1;2D",
    "x",
    "\u0003",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), fc.nat(40), (pieces, at) => {
      const input = pieces.join("");
      const first = parseKeys(input.slice(0, at));
      const second = parseKeys(first.rest + input.slice(at));
      expect([...first.keys, ...second.keys]).toEqual([...parseKeys(input).keys]);
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(parseKeys(text, true).rest).toBe("");
    }),
  );
});
