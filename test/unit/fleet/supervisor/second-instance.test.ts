import { describe, expect, test } from "bun:test";
import {
  boundSecondInstance,
  CALL_LENGTH_MAX,
  parseSecondInstance,
  WORD_LENGTH_MAX,
  WORDS_MAX,
} from "../../../../src/fleet/supervisor/second-instance.ts";

const CALL = { pid: 7, argv: ["monitor", "--json"], cwd: "/home/a" };

describe("parseSecondInstance()", () => {
  test("takes what a second instance says, and drops what it does not know", () => {
    expect(parseSecondInstance({ ...CALL, more: 1 })).toEqual({ ok: true, value: CALL });
    expect(parseSecondInstance({ pid: 1, argv: [], cwd: "" })).toMatchObject({ ok: true });
  });

  test.each([
    [null, "object"],
    ["text", "object"],
    [{ ...CALL, pid: 0 }, "pid"],
    [{ ...CALL, pid: 1.5 }, "pid"],
    [{ ...CALL, pid: "7" }, "pid"],
    [{ ...CALL, cwd: 1 }, "cwd"],
    [{ ...CALL, cwd: "x".repeat(WORD_LENGTH_MAX + 1) }, "cwd"],
    [{ ...CALL, argv: "monitor" }, "argv"],
    [{ ...CALL, argv: [1] }, "argv"],
    [{ ...CALL, argv: ["x".repeat(WORD_LENGTH_MAX + 1)] }, "argv"],
    [{ ...CALL, argv: Array(WORDS_MAX + 1).fill("x") }, "argv"],
    [{ ...CALL, argv: Array(20).fill("x".repeat(WORD_LENGTH_MAX)) }, "too long"],
  ])("refuses %# and names what is wrong", (value, named) => {
    const parsed = parseSecondInstance(value);
    expect(parsed).toMatchObject({ ok: false, error: expect.stringContaining(named) });
  });
});

describe("boundSecondInstance()", () => {
  test("leaves an ordinary call alone", () => {
    expect(boundSecondInstance(CALL)).toEqual(CALL);
  });

  test("cuts whatever is called so that the other end takes it", () => {
    const word = "x".repeat(3 * WORD_LENGTH_MAX);
    const bounded = boundSecondInstance({ pid: 7, argv: Array(1_000).fill(word), cwd: word });
    expect(parseSecondInstance(bounded)).toEqual({ ok: true, value: bounded });
    expect(bounded.argv.length).toBe(CALL_LENGTH_MAX / WORD_LENGTH_MAX - 1);
    const short = boundSecondInstance({ pid: 7, argv: Array(1_000).fill("a"), cwd: "/" });
    expect(parseSecondInstance(short)).toMatchObject({ ok: true });
  });
});
