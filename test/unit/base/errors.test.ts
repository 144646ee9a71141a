import { describe, expect, test } from "bun:test";
import {
  causedBy,
  DamagedDataError,
  type ErrorCode,
  EXIT_CODES,
  errorCodeOf,
  exitCodeOf,
  FleetError,
  isMachineBroken,
  messageOf,
  readStoredJson,
  requireOk,
} from "../../../src/base/errors.ts";
import { fail, ok } from "../../../src/base/result.ts";

describe("EXIT_CODES", () => {
  // Scripts of operators test these numbers: they are written out here so that nobody changes one in passing.
  test.each<[ErrorCode, number]>([
    ["FAILED", 1],
    ["PARTIAL", 2],
    ["USAGE", 64],
    ["BAD_INPUT", 65],
    ["UNAVAILABLE", 69],
    ["INTERNAL", 70],
    ["CANNOT_CREATE", 73],
    ["IO", 74],
    ["NOT_YET", 75],
    ["NOT_AUTHORISED", 77],
    ["CONFIG", 78],
  ])("EXIT_CODES keeps %s at %d", (code, number) => {
    expect<number>(EXIT_CODES[code]).toBe(number);
  });

  test("EXIT_CODES gives no number twice and stays below the codes of signals", () => {
    const numbers = Object.values(EXIT_CODES);
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(numbers.every((number) => number > 0 && number < 128)).toBe(true);
  });
});

describe("FleetError", () => {
  test("FleetError is an Error with a code, a message and a name", () => {
    const error = new FleetError("USAGE", 'Cannot send to "x": unknown');
    expect(error).toBeInstanceOf(Error);
    expect([error.name, error.code, error.message]).toEqual([
      "FleetError",
      "USAGE",
      'Cannot send to "x": unknown',
    ]);
  });

  test("FleetError keeps cause and hint", () => {
    const cause = new Error("disk");
    const error = new FleetError("IO", "Cannot write", { cause, hint: "Free some space" });
    expect(error.cause).toBe(cause);
    expect(error.hint).toBe("Free some space");
  });

  test("FleetError without a cause has no property of that name", () => {
    expect("cause" in new FleetError("IO", "Cannot write", { hint: "x" })).toBe(false);
    expect("cause" in new FleetError("IO", "Cannot write")).toBe(false);
  });
});

describe("causedBy()", () => {
  test("causedBy() keeps what was caught, Error or not", () => {
    expect(causedBy("IO", "Cannot write", "ENOSPC").cause).toBe("ENOSPC");
    expect(causedBy("IO", "Cannot write", "ENOSPC").hint).toBeUndefined();
  });

  test("causedBy() takes a hint", () => {
    expect(causedBy("IO", "Cannot write", new Error("x"), "Free some space").hint).toBe("Free some space");
  });
});

describe("exitCodeOf()", () => {
  test("exitCodeOf() is the number of the error's code", () => {
    expect(exitCodeOf(new FleetError("NOT_YET", "waiting"))).toBe(75);
  });

  test("exitCodeOf() takes anything else for a bug", () => {
    const others = [new TypeError("x is undefined"), "text", null, undefined, { code: "USAGE" }];
    expect(others.map(exitCodeOf)).toEqual([70, 70, 70, 70, 70]);
  });
});

describe("requireOk()", () => {
  test("requireOk() hands the value on, also a falsy one", () => {
    expect(requireOk("USAGE", ok(0))).toBe(0);
  });

  test("requireOk() throws the failure with the caller's code", () => {
    const attempt = (): unknown => requireOk("CONFIG", fail("Cannot read it"));
    expect(attempt).toThrow(FleetError);
    expect(attempt).toThrow(expect.objectContaining({ code: "CONFIG", message: "Cannot read it" }));
  });
});

describe("messageOf()", () => {
  test("messageOf() reads an Error's message and any other value as text", () => {
    expect(messageOf(new FleetError("IO", "Cannot write"))).toBe("Cannot write");
    expect(messageOf("text")).toBe("text");
    expect(messageOf(null)).toBe("null");
    expect(messageOf(undefined)).toBe("undefined");
  });
});

describe("errorCodeOf()", () => {
  test.each(["EACCES", "ENOSPC", "EROFS", "EIO"])(
    "errorCodeOf() takes %s for trouble of the machine",
    (code) => {
      expect(errorCodeOf(Object.assign(new Error("x"), { code }))).toBe("IO");
    },
  );

  test("errorCodeOf() keeps the code of a FleetError, and calls everything else a bug", () => {
    expect(errorCodeOf(new FleetError("CONFIG", "x"))).toBe("CONFIG");
    expect(errorCodeOf(Object.assign(new Error("x"), { code: "ENOENT" }))).toBe("INTERNAL");
    expect(errorCodeOf(new TypeError("x"))).toBe("INTERNAL");
    expect(errorCodeOf("EACCES")).toBe("INTERNAL");
  });
});

describe("readStoredJson()", () => {
  test("gives back what was stored", () => {
    expect(readStoredJson('{"a":1}', "it")).toEqual({ a: 1 });
  });

  test("what is no JSON any more is damage of the file, with its exit code and the way out", () => {
    try {
      readStoredJson('{"a"', "the card in state.db");
      throw new Error("not reached");
    } catch (thrown) {
      if (!(thrown instanceof FleetError)) throw thrown;
      expect(exitCodeOf(thrown)).toBe(74);
      expect(thrown.message).toBe("Cannot read the card in state.db: what is stored there is damaged");
      expect(thrown.cause).toBeInstanceOf(DamagedDataError);
      expect(thrown.hint).toContain("fleetd doctor --fix --yes");
    }
  });
});

test("isMachineBroken() tells a disk that fails from a permission that was not given", () => {
  const failed = (code: string) => isMachineBroken(Object.assign(new Error("x"), { code }));
  expect(["EIO", "EMFILE", "ENOSPC"].map(failed)).toEqual([true, true, true]);
  expect(["EACCES", "ENOENT"].map(failed)).toEqual([false, false]);
  expect(isMachineBroken("EIO")).toBe(false);
});
