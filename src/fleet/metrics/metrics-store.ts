/** Metrics in `state.db`: no rebuild loses them, and their tables never grow past their bounds. */
import { readStoredJson } from "../../base/errors.ts";
import type { Database, DatabaseReader } from "../../base/ports/database.ts";
import { HOUR_MS, isCounter, type MinuteCount, minuteOf, type Operation } from "./model.ts";
import type { PendingMetrics } from "./recorder.ts";
import type { RecordedMetrics } from "./summarise.ts";

/** How much is kept: single operations at most, and anything for how long. */
export interface MetricsLimits {
  readonly operationsMax: number;
  readonly keepMs: number;
}

/** Adds what was recorded and removes what is too old or too much; inside the caller's transaction. */
export function saveMetrics(
  state: Database,
  pending: PendingMetrics,
  limits: MetricsLimits,
  nowWallMs: number,
): void {
  for (const { atWallMs, type, durationMs, success, metadata } of pending.operations) {
    state.run(
      "INSERT INTO operations(at_wall_ms, type, duration_ms, success, metadata) VALUES(?, ?, ?, ?, ?)",
      Math.round(atWallMs),
      type,
      durationMs,
      success ? 1 : 0,
      JSON.stringify(metadata),
    );
  }
  for (const { minute, name, count } of pending.counts) {
    state.run(
      "INSERT INTO counters(minute, name, count) VALUES(?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count",
      minute,
      name,
      count,
    );
  }
  const sinceWallMs = nowWallMs - limits.keepMs;
  state.run(
    "DELETE FROM operations WHERE position <= (SELECT max(position) FROM operations) - ?",
    limits.operationsMax,
  );
  state.run("DELETE FROM operations WHERE at_wall_ms < ?", sinceWallMs);
  state.run("DELETE FROM counters WHERE minute < ?", minuteOf(sinceWallMs));
}

/**
 * Writes down counts that somebody else can still count, such as sent messages in the outbox: the larger one stays, so
 * this may be repeated, and what was counted outlives what it was counted from. Inside the caller's transaction.
 */
export function saveCounted(state: Database, counts: readonly MinuteCount[]): void {
  for (const { minute, name, count } of counts) {
    state.run(
      "INSERT INTO counters(minute, name, count) VALUES(?, ?, ?) ON CONFLICT DO UPDATE SET count = max(count, excluded.count)",
      minute,
      name,
      count,
    );
  }
}

/** What was recorded in the last `hours`, and what bears a date after now. */
export function loadMetrics(state: DatabaseReader, hours: number, nowWallMs: number): RecordedMetrics {
  const sinceWallMs = nowWallMs - hours * HOUR_MS;
  const operations = state
    .all<{ at_wall_ms: number; type: string; duration_ms: number; success: number }>(
      "SELECT at_wall_ms, type, duration_ms, success FROM operations WHERE at_wall_ms > ?",
      sinceWallMs,
    )
    .map((row) => ({
      atWallMs: row.at_wall_ms,
      type: row.type,
      durationMs: row.duration_ms,
      success: row.success === 1,
    }));
  const counts = state
    .all<{ minute: number; name: string; count: number }>(
      "SELECT minute, name, count FROM counters WHERE minute >= ?",
      minuteOf(sinceWallMs),
    )
    .flatMap(({ minute, name, count }) => (isCounter(name) ? [{ minute, name, count }] : []));
  return { operations, counts };
}

/** The newest operations, newest first. */
export function lastOperations(state: Database, limit: number): Operation[] {
  return state
    .all<{ at_wall_ms: number; type: string; duration_ms: number; success: number; metadata: string }>(
      "SELECT * FROM operations ORDER BY position DESC LIMIT ?",
      limit,
    )
    .map((row) => ({
      atWallMs: row.at_wall_ms,
      type: row.type,
      durationMs: row.duration_ms,
      success: row.success === 1,
      metadata: readStoredJson(row.metadata, "an operation in state.db") as Operation["metadata"],
    }));
}

/** `stored` with `counted` in the place of what is smaller. */
export function mergeCounted(
  stored: readonly MinuteCount[],
  counted: readonly MinuteCount[],
): readonly MinuteCount[] {
  const merged = new Map(stored.map((one) => [`${one.minute} ${one.name}`, one]));
  for (const one of counted) {
    const key = `${one.minute} ${one.name}`;
    if ((merged.get(key)?.count ?? 0) < one.count) merged.set(key, one);
  }
  return [...merged.values()];
}
