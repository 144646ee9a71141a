import { describe, expect, test } from "bun:test";
import type { Card } from "../../../../src/fleet/messaging/card.ts";
import { lastSeenWallMs, presenceOf } from "../../../../src/fleet/messaging/presence.ts";

const HEARTBEAT = { idle: 120_000, every: 300_000 };
const NOW = Date.parse("2026-03-05T12:00:00.000Z");

describe("presenceOf()", () => {
  test.each([
    [0, "online"],
    [-60_000, "online"],
    [420_000, "online"],
    [420_001, "quiet"],
    [720_000, "quiet"],
    [720_001, "silent"],
  ] as const)("presenceOf() of a card %d ms old is %s", (ageMs, state) => {
    expect(presenceOf(NOW - ageMs, NOW, HEARTBEAT)).toEqual({ state, seenWallMs: NOW - ageMs });
  });

  test("presenceOf() of a server without a card is unknown", () => {
    expect(presenceOf(null, NOW, HEARTBEAT)).toEqual({ state: "unknown", seenWallMs: null });
  });

  test("presenceOf() goes by the heartbeat it is given", () => {
    expect(presenceOf(NOW - 5_000, NOW, { idle: 1_200, every: 3_000 }).state).toBe("quiet");
  });
});

describe("lastSeenWallMs()", () => {
  const stored = (at: string, receivedWallMs: number) => ({ card: { at } as Card, receivedWallMs });

  test("lastSeenWallMs() is what the card says, also when it was taken in much later", () => {
    expect(lastSeenWallMs(stored("2026-03-05T10:00:00.000Z", NOW))).toBe(NOW - 7_200_000);
  });

  test("lastSeenWallMs() of a clock that is ahead is when the card came", () => {
    expect(lastSeenWallMs(stored("2026-03-05T14:00:00.000Z", NOW))).toBe(NOW);
  });
});
