import { describe, expect, test } from "bun:test";
import { parseNotifyMessage } from "../../../../src/base/notify-message.ts";
import { hearNotify, openNotifyState } from "../../../../src/fleet/supervisor/notify-state.ts";

const heard = (...texts: string[]) =>
  texts.reduce(
    (state, text, index) => hearNotify(state, parseNotifyMessage(text), index + 1),
    openNotifyState(0, false),
  );

describe("hearNotify()", () => {
  test("hearNotify() is ready from READY=1 until it reloads or stops", () => {
    expect(heard("STATUS=loading").isReady).toBe(false);
    expect(heard("READY=1", "STATUS=fine").isReady).toBe(true);
    expect(heard("READY=1", "RELOADING=1").isReady).toBe(false);
    expect(heard("READY=1", "STOPPING=1").isReady).toBe(false);
    expect(heard("READY=1", "RELOADING=1", "READY=1").isReady).toBe(true);
  });

  test("hearNotify() keeps the last words", () => {
    expect(heard("STATUS=a", "STATUS=b", "WATCHDOG=1").status).toBe("b");
  });

  test("hearNotify() takes only signs of life for such", () => {
    expect(heard("WATCHDOG=1", "STATUS=x").aliveMonoMs).toBe(1);
    expect(heard("STATUS=x", "READY=1").aliveMonoMs).toBe(2);
  });

  test("hearNotify() remembers that a service is not well until it says that it is alive", () => {
    expect(heard("WATCHDOG=trigger", "STATUS=x").isTriggered).toBe(true);
    expect(heard("WATCHDOG=trigger", "WATCHDOG=1").isTriggered).toBe(false);
  });

  test("openNotifyState() of one that was ready under another daemon still is", () => {
    expect(openNotifyState(5, true)).toEqual({
      isReady: true,
      status: null,
      aliveMonoMs: 5,
      isTriggered: false,
    });
  });
});
