import { beforeEach, describe, expect, test } from "bun:test";
import {
  lastOperations,
  loadMetrics,
  mergeCounted,
  saveCounted,
  saveMetrics,
} from "../../../../src/fleet/metrics/metrics-store.ts";
import { HOUR_MS, MINUTE_MS, minuteOf, type Operation } from "../../../../src/fleet/metrics/model.ts";
import { summarise } from "../../../../src/fleet/metrics/summarise.ts";
import { memoryState } from "../../../helpers/memory-database.ts";

const NOW_MS = Date.UTC(2026, 6, 24, 12, 30);
const LIMITS = { operationsMax: 100, keepMs: 24 * HOUR_MS };
let state = memoryState();
beforeEach(() => {
  state = memoryState();
});

const pull = (agoMs: number): Operation => ({
  atWallMs: NOW_MS - agoMs,
  type: "git_pull",
  durationMs: 12.5,
  success: false,
  metadata: { failure: "timeout" },
});
const errors = (agoMs: number, count = 1) => ({
  minute: minuteOf(NOW_MS - agoMs),
  name: "errors" as const,
  count,
});

describe("saveMetrics()", () => {
  test("is what loadMetrics() and lastOperations() read", () => {
    saveMetrics(state, { operations: [pull(5), pull(0)], counts: [errors(0, 2)] }, LIMITS, NOW_MS);
    const { operations, counts } = loadMetrics(state, 1, NOW_MS);
    expect(operations).toEqual([5, 0].map((agoMs) => ({ ...pull(agoMs), metadata: undefined }) as never));
    expect(counts).toEqual([errors(0, 2)]);
    expect(lastOperations(state, 1)).toEqual([pull(0)]);
  });

  test("adds to the minute that is there", () => {
    for (const count of [2, 3])
      saveMetrics(state, { operations: [], counts: [errors(0, count)] }, LIMITS, NOW_MS);
    expect(loadMetrics(state, 1, NOW_MS).counts).toEqual([errors(0, 5)]);
  });

  test("keeps the newest operations, as many as allowed", () => {
    const operations = Array.from({ length: 250 }, (_, index) => pull(250 - index));
    saveMetrics(state, { operations, counts: [] }, LIMITS, NOW_MS);
    expect(loadMetrics(state, 1, NOW_MS).operations.map(({ atWallMs }) => NOW_MS - atWallMs)).toEqual(
      Array.from({ length: 100 }, (_, index) => 100 - index),
    );
  });

  test("removes what is older than its time", () => {
    const days = [3, 2, 0].map((day) => day * 24 * HOUR_MS);
    saveMetrics(
      state,
      { operations: days.map(pull), counts: days.map((ago) => errors(ago)) },
      LIMITS,
      NOW_MS,
    );
    expect(loadMetrics(state, 1000, NOW_MS)).toMatchObject({
      operations: [{ atWallMs: NOW_MS }],
      counts: [errors(0)],
    });
  });

  test("leaves what bears a date of the future, which counts when its time has come", () => {
    const tomorrow = -24 * HOUR_MS;
    saveMetrics(state, { operations: [pull(tomorrow)], counts: [errors(tomorrow)] }, LIMITS, NOW_MS);
    saveMetrics(state, { operations: [pull(0)], counts: [errors(0)] }, LIMITS, NOW_MS);
    const today = summarise(loadMetrics(state, 1, NOW_MS), 1, NOW_MS);
    expect(today).toMatchObject({ count: 1, from_future: 1, counters: { errors: 1 } });
    const thenMs = NOW_MS + 24 * HOUR_MS;
    expect(summarise(loadMetrics(state, 1, thenMs), 1, thenMs)).toMatchObject({
      count: 1,
      from_future: 0,
      counters: { errors: 1 },
    });
  });
});

test("loadMetrics() passes over counters that a newer fleetd wrote", () => {
  state.run("INSERT INTO counters(minute, name, count) VALUES(?, 'toString', 1)", minuteOf(NOW_MS));
  expect(loadMetrics(state, 1, NOW_MS).counts).toEqual([]);
});

test("saveCounted() may be repeated, and never makes a count smaller", () => {
  const sent = (count: number) => [{ minute: minuteOf(NOW_MS), name: "messages_sent" as const, count }];
  for (const count of [2, 2, 5, 1]) saveCounted(state, sent(count));
  expect(loadMetrics(state, 1, NOW_MS).counts).toEqual(sent(5));
});

test("mergeCounted() takes the larger count of each minute", () => {
  const stored = [errors(0, 2), errors(MINUTE_MS, 5)];
  const counted = [errors(0, 3), errors(MINUTE_MS, 4), errors(2 * MINUTE_MS, 1)];
  expect(mergeCounted(stored, counted)).toEqual([
    errors(0, 3),
    errors(MINUTE_MS, 5),
    errors(2 * MINUTE_MS, 1),
  ]);
});
