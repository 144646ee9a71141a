import type { Clock } from "../../src/base/ports/clock.ts";

interface Sleeper {
  readonly dueMonoMs: number;
  readonly resolve: () => void;
}

/** Where a fake clock starts: 2026-01-01T00:00:00Z, a whole number of seconds. */
const START_WALL_MS = 1_767_225_600_000;

/**
 * A clock that stands still until a test moves it. Wall and monotonic time are apart, as on a real machine: `setWall`
 * is an operator who sets the clock, and disturbs no sleeper.
 */
export class FakeClock implements Clock {
  /** True: whoever sleeps moves the clock himself and goes on at once, for code that pauses between attempts. */
  passesWhenSlept = false;
  /** Every duration that somebody asked to sleep for, in order. */
  readonly sleptMs: number[] = [];
  #wallMs = START_WALL_MS;
  #monotonicMs = 1_000;
  readonly #sleepers = new Set<Sleeper>();

  wallMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  /** How many sleep right now. */
  get sleeping(): number {
    return this.#sleepers.size;
  }

  sleep(durationMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    this.sleptMs.push(durationMs);
    if (this.passesWhenSlept) return this.advance(durationMs);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const stop = (): void => {
      this.#sleepers.delete(sleeper);
      reject(signal.reason);
    };
    const sleeper: Sleeper = {
      dueMonoMs: this.#monotonicMs + durationMs,
      resolve: () => {
        signal.removeEventListener("abort", stop);
        resolve();
      },
    };
    this.#sleepers.add(sleeper);
    signal.addEventListener("abort", stop, { once: true });
    return promise;
  }

  /** Moves both clocks on, waking who is due in the order of their time, and lets what they do come to rest. */
  async advance(durationMs: number): Promise<void> {
    const endMs = this.#monotonicMs + durationMs;
    for (let next = this.#nextDue(endMs); next !== null; next = this.#nextDue(endMs)) {
      this.#move(Math.max(0, next.dueMonoMs - this.#monotonicMs));
      this.#sleepers.delete(next);
      next.resolve();
      await settle();
    }
    this.#move(endMs - this.#monotonicMs);
    await settle();
  }

  /** Sets the wall clock, as an operator or a time server does. */
  setWall(wallMs: number): void {
    this.#wallMs = wallMs;
  }

  #move(durationMs: number): void {
    this.#monotonicMs += durationMs;
    this.#wallMs += durationMs;
  }

  #nextDue(endMs: number): Sleeper | null {
    const due = [...this.#sleepers].filter((sleeper) => sleeper.dueMonoMs <= endMs);
    return due.sort((left, right) => left.dueMonoMs - right.dueMonoMs)[0] ?? null;
  }
}

/** Resolves when everything that could go on without time, disk or network has gone on. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
