/** The words of metrics. Names with underscores are public: they stand in the database, in JSON and in the library. */

/** What is counted, in the order in which it is shown. */
export const COUNTERS = [
  "messages_processed",
  "messages_received",
  "messages_sent",
  "auto_responses",
  "errors",
  "git_pull_successes",
  "git_pull_failures",
  "heartbeats_sent",
] as const;
export type Counter = (typeof COUNTERS)[number];

/** Facts of one operation. */
export type OperationMetadata = Readonly<Record<string, string | number | boolean>>;

/** One operation that ended at `atWallMs`. `type`: what it was, such as `"git_pull"`. */
export interface Operation {
  readonly atWallMs: number;
  readonly type: string;
  readonly durationMs: number;
  readonly success: boolean;
  readonly metadata: OperationMetadata;
}

/** How often something happened in one minute; `minute` counts from the Unix epoch. */
export interface MinuteCount {
  readonly minute: number;
  readonly name: Counter;
  readonly count: number;
}

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;

/** The minute of an instant, from the Unix epoch. */
export const minuteOf = (wallMs: number): number => Math.floor(wallMs / MINUTE_MS);

/** Whether `name` is one of the counters. */
export const isCounter = (name: string): name is Counter => COUNTERS.some((known) => known === name);

/** Figures of the operations of one type, or of all. Durations in ms; `null` where nothing happened. */
export interface OperationFigures {
  readonly count: number;
  readonly successes: number;
  readonly failures: number;
  /** Successes per hundred. */
  readonly success_rate: number | null;
  readonly avg_ms: number | null;
  readonly p50_ms: number | null;
  readonly p95_ms: number | null;
  readonly p99_ms: number | null;
  readonly max_ms: number | null;
}

/** Counters of one hour; `hour` is the instant at which it begins. */
export interface HourFigures {
  readonly hour: string;
  readonly counters: Readonly<Record<Counter, number>>;
}

/** What happened within some hours: the answer of `getSummary`. */
export interface MetricsSummary extends OperationFigures {
  readonly period_hours: number;
  readonly from: string;
  readonly until: string;
  /** By type, in the order of their names. */
  readonly operations: Readonly<Record<string, OperationFigures>>;
  readonly counters: Readonly<Record<Counter, number>>;
  /** Whole hours of UTC, oldest first; the first and the last one are cut by the period. */
  readonly hourly: readonly HourFigures[];
  /** Operations with a date after `until`: the clock was set back. They count when their time has come. */
  readonly from_future: number;
}
