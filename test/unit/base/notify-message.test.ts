import { expect, test } from "bun:test";
import { parseNotifyMessage } from "../../../src/base/notify-message.ts";

const nothing = { isReady: false, isReloading: false, isStopping: false, status: null, watchdog: null };

test.each([
  ["READY=1\nSTATUS=Up and running\nMAINPID=1", { isReady: true, status: "Up and running" }],
  ["RELOADING=1\nMONOTONIC_USEC=5\n", { isReloading: true }],
  ["STOPPING=1", { isStopping: true }],
  ["WATCHDOG=1", { watchdog: "alive" as const }],
  ["WATCHDOG=trigger", { watchdog: "trigger" as const }],
  ["STATUS=a=b", { status: "a=b" }],
  ["", {}],
  ["READY", {}],
  ["READY=2\n=1\nready=1\n\0\uFFFD", {}],
  ["WATCHDOG_USEC=1\nFDSTORE=1\nEXTEND_TIMEOUT_USEC=1", {}],
  ["constructor=1\n__proto__=1", {}],
])("parseNotifyMessage(%j)", (text, expected) => {
  expect(parseNotifyMessage(text)).toEqual({ ...nothing, ...expected });
});

test("parseNotifyMessage() cuts a long status", () => {
  expect(parseNotifyMessage(`STATUS=${"x".repeat(4_000)}`).status?.length).toBe(200);
});
