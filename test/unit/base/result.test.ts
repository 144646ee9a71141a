import { describe, expect, test } from "bun:test";
import { fail, ok, type Result } from "../../../src/base/result.ts";

describe("ok()", () => {
  test("ok() is a success whatever the value", () => {
    expect(ok(null)).toEqual({ ok: true, value: null });
    expect(ok(undefined).ok).toBe(true);
  });
});

describe("fail()", () => {
  test("fail() is a failure that narrows to its error", () => {
    const result: Result<number, readonly string[]> = fail(["first", "second"]);
    expect(result.ok ? [] : result.error).toEqual(["first", "second"]);
  });
});
