import { type Counter, type MinuteCount, minuteOf, type Operation, type OperationMetadata } from "./model.ts";

/** What was recorded since the last time somebody took it. */
export interface PendingMetrics {
  readonly operations: readonly Operation[];
  readonly counts: readonly MinuteCount[];
}

/** Keeps what happens in memory: until it is written down, or, without a database, for good. Bounded. */
export class MetricsRecorder {
  readonly #operationsMax: number;
  readonly #keepMs: number;
  #operations: Operation[] = [];
  /** Counts by `"<minute> <name>"`. */
  #counts = new Map<string, MinuteCount>();

  /** `operationsMax`: how many operations are kept, the oldest go first; `keepMs`: for how long anything is. */
  constructor(limits: { readonly operationsMax: number; readonly keepMs: number }) {
    this.#operationsMax = limits.operationsMax;
    this.#keepMs = limits.keepMs;
  }

  get isEmpty(): boolean {
    return this.#operations.length === 0 && this.#counts.size === 0;
  }

  /** An operation ended at `atWallMs`. */
  record(operation: Omit<Operation, "metadata"> & { readonly metadata?: OperationMetadata }): void {
    this.#operations.push({ metadata: {}, ...operation });
    // Cut in pieces: shifting an array for every operation is what would be slow.
    if (this.#operations.length >= 2 * this.#operationsMax) this.#trim(operation.atWallMs);
  }

  /** Something happened `by` times at `atWallMs`. */
  count(name: Counter, atWallMs: number, by = 1): void {
    const minute = minuteOf(atWallMs);
    const key = `${minute} ${name}`;
    const known = this.#counts.get(key);
    this.#counts.set(key, { minute, name, count: (known?.count ?? 0) + by });
    if (known === undefined && this.#counts.size % 1000 === 0) this.#trim(atWallMs);
  }

  /** Everything there is, without taking it. */
  look(): PendingMetrics {
    return { operations: this.#operations.slice(-this.#operationsMax), counts: [...this.#counts.values()] };
  }

  /** Everything there is; it is the caller's now. */
  take(): PendingMetrics {
    const taken = this.look();
    this.#operations = [];
    this.#counts = new Map();
    return taken;
  }

  /** What could not be written down is kept for the next time. */
  giveBack({ operations, counts }: PendingMetrics): void {
    this.#operations = [...operations, ...this.#operations].slice(-this.#operationsMax);
    for (const { minute, name, count } of counts) this.count(name, minute * 60_000, count);
  }

  #trim(nowWallMs: number): void {
    const since = minuteOf(nowWallMs - this.#keepMs);
    this.#operations = this.#operations.slice(-this.#operationsMax);
    for (const [key, { minute }] of this.#counts) if (minute < since) this.#counts.delete(key);
  }
}
