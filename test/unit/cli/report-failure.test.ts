import { describe, expect, test } from "bun:test";
import { FleetError } from "../../../src/base/errors.ts";
import { reportFailure } from "../../../src/cli/report-failure.ts";
import { captureConsole } from "../../helpers/captured-console.ts";

const { stderr } = captureConsole();

const TEXT = { json: false, debug: false };
const JSON_OBJECT = { json: true, debug: false };

describe("reportFailure()", () => {
  test("reportFailure() prints message and hint, and gives the exit code", () => {
    const thrown = new FleetError("NOT_YET", "Cannot push: remote is away", { hint: "It is tried again" });
    expect(reportFailure(thrown, TEXT)).toBe(75);
    expect(stderr()).toBe("fleetd: Cannot push: remote is away\n  hint: It is tried again");
  });

  test("reportFailure() prints one JSON object", () => {
    expect(reportFailure(new FleetError("CONFIG", "Cannot read: x", { hint: "y" }), JSON_OBJECT)).toBe(78);
    expect(JSON.parse(stderr())).toEqual({
      schema: "fleetd.error/1",
      code: "CONFIG",
      exit: 78,
      message: "Cannot read: x",
      hint: "y",
    });
  });

  test("reportFailure() leaves out a hint there is not", () => {
    reportFailure(new FleetError("CONFIG", "x"), JSON_OBJECT);
    expect(JSON.parse(stderr())).not.toHaveProperty("hint");
  });

  test("reportFailure() calls everything else a bug, with its stack only for debugging", () => {
    const bug = new TypeError("x is undefined");
    expect(reportFailure(bug, TEXT)).toBe(70);
    expect(stderr()).toContain("fleetd: x is undefined\n  hint: This is a bug in fleetd");
    expect(stderr()).not.toContain("report-failure.test.ts");
    reportFailure(bug, { json: false, debug: true });
    expect(stderr()).toContain("report-failure.test.ts");
    expect(reportFailure("a string", TEXT)).toBe(70);
    expect(reportFailure(bug, JSON_OBJECT)).toBe(70);
  });

  test("reportFailure() calls what the machine refuses no bug: 74, and what to look at", () => {
    const refused = Object.assign(new Error("EACCES: permission denied, stat 'state.db'"), {
      code: "EACCES",
    });
    expect(reportFailure(refused, TEXT)).toBe(74);
    expect(stderr()).toContain(
      "fleetd: EACCES: permission denied, stat 'state.db'\n  hint: See that the disk",
    );
    expect(stderr()).not.toContain("bug");
    expect(reportFailure(refused, JSON_OBJECT)).toBe(74);
    expect(stderr()).toContain('"code":"IO","exit":74');
  });

  test("reportFailure() lets no hidden character through", () => {
    const thrown = new FleetError("FAILED", "remote: \u001B]0;owned\u0007\u202E\nnext");
    reportFailure(thrown, TEXT);
    reportFailure(thrown, JSON_OBJECT);
    expect(stderr()).toContain("fleetd: remote: ␛]0;owned␇<U+202E>\nnext");
    expect(stderr()).toContain('"message":"remote: \\u001b]0;owned\\u0007\\u202e\\nnext"');
  });
});
