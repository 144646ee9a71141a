import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ENV_FILE_BYTES_MAX, parseEnvFile } from "../../../../src/fleet/supervisor/env-file.ts";

function variablesOf(text: string): Readonly<Record<string, string>> {
  const parsed = parseEnvFile(text);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  return parsed.value.variables;
}

describe("parseEnvFile()", () => {
  test.each<[string, Record<string, string>]>([
    ["", {}],
    ["A=1\nB=2", { A: "1", B: "2" }],
    ["A=1\r\nB=2\r\n", { A: "1", B: "2" }],
    ["\uFEFFA=1", { A: "1" }],
    ["# a comment\n\n   \n\t# another\nA=1", { A: "1" }],
    ["export A=1\n  export\tB = 2", { A: "1", B: "2" }],
    ["A=", { A: "" }],
    ["A=a b c  ", { A: "a b c" }],
    ["A=a # b\nB=a#b\nC=# x", { A: "a", B: "a#b", C: "" }],
    ["A=b=c", { A: "b=c" }],
    ["A=1\nA=2", { A: "2" }],
    ["A='a \\n $B # c' # d", { A: "a \\n $B # c" }],
    ['A="a\\n\\t\\"b\\"\\\\ # c" # d', { A: 'a\n\t"b"\\ # c' }],
    ['A="one\ntwo\r\nthree"\nB=4', { A: "one\ntwo\nthree", B: "4" }],
    ['A="a\\\nb"', { A: "ab" }],
    ['A="\\d\\$\\`"', { A: "\\d$`" }],
    ["A=\"\"\nB=''", { A: "", B: "" }],
    ["A=it's", { A: "it's" }],
    ["A=$HOME/$\u007bB}/$(rm -rf /)`x`", { A: "$HOME/$\u007bB}/$(rm -rf /)`x`" }],
    ['A="$HOME $\u007bB} $(x) `y`"', { A: "$HOME $\u007bB} $(x) `y`" }],
    ["toString=1\nconstructor=2", { toString: "1", constructor: "2" } as never],
  ])("parseEnvFile(%j)", (text, expected) => {
    expect(Object.entries(variablesOf(text))).toEqual(Object.entries(expected));
  });

  test.each<[string, number, string]>([
    ["A", 1, "need NAME=VALUE"],
    ["A=1\n\nnonsense here", 3, "need NAME=VALUE"],
    ["1A=x", 1, "need a name"],
    ["=x", 1, "need a name"],
    ["A-B=x", 1, "need a name"],
    ["A=1\nB='x\nC=2", 2, "the single quote does not end in its line"],
    ['A="one\ntwo', 1, "the double quote does not end"],
    ['A="a" b', 1, "something follows the closing quote"],
    ['A="x\n\n"\nB', 4, "need NAME=VALUE"],
    ["A=a\0b", 1, "need a value without NUL"],
    [`A=${"x".repeat(40_000)}`, 1, "need a value of at most"],
    ["#".repeat(ENV_FILE_BYTES_MAX + 1), 1, "it is over 256 KiB"],
    [Array.from({ length: 1_001 }, (_, index) => `A${index}=1`).join("\n"), 1_001, "at most 1000 variables"],
  ])("parseEnvFile() refuses a text and names the line", (text, line, message) => {
    const parsed = parseEnvFile(text);
    expect(parsed.ok ? [] : parsed.error).toContainEqual({ line, message: expect.stringContaining(message) });
  });

  test("parseEnvFile() names everything that is wrong, and never a value", () => {
    const parsed = parseEnvFile("A B=hunter22\nC='hunter22\n");
    expect(parsed.ok ? [] : parsed.error.map(({ line }) => line)).toEqual([1, 2]);
    expect(JSON.stringify(parsed)).not.toContain("hunter22");
  });

  test("parseEnvFile() leaves out what is fleetd's own, with a word", () => {
    const parsed = parseEnvFile("BUN_OPTIONS=x\nA=1\nNOTIFY_SOCKET=/x\nLISTEN_FDS=3\nFLEETD_SERVICE=y");
    expect(parsed.ok && parsed.value).toEqual({
      variables: { A: "1" },
      dropped: [
        { line: 1, message: '"BUN_OPTIONS" is reserved for fleetd and left out' },
        { line: 3, message: '"NOTIFY_SOCKET" is reserved for fleetd and left out' },
        { line: 4, message: '"LISTEN_FDS" is reserved for fleetd and left out' },
        { line: 5, message: '"FLEETD_SERVICE" is reserved for fleetd and left out' },
      ],
    });
  });

  test("parseEnvFile() reads back whatever is written in double quotes", () => {
    const value = fc.string({ unit: "binary", maxLength: 60 }).filter((text) => !/[\0\r]/.test(text));
    fc.assert(
      fc.property(value, (text) => {
        const quoted = text.replace(/[\\"$`]/g, (sign) => `\\${sign}`);
        expect(variablesOf(`A="${quoted}"\nB=1`)).toEqual({ A: text, B: "1" });
      }),
    );
  });

  test("parseEnvFile() comes to an end on any text", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom("A", "=", '"', "'", "\n", "\\", "#", " ", "$"), maxLength: 80 }),
        (text) => {
          expect(typeof parseEnvFile(text).ok).toBe("boolean");
        },
      ),
    );
  });
});
