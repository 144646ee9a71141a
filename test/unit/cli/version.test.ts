import { afterEach, describe, expect, spyOn, test } from "bun:test";
import { printVersion, VERSION } from "../../../src/cli/version.ts";

const log = spyOn(console, "log").mockImplementation(() => undefined);
afterEach(() => log.mockClear());

describe("printVersion()", () => {
  test.each([["--version"], ["-v"], ["version"]])("printVersion() answers %p", (word) => {
    expect(printVersion([word])).toBe(true);
    expect(log.mock.calls).toEqual([[VERSION]]);
  });

  test.each([[["--version", "--json"]], [["--json", "version"]]])(
    "printVersion() answers %j as JSON",
    (argv) => {
      expect(printVersion(argv)).toBe(true);
      expect(JSON.parse(String(log.mock.calls[0]?.[0]))).toEqual({
        schema: "fleetd.version/1",
        version: VERSION,
      });
    },
  );

  test.each([[[]], [["--json"]], [["send", "--version"]], [["--version", "x"]], [["-v", "-v"]]])(
    "printVersion() leaves %j to others",
    (argv) => {
      expect(printVersion(argv)).toBe(false);
      expect(log).not.toHaveBeenCalled();
    },
  );
});
