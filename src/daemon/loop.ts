import type { Clock } from "../base/ports/clock.ts";

/**
 * Wakes a loop that sleeps at its own pace. Events only ring; what happened is found out by looking, so rings that
 * come while the loop works are one ring.
 */
export class Bell {
  #rung = false;
  #wake: (() => void) | null = null;

  /** Ends the current wait, or the next one if nobody waits. */
  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** Waits until the bell rings, `durationMs` pass, or `signal` aborts; never rejects. True when it rang. */
  async wait(durationMs: number, clock: Clock, signal: AbortSignal): Promise<boolean> {
    const enough = new AbortController();
    if (!this.#rung) {
      this.#wake = () => enough.abort();
      // Both endings of this sleep mean "go on", so its rejection carries no news.
      await clock
        .sleep(Math.max(0, durationMs), AbortSignal.any([signal, enough.signal]))
        .catch(() => undefined);
      this.#wake = null;
    }
    const rang = this.#rung;
    this.#rung = false;
    return rang;
  }
}

/** How long a loop pauses after a round that failed in a way it does not know. */
const FAILED_PAUSE_MS = 5_000;

/**
 * Runs `round` again and again until `signal` aborts: never twice at once, each round says how long to wait before the
 * next, and the bell cuts the wait short. What a round throws is reported, and the loop goes on.
 */
export async function runLoop(options: {
  readonly round: () => Promise<number>;
  readonly bell: Bell;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onError: (thrown: unknown) => void;
  /** How long to wait before the first round; at once when it is left out. */
  readonly pauseFirstMs?: number;
}): Promise<void> {
  const { bell, clock, signal } = options;
  if (options.pauseFirstMs !== undefined) await bell.wait(options.pauseFirstMs, clock, signal);
  while (!signal.aborted) {
    let pauseMs = FAILED_PAUSE_MS;
    try {
      pauseMs = await options.round();
    } catch (thrown) {
      if (signal.aborted) return;
      options.onError(thrown);
    }
    await bell.wait(pauseMs, clock, signal);
  }
}
