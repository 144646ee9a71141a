import { describe, expect, test } from "bun:test";
import { createStyle, decideColour } from "../../../../src/cli/output/style.ts";

const decide = (flag: boolean | undefined, environment: Record<string, string>, terminal = false) =>
  decideColour({ flag, environment, isTerminal: () => terminal });

describe("decideColour()", () => {
  test("decideColour() follows the terminal when nobody says anything", () => {
    expect(decide(undefined, {}, true)).toBe(true);
    expect(decide(undefined, {}, false)).toBe(false);
    expect(decide(undefined, { TERM: "dumb" }, true)).toBe(false);
  });

  test("decideColour() follows NO_COLOR, and FORCE_COLOR after it", () => {
    expect(decide(undefined, { NO_COLOR: "1" }, true)).toBe(false);
    expect(decide(undefined, { NO_COLOR: "" }, true)).toBe(true);
    expect(decide(undefined, { FORCE_COLOR: "1" }, false)).toBe(true);
    expect(decide(undefined, { FORCE_COLOR: "0" }, true)).toBe(false);
    expect(decide(undefined, { FORCE_COLOR: "1", NO_COLOR: "1" }, true)).toBe(false);
  });

  test("decideColour() follows the flag before all", () => {
    expect(decide(true, { NO_COLOR: "1" }, false)).toBe(true);
    expect(decide(false, { FORCE_COLOR: "1" }, true)).toBe(false);
  });

  test("decideColour() asks for the terminal only when nothing else decides", () => {
    let asked = 0;
    const isTerminal = () => {
      asked += 1;
      return true;
    };
    for (const environment of [{ NO_COLOR: "1" }, { FORCE_COLOR: "1" }, { TERM: "dumb" }]) {
      decideColour({ flag: undefined, environment, isTerminal });
    }
    decideColour({ flag: true, environment: {}, isTerminal });
    expect(asked).toBe(0);
  });
});

describe("createStyle()", () => {
  test("createStyle() colours visible text, nested too", () => {
    const style = createStyle(() => true);
    expect(String(style.bold(style.red("a\u001Bb")))).toBe("\u001B[1m\u001B[31ma␛b\u001B[39m\u001B[22m");
  });

  test("createStyle() without colour only makes text visible", () => {
    expect(String(createStyle(() => false).red("a\u001Bb"))).toBe("a␛b");
  });

  test("createStyle() asks whether there is colour at the first use, and once", () => {
    let asked = 0;
    const style = createStyle(() => {
      asked += 1;
      return true;
    });
    expect(asked).toBe(0);
    style.red("a");
    style.dim("b");
    expect(asked).toBe(1);
  });
});
