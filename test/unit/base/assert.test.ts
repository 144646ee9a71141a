import { describe, expect, test } from "bun:test";
import { assert } from "../../../src/base/assert.ts";
import { EXIT_CODES, exitCodeOf } from "../../../src/base/errors.ts";

function thrownBy(condition: unknown): unknown {
  try {
    assert(condition, "the list is sorted");
  } catch (thrown) {
    return thrown;
  }
  return undefined;
}

describe("assert()", () => {
  test.each([true, 1, "x", {}])("assert() accepts the truthy %j", (condition) => {
    expect(thrownBy(condition)).toBeUndefined();
  });

  test.each([false, 0, "", null, undefined, Number.NaN])("assert() throws for the falsy %s", (condition) => {
    expect(thrownBy(condition)).toBeInstanceOf(Error);
  });

  test("assert() names the invariant that is broken", () => {
    expect(() => assert(false, "the list is sorted")).toThrow("Broken invariant: the list is sorted");
  });

  test("assert() ends the process as a bug does", () => {
    expect(exitCodeOf(thrownBy(false))).toBe(EXIT_CODES.INTERNAL);
  });

  test("assert() narrows the type of what it checked", () => {
    const value: string | null = ["text"][0] ?? null;
    assert(value !== null, "there is a value");
    expect(value.length).toBe(4);
  });
});
