import { expect, test } from "bun:test";
import type { Delivery, Recipient } from "../../../../src/fleet/messaging/delivery.ts";
import { summarizeDelivery } from "../../../../src/fleet/messaging/delivery-summary.ts";

const NOW_MS = Date.parse("2026-01-01T12:00:00.000Z");

const recipient = (server: string, more: Partial<Recipient> = {}): Recipient => ({
  server,
  state: "pushed",
  receipts: [],
  exitCode: null,
  times: {},
  via: "",
  lastSeenAt: "2026-01-01T11:59:30.000Z",
  ...more,
});
const summaryOf = (recipients: readonly Recipient[], state: Delivery["state"] = "pushed"): string =>
  summarizeDelivery({ state, reason: "", recipients }, NOW_MS);

test("summarizeDelivery() says who read, acknowledged, and who is silent", () => {
  const text = summaryOf([
    recipient("db1", { state: "read", receipts: ["read"] }),
    recipient("db2", { state: "acked", receipts: ["read", "acked"] }),
    recipient("db3", { lastSeenAt: "2026-01-01T10:00:00.000Z" }),
    recipient("db4", { state: "seen" }),
    recipient("db5", { state: "read", receipts: ["read"] }),
  ]);
  expect(text).toBe("3 of 5 read, 1 acked, 1 not seen: db3 silent since 2 h");
});

test("summarizeDelivery() counts a message that was handled as one that was read", () => {
  const text = summaryOf([recipient("db1", { state: "handled", receipts: ["handled"], exitCode: 0 })]);
  expect(text).toBe("1 of 1 read, 1 handled");
});

test("summarizeDelivery() says how many saw what nobody read, and names few", () => {
  const silent = ["a", "b", "c", "d", "e"].map((name) => recipient(name, { lastSeenAt: null }));
  expect(summaryOf([recipient("x", { state: "seen" }), ...silent])).toBe(
    "1 of 6 seen, 5 not seen: a never heard of, b never heard of, c never heard of and 2 more",
  );
});

test("summarizeDelivery() has one word for what is not on the remote", () => {
  for (const state of ["queued", "refused", "dead", "expired"] as const) {
    expect(summaryOf([recipient("a", { state })], state)).toBe(state);
  }
});

test("summarizeDelivery() says when nobody is expected", () => {
  expect(summaryOf([])).toBe("on the remote, nobody in particular is expected to read it");
});
