import { beforeEach, describe, expect, test } from "bun:test";
import { enqueue } from "../../../../src/fleet/messaging/outbox.ts";
import { expireQueued, hasExpired, listQueue } from "../../../../src/fleet/messaging/queue.ts";
import {
  endOfWait,
  keepWaitingClock,
  lookAtWait,
  PLAUSIBLE_MS,
  waitedMs,
} from "../../../../src/fleet/messaging/waiting-clock.ts";
import { DEFAULT_SETTINGS } from "../../../../src/fleet/settings/defaults.ts";
import { memoryState } from "../../../helpers/memory-database.ts";

const START_MS = Date.parse("2026-01-01T00:00:00.000Z");
const DAY_MS = 24 * 3_600_000;
const LOOK_MS = 10_000;
const { expires } = DEFAULT_SETTINGS.queue;

let state = memoryState();
beforeEach(() => {
  state = memoryState();
});

function queue(id: string, nowWallMs: number, expiresAt?: string): void {
  const body = { type: "message", to: ["code2"], subject: id, body: id, expires_at: expiresAt } as const;
  state.transaction(() => enqueue(state, { id, at: "2026-01-01T00:00:00.000Z", body }, nowWallMs));
}

/** Looks as a monitor does, for `forMs` of a clock that goes as clocks do. */
function live(fromWallMs: number, forMs: number): number {
  for (let at = fromWallMs; at < fromWallMs + forMs; at += 20 * 60_000) keepWaitingClock(state, at);
  keepWaitingClock(state, fromWallMs + forMs);
  return fromWallMs + forMs;
}

const isOver = (nowWallMs: number): boolean =>
  hasExpired(state, { state: "queued", nowWallMs }, DEFAULT_SETTINGS);

describe("a wait", () => {
  test("ends after as much time as the rules give", () => {
    queue("a", START_MS);
    const before = live(START_MS, expires - LOOK_MS);
    expect(isOver(before)).toBe(false);
    expect(isOver(before + LOOK_MS)).toBe(true);
    expect(state.transaction(() => expireQueued(state, before + LOOK_MS, DEFAULT_SETTINGS))).toBe(1);
  });

  test.each([8, 400, 40_000])("is not ended by a clock that is set ahead by %i days", (days) => {
    queue("a", START_MS);
    const leapt = START_MS + LOOK_MS + days * DAY_MS;
    keepWaitingClock(state, leapt);
    expect(isOver(leapt)).toBe(false);
    const end = live(leapt, expires - 2 * PLAUSIBLE_MS);
    expect(isOver(end)).toBe(false);
    expect(isOver(live(end, 2 * PLAUSIBLE_MS))).toBe(true);
  });

  test("is not made endless by a clock that is set back", () => {
    queue("a", START_MS);
    const half = live(START_MS, expires / 2);
    const back = half - 400 * DAY_MS;
    keepWaitingClock(state, back);
    expect(isOver(back)).toBe(false);
    expect(isOver(live(back, expires / 2))).toBe(true);
  });

  test("survives a clock that leaps there and back", () => {
    queue("a", START_MS);
    for (let time = 0; time < 20; time += 1) keepWaitingClock(state, START_MS + (time % 2) * 400 * DAY_MS);
    expect(isOver(START_MS)).toBe(false);
    expect(waitedMs(state, START_MS)).toBeLessThanOrEqual(20 * PLAUSIBLE_MS);
  });

  test("begins when the message comes, however long nobody looked before", () => {
    queue("a", START_MS);
    state.run("UPDATE outbox SET state = 'pushed'");
    const late = START_MS + 30 * DAY_MS;
    keepWaitingClock(state, late);
    queue("b", late);
    expect(listQueue(state, DEFAULT_SETTINGS)).toMatchObject([{ id: "b", expiresWallMs: late + expires }]);
    expect(isOver(late + PLAUSIBLE_MS)).toBe(false);
  });

  test("of a message with an end of its own ends at that instant", () => {
    queue("a", START_MS, "2026-02-01T00:00:00.000Z");
    expect(isOver(Date.parse("2026-01-31T23:59:59.999Z"))).toBe(false);
    expect(isOver(Date.parse("2026-02-01T00:00:00.000Z"))).toBe(true);
  });

  test("of a row without a beginning begins at the next look", () => {
    queue("a", START_MS);
    state.run("UPDATE outbox SET since_ms = NULL");
    state.run("DELETE FROM settings");
    expect([isOver(START_MS), endOfWait(state, 0, 1)]).toEqual([false, null]);
    keepWaitingClock(state, START_MS);
    expect(isOver(live(START_MS, expires))).toBe(true);
  });
});

test("nothing is written where nothing waits, or a moment after a look", () => {
  keepWaitingClock(state, START_MS);
  expect(state.all("SELECT key FROM settings")).toEqual([]);
  queue("a", START_MS);
  const kept = state.all("SELECT * FROM settings");
  keepWaitingClock(state, START_MS + LOOK_MS);
  expect(state.all("SELECT * FROM settings")).toEqual(kept);
  expect(state.transaction(() => lookAtWait(state, START_MS + LOOK_MS))).toBe(LOOK_MS);
});
