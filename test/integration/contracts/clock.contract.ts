import { describe, expect, test } from "bun:test";
import type { Clock } from "../../../src/base/ports/clock.ts";

/** A clock under test; `pass` makes `durationMs` go by for whoever sleeps on it. */
export interface ClockUnderTest {
  readonly clock: Clock;
  readonly pass: (durationMs: number) => Promise<void>;
}

/** What everybody may expect of a `Clock`. */
export function clockContract(name: string, make: () => ClockUnderTest): void {
  describe(`Clock: ${name}`, () => {
    test("sleep() resolves when its time has passed, on both clocks", async () => {
      const { clock, pass } = make();
      const [wallMs, monotonicMs] = [clock.wallMs(), clock.monotonicMs()];
      const slept = clock.sleep(20, new AbortController().signal);
      await Promise.all([slept, pass(20)]);
      // Timers of a real machine count from the start of their turn, which is up to a millisecond ago.
      expect(clock.monotonicMs() - monotonicMs).toBeGreaterThanOrEqual(19);
      expect(clock.wallMs() - wallMs).toBeGreaterThanOrEqual(18);
    });

    test("sleep() wakes sleepers in the order of their time", async () => {
      const { clock, pass } = make();
      const { signal } = new AbortController();
      const woken: number[] = [];
      const sleep = async (durationMs: number): Promise<void> => {
        await clock.sleep(durationMs, signal);
        woken.push(durationMs);
      };
      // Far apart: a machine with much to do may pause between one call and the next.
      await Promise.all([sleep(800), sleep(1), sleep(400), pass(800)]);
      expect(woken).toEqual([1, 400, 800]);
    });

    test("sleep() rejects with the signal's reason as soon as it aborts", async () => {
      const { clock } = make();
      const stop = new AbortController();
      const slept = clock.sleep(60_000, stop.signal);
      const reason = new Error("enough");
      stop.abort(reason);
      expect(await slept.catch((thrown: unknown) => thrown)).toBe(reason);
    });

    test("sleep() rejects at once under a signal that was aborted before", async () => {
      const { clock } = make();
      const reason = new Error("enough");
      const slept = clock.sleep(60_000, AbortSignal.abort(reason));
      expect(await slept.catch((thrown: unknown) => thrown)).toBe(reason);
    });

    test("sleep() that was aborted after its end changes nothing", async () => {
      const { clock, pass } = make();
      const stop = new AbortController();
      const slept = clock.sleep(1, stop.signal);
      await pass(1);
      stop.abort();
      expect(await slept).toBeUndefined();
    });
  });
}
