import type { Clock } from "./ports/clock.ts";

/** A moment that somebody waits for. There is one at a time: a later one takes its place, and nobody hears of the earlier. */
export class Timer {
  readonly #clock: Clock;
  #waiting: AbortController | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `onDue` once, after `afterMs`. What `onDue` throws is an unhandled rejection: nobody else could take it. */
  set(afterMs: number, onDue: () => void | Promise<void>): void {
    this.stop();
    const waiting = new AbortController();
    this.#waiting = waiting;
    const { signal } = waiting;
    void this.#clock.sleep(afterMs, signal).then(
      // It may be replaced in the very turn in which it is due.
      () => (signal.aborted ? undefined : onDue()),
      (thrown: unknown) => {
        if (!signal.aborted) throw thrown;
      },
    );
  }

  /** Nobody waits any more. */
  stop(): void {
    this.#waiting?.abort();
    this.#waiting = null;
  }
}
