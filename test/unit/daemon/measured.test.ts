import { describe, expect, test } from "bun:test";
import type { MonitorEvent } from "../../../src/daemon/events.ts";
import { measured } from "../../../src/daemon/measured.ts";
import { FakeClock } from "../../helpers/fake-clock.ts";

function watch(signal = new AbortController().signal) {
  const events: MonitorEvent[] = [];
  const clock = new FakeClock();
  return { events, clock, signal, report: (event: MonitorEvent) => void events.push(event) };
}

describe("measured()", () => {
  test("reports how long the work took and what came of it, and answers its result", async () => {
    const on = watch();
    const work = async (): Promise<number> => {
      await on.clock.advance(250);
      on.clock.setWall(0);
      return 7;
    };
    expect(await measured(on, "git_pull", work, (lines) => ({ success: true, metadata: { lines } }))).toBe(7);
    expect(on.events).toEqual([
      { kind: "operation", type: "git_pull", durationMs: 250, success: true, metadata: { lines: 7 } },
    ]);
  });

  test("reports a failure for what is thrown, and throws it on", async () => {
    const on = watch();
    const failing = measured(
      on,
      "git_push",
      () => Promise.reject(new Error("no")),
      () => null,
    );
    await expect(failing).rejects.toThrow("no");
    expect(on.events).toMatchObject([{ success: false }]);
  });

  test("reports nothing that is not worth it", async () => {
    const on = watch();
    await measured(
      on,
      "handle",
      () => 1,
      () => null,
    );
    expect(on.events).toEqual([]);
  });

  test("takes what was cut off by the end of the daemon for no failure", async () => {
    const on = watch(AbortSignal.abort());
    await measured(
      on,
      "git_pull",
      () => 1,
      () => ({ success: false, metadata: {} }),
    );
    expect(on.events).toEqual([]);
  });
});
