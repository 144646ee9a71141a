import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  FORMAT,
  HOPS_MAX,
  isAddressedTo,
  isDirect,
  LIMITS,
  MESSAGE_KINDS,
  PRIORITIES,
  parseRecipient,
  parseRecipients,
  parseServerId,
  RECEIPT_STATES,
  threadOf,
} from "../../../../src/fleet/messaging/model.ts";

const errorOf = (result: { ok: boolean; error?: string }): string => result.error ?? "";

describe("the format's constants", () => {
  // Public and for ever: another reader has the same numbers.
  test("LIMITS, FORMAT and the words keep what the format says", () => {
    expect([FORMAT, HOPS_MAX]).toEqual([1, 5]);
    expect(LIMITS).toMatchObject({
      lineBytesMax: 2_097_152,
      bodyBytesMax: 262_144,
      subjectCharactersMax: 200,
      batchLinesMax: 1000,
      batchBytesMax: 4_194_304,
      cardBytesMax: 65_536,
    });
    expect<readonly string[]>(MESSAGE_KINDS).toEqual([
      "info",
      "request",
      "response",
      "warning",
      "error",
      "update",
    ]);
    expect<readonly string[]>(PRIORITIES).toEqual(["low", "normal", "high", "critical"]);
    expect<readonly string[]>(RECEIPT_STATES).toEqual(["read", "acked", "handled"]);
  });
});

describe("parseServerId()", () => {
  test.each([
    "a",
    "0",
    "code1",
    "build-7",
    "a--",
    "a".repeat(63),
    "constructor",
    "com10",
    "com",
    "null",
    "all2",
  ])("parseServerId() takes %s", (text) => {
    expect(parseServerId(text)).toEqual({ ok: true, value: text });
  });

  test.each([
    "",
    "-a",
    "A",
    "a_b",
    "a.b",
    "a/b",
    "..",
    "a b",
    "@a",
    "é",
    "а",
    "a\n",
    "\na",
    "a\u0000",
    "a".repeat(64),
    "--to",
  ])("parseServerId() refuses %j", (text) => {
    expect(errorOf(parseServerId(text))).toStartWith("Cannot use server id ");
  });

  test.each(["all", "con", "prn", "aux", "nul", "com0", "com9", "lpt1"])(
    "parseServerId() refuses %s, which is reserved",
    (text) => {
      expect(errorOf(parseServerId(text))).toBe(`Cannot use server id "${text}": it is reserved`);
    },
  );

  test("parseServerId() takes nothing that means something to a path, a ref or a shell", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(..."az09-A./\\~^:@ \n\u0000é"), maxLength: 5 }),
        (text) => {
          if (parseServerId(text).ok) expect(text).toMatch(/^[a-z0-9][a-z0-9-]*$/);
        },
      ),
    );
  });

  test("parseServerId() repeats no more than 80 characters", () => {
    expect(errorOf(parseServerId("x".repeat(100_000))).length).toBeLessThan(200);
  });
});

describe("parseRecipient()", () => {
  test.each(["all", "code1", "@build", "@all", "@con"])("parseRecipient() takes %s", (text) => {
    expect(parseRecipient(text)).toEqual({ ok: true, value: text });
  });

  test.each(["", "@", "@A", "@-a", "@@a", "All", "nul", "a,b", `@${"a".repeat(64)}`])(
    "parseRecipient() refuses %j",
    (text) => {
      expect(errorOf(parseRecipient(text))).toBe(
        `Cannot address "${text}": need a server id, "all" or "@group"`,
      );
    },
  );
});

describe("parseRecipients()", () => {
  test("parseRecipients() takes each once, in the order they were typed", () => {
    expect(parseRecipients("code2, @build,code2 ,all")).toEqual({
      ok: true,
      value: ["code2", "@build", "all"],
    });
  });

  test.each(["", ",", "code1,", "code1,,code2", "code1;code2"])("parseRecipients() refuses %j", (text) => {
    expect(parseRecipients(text).ok).toBe(false);
  });
});

describe("isAddressedTo()", () => {
  test("isAddressedTo() finds the server, all, and its groups", () => {
    expect(isAddressedTo(["code1"], "code1", [])).toBe(true);
    expect(isAddressedTo(["x", "all"], "code1", [])).toBe(true);
    expect(isAddressedTo(["@build"], "code1", ["web", "build"])).toBe(true);
  });

  test("isAddressedTo() is false for others, for other groups and for a group of the server's name", () => {
    expect(isAddressedTo(["code2", "@build", "@code1"], "code1", ["web"])).toBe(false);
    expect(isAddressedTo(["web"], "code1", ["web"])).toBe(false);
    expect(isAddressedTo([], "code1", ["web"])).toBe(false);
  });
});

describe("isDirect()", () => {
  test("isDirect() is true only where the server is named itself", () => {
    expect(isDirect(["all", "code1"], "code1")).toBe(true);
    expect(isDirect(["all", "@code1"], "code1")).toBe(false);
  });
});

describe("threadOf()", () => {
  test("threadOf() is the thread, or the message itself as the first of one", () => {
    expect(threadOf({ id: "a", thread: "t" })).toBe("t");
    expect(threadOf({ id: "a" })).toBe("a");
  });
});
