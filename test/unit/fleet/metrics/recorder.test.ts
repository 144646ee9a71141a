import { describe, expect, test } from "bun:test";
import { HOUR_MS } from "../../../../src/fleet/metrics/model.ts";
import { MetricsRecorder } from "../../../../src/fleet/metrics/recorder.ts";

const recorder = (operationsMax = 10): MetricsRecorder =>
  new MetricsRecorder({ operationsMax, keepMs: HOUR_MS });
const pull = (atWallMs: number) => ({ atWallMs, type: "git_pull", durationMs: 1, success: true });

describe("MetricsRecorder", () => {
  test("take() hands over everything once", () => {
    const metrics = recorder();
    expect(metrics.isEmpty).toBe(true);
    metrics.record(pull(5));
    metrics.count("errors", 59_999);
    metrics.count("errors", 1, 2);
    metrics.count("errors", 60_000);
    expect(metrics.isEmpty).toBe(false);
    expect(metrics.take()).toEqual({
      operations: [{ ...pull(5), metadata: {} }],
      counts: [
        { minute: 0, name: "errors", count: 3 },
        { minute: 1, name: "errors", count: 1 },
      ],
    });
    expect(metrics.isEmpty).toBe(true);
    expect(metrics.take()).toEqual({ operations: [], counts: [] });
  });

  test("giveBack() brings back what could not be written, before what came since", () => {
    const metrics = recorder();
    metrics.record(pull(1));
    metrics.count("errors", 0);
    const taken = metrics.take();
    metrics.record(pull(2));
    metrics.count("errors", 0);
    metrics.giveBack(taken);
    expect(metrics.take()).toMatchObject({
      operations: [{ atWallMs: 1 }, { atWallMs: 2 }],
      counts: [{ minute: 0, count: 2 }],
    });
  });

  test("keeps the newest operations and no more than its bound", () => {
    const metrics = recorder(3);
    for (let at = 0; at < 100; at += 1) metrics.record(pull(at));
    expect(metrics.look().operations.map(({ atWallMs }) => atWallMs)).toEqual([97, 98, 99]);
  });

  test("forgets minutes that are older than their time", () => {
    const metrics = recorder();
    for (let minute = 0; minute < 5000; minute += 1) metrics.count("errors", minute * 60_000);
    expect(metrics.look().counts.length).toBeLessThan(1100);
    expect(metrics.look().counts.at(-1)?.minute).toBe(4999);
  });
});
