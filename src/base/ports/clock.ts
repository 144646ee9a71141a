/** Time, handed to whatever decides or waits; tests hand in a clock of their own. */
export interface Clock {
  /** Milliseconds since the Unix epoch; jumps when the host sets its clock. For people and files. */
  wallMs(): number;
  /** Milliseconds since an arbitrary start; never goes back. For durations and deadlines. */
  monotonicMs(): number;
  /** Resolves after `durationMs`; rejects with `signal.reason` as soon as `signal` aborts. */
  sleep(durationMs: number, signal: AbortSignal): Promise<void>;
}
