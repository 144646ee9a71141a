import type { Refusal } from "./breaker.ts";

/** What a caller gets whose work was not even begun. */
export class BreakerOpenError extends Error {
  override readonly name = "BreakerOpenError";
  /** Which breaker refused. */
  readonly breaker: string;
  readonly retryAfterMs: number;
  /** What the last failures said, oldest first. */
  readonly causes: readonly string[];
  constructor(breaker: string, refusal: Refusal) {
    const because = refusal.causes.length === 0 ? "" : `: ${refusal.causes.at(-1)}`;
    super(`Cannot call "${breaker}": its breaker is open${because}`);
    this.breaker = breaker;
    this.retryAfterMs = refusal.retryAfterMs;
    this.causes = refusal.causes;
  }
}
