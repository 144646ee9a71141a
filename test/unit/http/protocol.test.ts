import { describe, expect, test } from "bun:test";
import { CHANGES_TIMEOUT_MS_MAX, PATHS, REQUEST_BYTES_MAX } from "../../../src/http/protocol.ts";
import { parseChangesCall, parseMarkCall, parseSendCall } from "../../../src/http/server/parse-calls.ts";

const SEND = { to: ["code2"], body: "hello", subject: "" };

test("PATHS differ, and name the version of the protocol", () => {
  const paths = Object.values(PATHS);
  expect(new Set(paths).size).toBe(paths.length);
  for (const path of paths) expect(path).toStartWith("/v1/");
});

test("REQUEST_BYTES_MAX has room for the largest body with every byte escaped", () => {
  const body = "\u0001".repeat(256 * 1024);
  expect(JSON.stringify({ ...SEND, body }).length).toBeLessThan(REQUEST_BYTES_MAX);
});

describe("parseSendCall()", () => {
  test("takes the least and the most that a command says", () => {
    const most = {
      ...SEND,
      kind: "request",
      priority: "high",
      thread: "t",
      inReplyTo: "m",
      ackRequired: true,
      expiresInMs: 1,
      labels: { a: "b" },
      idempotencyKey: "k",
    };
    for (const call of [SEND, most]) expect(parseSendCall(call)).toEqual({ ok: true, value: call });
  });

  test("drops what it does not know", () => {
    expect(parseSendCall({ ...SEND, from: "somebody else" })).toEqual({ ok: true, value: SEND });
  });

  test.each([
    [null, "body"],
    [[], "to"],
    [{ ...SEND, to: "code2" }, "to"],
    [{ ...SEND, to: [1] }, "to.0"],
    [{ ...SEND, body: 1 }, "body"],
    [{ to: [], body: "" }, "subject"],
    [{ ...SEND, expiresInMs: 0 }, "expiresInMs"],
    [{ ...SEND, labels: { a: 1 } }, "labels.a"],
    [{ ...SEND, ackRequired: "yes" }, "ackRequired"],
  ])("refuses %j and names %s", (value, place) => {
    const parsed = parseSendCall(value);
    expect(parsed.ok).toBe(false);
    expect(!parsed.ok && parsed.error).toStartWith(`Cannot read request: ${place}: `);
  });
});

test("parseMarkCall() takes read and acked, and nothing else", () => {
  for (const state of ["read", "acked"]) expect(parseMarkCall({ from: "a", id: "b", state }).ok).toBe(true);
  expect(parseMarkCall({ from: "a", id: "b", state: "handled" }).ok).toBe(false);
  expect(parseMarkCall({ from: "a", state: "read" }).ok).toBe(false);
});

describe("parseChangesCall()", () => {
  test.each([
    [0, 0, true],
    [7, CHANGES_TIMEOUT_MS_MAX, true],
    [7, CHANGES_TIMEOUT_MS_MAX + 1, false],
    [7, -1, false],
    [-1, 1, false],
    [0.5, 1, false],
  ])("since %d, timeout %d: %p", (since, timeoutMs, isGood) => {
    expect(parseChangesCall({ since, timeoutMs }).ok).toBe(isGood);
  });
});
