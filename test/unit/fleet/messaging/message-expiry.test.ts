import { describe, expect, test } from "bun:test";
import { clockSkewOf, isExpired } from "../../../../src/fleet/messaging/message-expiry.ts";
import type { MessageEntry } from "../../../../src/fleet/messaging/model.ts";
import { MemoryFleet } from "../../../helpers/memory-fleet.ts";

describe("isExpired()", () => {
  const entry = (expires?: string): MessageEntry => ({
    v: 1,
    id: "m",
    seq: 2,
    prev: null,
    from: "code2",
    at: "2026-01-01T00:00:00.000Z",
    type: "message",
    to: ["code1"],
    subject: "",
    body: "b",
    ...(expires === undefined ? {} : { expires_at: expires }),
  });
  const START = Date.UTC(2026, 0, 1);
  const HOUR = 3_600_000;
  const inOneHour = entry("2026-01-01T01:00:00.000Z");

  test("is false for a message without an end", () => {
    expect(isExpired(entry(), { receivedMs: START, nowMs: START * 2, skewMs: 0 })).toBe(false);
  });

  test.each([
    [0, HOUR, false],
    [0, HOUR + 1, true],
    [5 * 60_000, HOUR + 1, true],
  ])("goes by the instant while the clocks agree (skew %d, after %d ms)", (skewMs, afterMs, expired) => {
    expect(isExpired(inOneHour, { receivedMs: START, nowMs: START + afterMs, skewMs })).toBe(expired);
  });

  test.each([
    [24 * HOUR, HOUR, false],
    [24 * HOUR, HOUR + 1, true],
    [-24 * HOUR, HOUR, false],
    [-24 * HOUR, HOUR + 1, true],
  ])(
    "goes by the time since it came while they do not (skew %d, after %d ms)",
    (skewMs, afterMs, expired) => {
      const receivedMs = START + skewMs;
      expect(isExpired(inOneHour, { receivedMs, nowMs: receivedMs + afterMs, skewMs })).toBe(expired);
    },
  );
});

describe("clockSkewOf()", () => {
  test("clockSkewOf() is 0 for a server without a card, else how far its clock is behind", async () => {
    const fleet = new MemoryFleet();
    const me = await fleet.add("code1");
    expect(clockSkewOf(me.index, "code2")).toBe(0);
    await fleet.add("code2");
    await fleet.clock.advance(7000);
    await me.receive();
    expect(clockSkewOf(me.index, "code2")).toBeGreaterThanOrEqual(7000);
  });
});
