import type { Clock } from "../base/ports/clock.ts";

/** A timer of the runtime that is set to more than this fires at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** The machine's clocks. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (durationMs, signal) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      const stop = (): void => {
        clearTimeout(timer);
        reject(signal.reason);
      };
      let leftMs = durationMs;
      const wake = (): void => {
        leftMs -= TIMER_MS_MAX;
        if (leftMs > 0) {
          timer = setTimeout(wake, Math.min(leftMs, TIMER_MS_MAX));
          return;
        }
        signal.removeEventListener("abort", stop);
        resolve();
      };
      let timer = setTimeout(wake, Math.min(leftMs, TIMER_MS_MAX));
      signal.addEventListener("abort", stop, { once: true });
    }),
};
