import { toInstant } from "../../base/instant.ts";
import {
  COUNTERS,
  type Counter,
  HOUR_MS,
  type HourFigures,
  type MetricsSummary,
  MINUTE_MS,
  type MinuteCount,
  type Operation,
  type OperationFigures,
} from "./model.ts";

/** What a summary is made of: everything after `sinceWallMs`, and possibly more. */
export interface RecordedMetrics {
  readonly operations: readonly Pick<Operation, "atWallMs" | "type" | "durationMs" | "success">[];
  readonly counts: readonly MinuteCount[];
}

/**
 * What happened within the last `hours` before `nowWallMs`. A minute counts when any of it lies within, so a counter is
 * right to the minute at the far end of the window.
 */
export function summarise(recorded: RecordedMetrics, hours: number, nowWallMs: number): MetricsSummary {
  const sinceWallMs = nowWallMs - hours * HOUR_MS;
  const operations = recorded.operations.filter(
    ({ atWallMs }) => atWallMs > sinceWallMs && atWallMs <= nowWallMs,
  );
  const counts = recorded.counts.filter(
    ({ minute }) => (minute + 1) * MINUTE_MS > sinceWallMs && minute * MINUTE_MS <= nowWallMs,
  );
  const types = [...new Set(operations.map(({ type }) => type))].sort();
  return {
    period_hours: hours,
    from: toInstant(sinceWallMs),
    until: toInstant(nowWallMs),
    ...figuresOf(operations),
    operations: Object.fromEntries(
      types.map((type) => [type, figuresOf(operations.filter((one) => one.type === type))]),
    ),
    counters: sumUp(counts),
    hourly: byHour(counts, sinceWallMs, nowWallMs),
    from_future: recorded.operations.filter(({ atWallMs }) => atWallMs > nowWallMs).length,
  };
}

/** The value that `percent` of the sorted `values` do not exceed (nearest rank); null where there are none. */
export function percentile(values: readonly number[], percent: number): number | null {
  const rank = Math.max(1, Math.ceil((percent / 100) * values.length));
  return values[rank - 1] ?? null;
}

type Timed = Pick<Operation, "durationMs" | "success">;

function figuresOf(operations: readonly Timed[]): OperationFigures {
  const durations = operations.map(({ durationMs }) => durationMs).sort((left, right) => left - right);
  const count = operations.length;
  const successes = operations.filter(({ success }) => success).length;
  const total = durations.reduce((sum, durationMs) => sum + durationMs, 0);
  const rounded = (value: number | null): number | null => (value === null ? null : roundTo3(value));
  return {
    count,
    successes,
    failures: count - successes,
    success_rate: count === 0 ? null : roundTo3((100 * successes) / count),
    avg_ms: count === 0 ? null : roundTo3(total / count),
    p50_ms: rounded(percentile(durations, 50)),
    p95_ms: rounded(percentile(durations, 95)),
    p99_ms: rounded(percentile(durations, 99)),
    max_ms: rounded(durations.at(-1) ?? null),
  };
}

const roundTo3 = (value: number): number => Math.round(value * 1000) / 1000;

function sumUp(counts: readonly MinuteCount[]): Record<Counter, number> {
  const sums = Object.fromEntries(COUNTERS.map((name) => [name, 0])) as Record<Counter, number>;
  for (const { name, count } of counts) sums[name] += count;
  return sums;
}

function byHour(counts: readonly MinuteCount[], sinceWallMs: number, nowWallMs: number): HourFigures[] {
  const hourOf = (wallMs: number): number => Math.floor(wallMs / HOUR_MS);
  const hours = new Map<number, MinuteCount[]>();
  for (let hour = hourOf(sinceWallMs); hour <= hourOf(nowWallMs); hour += 1) hours.set(hour, []);
  for (const one of counts) hours.get(hourOf(one.minute * MINUTE_MS))?.push(one);
  return [...hours].map(([hour, within]) => ({ hour: toInstant(hour * HOUR_MS), counters: sumUp(within) }));
}
