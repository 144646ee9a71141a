import { describe, expect, test } from "bun:test";
import { wantsHelp, wantsJson } from "../../../src/cli/global-flags.ts";

describe("wantsJson()", () => {
  test("wantsJson() sees --json anywhere before --", () => {
    expect(wantsJson(["--bogus", "send", "--json"])).toBe(true);
    expect(wantsJson(["send", "--json=true"])).toBe(true);
    expect(wantsJson(["send", "--", "--json"])).toBe(false);
    expect(wantsJson(["send", "json", "--json=false"])).toBe(false);
  });
});

describe("wantsHelp()", () => {
  test("wantsHelp() sees --help and -h anywhere before --", () => {
    expect(wantsHelp(["send", "--to", "--help"])).toBe(true);
    expect(wantsHelp(["-h"])).toBe(true);
    expect(wantsHelp(["send", "--", "-h"])).toBe(false);
  });
});
