import { formatDuration } from "../../base/duration.ts";
import { messageOf } from "../../base/errors.ts";
import type { Clock } from "../../base/ports/clock.ts";

/** A start that is under way. It ends by itself, or because somebody gives it up, or because it takes too long. */
export class PendingStart {
  readonly #timeoutMs: number;
  readonly #enough = new AbortController();
  readonly #over = new AbortController();
  #isLate = false;
  #isGivenUp = false;

  constructor(clock: Clock, timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    void clock.sleep(timeoutMs, this.#over.signal).then(
      () => {
        this.#isLate = true;
        this.#enough.abort();
      },
      // It was over in time.
      () => undefined,
    );
  }

  /** Aborted when nobody waits for it any more. */
  get signal(): AbortSignal {
    return this.#enough.signal;
  }

  /** Nobody wants it any more. */
  giveUp(): void {
    this.#isGivenUp = true;
    this.#enough.abort();
  }

  /** It is over, one way or the other. */
  end(): void {
    this.#over.abort();
  }

  /** Why there is no process, in words; null: since nobody wants one. */
  describe(thrown: unknown): string | null {
    if (this.#isGivenUp) return null;
    return this.#isLate ? `not started within ${formatDuration(this.#timeoutMs)}` : messageOf(thrown);
  }
}
