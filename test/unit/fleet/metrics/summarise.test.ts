import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Counter, HOUR_MS, MINUTE_MS, minuteOf } from "../../../../src/fleet/metrics/model.ts";
import { percentile, summarise } from "../../../../src/fleet/metrics/summarise.ts";

/** 12:30 of some day. */
const NOW_MS = Date.UTC(2026, 6, 24, 12, 30);
const operation = (agoMs: number, durationMs = 1, success = true, type = "git_pull") => ({
  atWallMs: NOW_MS - agoMs,
  type,
  durationMs,
  success,
});
const counted = (agoMs: number, count = 1, name: Counter = "errors") => ({
  minute: minuteOf(NOW_MS - agoMs),
  name,
  count,
});

describe("percentile()", () => {
  test("is the nearest rank", () => {
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
    expect([0, 1, 50, 95, 99, 100].map((percent) => percentile(hundred, percent))).toEqual([
      1, 1, 50, 95, 99, 100,
    ]);
    expect(percentile([7], 99)).toBe(7);
    expect(percentile([], 50)).toBeNull();
  });

  test("is a value of the list that as many do not exceed as it says", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(), { minLength: 1 }),
        fc.integer({ min: 1, max: 100 }),
        (values, percent) => {
          const sorted = values.toSorted((left, right) => left - right);
          const value = percentile(sorted, percent) ?? -1;
          expect(sorted).toContain(value);
          const share = sorted.filter((one) => one <= value).length / sorted.length;
          expect(share).toBeGreaterThanOrEqual(percent / 100);
        },
      ),
    );
  });
});

describe("summarise()", () => {
  test("of nothing has every field, and no rate that nobody measured", () => {
    const summary = summarise({ operations: [], counts: [] }, 24, NOW_MS);
    expect(summary).toMatchObject({
      period_hours: 24,
      from: "2026-07-23T12:30:00.000Z",
      until: "2026-07-24T12:30:00.000Z",
      count: 0,
      success_rate: null,
      p99_ms: null,
      operations: {},
      counters: { messages_processed: 0, heartbeats_sent: 0 },
    });
    expect(Object.keys(summary.counters)).toHaveLength(8);
  });

  test("counts operations within the hours, after their beginning and up to now", () => {
    const operations = [HOUR_MS, HOUR_MS - 1, 0, -1].map((agoMs) => operation(agoMs));
    const summary = summarise({ operations, counts: [] }, 1, NOW_MS);
    expect(summary).toMatchObject({ count: 2, from_future: 1 });
  });

  test("tells types apart, and success from failure", () => {
    const operations = [
      operation(1, 10),
      operation(2, 20),
      operation(3, 30),
      operation(4, 1000, false),
      operation(5, 7, true, "git_push"),
    ];
    const { operations: byType, ...all } = summarise({ operations, counts: [] }, 24, NOW_MS);
    expect(byType["git_pull"]).toEqual({
      count: 4,
      successes: 3,
      failures: 1,
      success_rate: 75,
      avg_ms: 265,
      p50_ms: 20,
      p95_ms: 1000,
      p99_ms: 1000,
      max_ms: 1000,
    });
    expect(Object.keys(byType)).toEqual(["git_pull", "git_push"]);
    expect(all).toMatchObject({ count: 5, failures: 1, success_rate: 80, p50_ms: 20 });
  });

  test("counts what happened within the hours, to the minute", () => {
    const counts = [counted(HOUR_MS + MINUTE_MS), counted(HOUR_MS), counted(0, 5), counted(-MINUTE_MS, 100)];
    expect(summarise({ operations: [], counts }, 1, NOW_MS).counters.errors).toBe(6);
    expect(summarise({ operations: [], counts }, 2, NOW_MS).counters.errors).toBe(7);
  });

  test("has every hour that the window touches, oldest first, and their sum is the whole", () => {
    const counts = [counted(90 * MINUTE_MS, 2), counted(20 * MINUTE_MS, 3), counted(0, 4)];
    const { hourly, counters } = summarise({ operations: [], counts }, 2, NOW_MS);
    expect(hourly.map(({ hour, counters: { errors } }) => [hour, errors])).toEqual([
      ["2026-07-24T10:00:00.000Z", 0],
      ["2026-07-24T11:00:00.000Z", 2],
      ["2026-07-24T12:00:00.000Z", 7],
    ]);
    expect(counters.errors).toBe(9);
  });
});
