import { describe, expect, test } from "bun:test";
import { printVersion, VERSION } from "../../../src/cli/version.ts";
import { captureConsole } from "../../helpers/captured-console.ts";

const { stdout } = captureConsole();

describe("printVersion()", () => {
  test.each([["--version"], ["-v"], ["version"]])("printVersion() answers %p", (word) => {
    expect(printVersion([word])).toBe(true);
    expect(stdout()).toBe(VERSION);
  });

  test.each([[["--version", "--json"]], [["--json", "version"]]])(
    "printVersion() answers %j as JSON",
    (argv) => {
      expect(printVersion(argv)).toBe(true);
      expect(JSON.parse(stdout())).toEqual({
        schema: "fleetd.version/1",
        version: VERSION,
      });
    },
  );

  test.each([[[]], [["--json"]], [["send", "--version"]], [["--version", "x"]], [["-v", "-v"]]])(
    "printVersion() leaves %j to others",
    (argv) => {
      expect(printVersion(argv)).toBe(false);
      expect(stdout()).toBe("");
    },
  );
});
