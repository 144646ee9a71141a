/**
 * One life of a process: from its start to its end, which may come at any call that it makes to the world around it.
 * What has ended does nothing any more: its calls fail or never return, as those of a killed process.
 */
import type { Timeline } from "./timeline.ts";

/** What a dead process sees of the world. Product code may catch it, and whatever it does then comes to nothing. */
export class LifeIsOver extends Error {
  override readonly name = "LifeIsOver";
}

/** A promise that nobody keeps. */
export const never = <T>(): Promise<T> => new Promise<T>(() => undefined);

/** See the head of this file. */
export class Life {
  isOver = false;
  readonly #timeline: Timeline;
  readonly #onEnd: () => void;
  #callsLeft = Number.POSITIVE_INFINITY;
  #isPaused = false;
  readonly #waiting: (() => void)[] = [];

  constructor(timeline: Timeline, onEnd: () => void) {
    this.#timeline = timeline;
    this.#onEnd = onEnd;
  }

  /** The process ends at its `calls`-th call from now on, or after `withinMs` if it does not make as many. */
  endAfter(calls: number, withinMs: number): void {
    this.#callsLeft = calls;
    this.#timeline.after(withinMs, () => this.end());
  }

  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#waiting.length = 0;
    this.#onEnd();
  }

  /** A call to the world. @throws LifeIsOver for a dead process, or one that dies of this call */
  call(): void {
    if (this.isOver) throw new LifeIsOver("a dead process does nothing");
    this.#callsLeft -= 1;
    if (this.#callsLeft > 0) return;
    this.end();
    throw new LifeIsOver("the process was killed");
  }

  /** Something of the world reaches the process: at once, when it is no longer paused, or never. */
  reach(act: () => void): void {
    if (this.isOver) return;
    if (this.#isPaused) this.#waiting.push(act);
    else act();
  }

  pause(durationMs: number): void {
    if (this.isOver || this.#isPaused) return;
    this.#isPaused = true;
    this.#timeline.after(durationMs, () => {
      this.#isPaused = false;
      for (const act of this.#waiting.splice(0)) this.reach(act);
    });
  }

  /** Resolves after `durationMs` of true time; rejects with the signal's reason. */
  sleep(durationMs: number, signal: AbortSignal | null): Promise<void> {
    if (this.isOver) return never();
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const cancel = this.#timeline.after(durationMs, () => {
        signal?.removeEventListener("abort", stop);
        this.reach(resolve);
      });
      const stop = (): void => {
        cancel();
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", stop, { once: true });
    });
  }
}
