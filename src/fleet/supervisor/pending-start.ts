import { formatDuration } from "../../base/duration.ts";
import { messageOf } from "../../base/errors.ts";
import { boundedLine } from "../../base/line-pattern.ts";
import type { Clock } from "../../base/ports/clock.ts";

/** So many lines are kept of a program that speaks before its start is over. Chosen: few say so much before they are ready. */
const LINES_MAX = 1_000;

/** A start that is under way. It ends by itself, or because somebody gives it up, or because it takes too long. */
export class PendingStart {
  readonly #timeoutMs: number;
  readonly #enough = new AbortController();
  readonly #over = new AbortController();
  #isLate = false;
  #isGivenUp = false;
  readonly #lines: string[] = [];

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

  /** Its program runs before that is known here, and may have said already what a probe waits for. */
  line(text: string): void {
    if (!this.#over.signal.aborted && this.#lines.length < LINES_MAX) this.#lines.push(boundedLine(text));
  }

  /** What it said until now; once. */
  takeLines(): readonly string[] {
    return this.#lines.splice(0);
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
