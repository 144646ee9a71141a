import { beforeEach, describe, expect, test } from "bun:test";
import {
  countOpen,
  countParked,
  findRun,
  findRuns,
  finishRun,
  forgetDoneRuns,
  listRuns,
  messageOfRun,
  nextRun,
  noteProcess,
  parkRun,
  queueRun,
  releaseRun,
  requeueRun,
  startedRuns,
  startRun,
} from "../../../../src/fleet/messaging/handler-runs.ts";
import type { MessageEntry } from "../../../../src/fleet/messaging/model.ts";
import { idOf, messageBody, NOW } from "../../../helpers/batch-tools.ts";
import { memoryState } from "../../../helpers/memory-database.ts";

let state = memoryState();
beforeEach(() => {
  state = memoryState();
});

const message = (number: number): MessageEntry => ({
  ...{ v: 1, id: idOf(number), seq: 2, prev: null, from: "code2", at: NOW },
  ...messageBody({ to: ["code1"], subject: `s${number}`, body: "b" }),
});
const key = (number: number) => ({ from: "code2", id: idOf(number) });
const queue = (number: number, nowWallMs = number, openMax = 100) =>
  queueRun(state, { message: message(number), rule: "deploy", openMax }, nowWallMs);
const start = (number: number) => startRun(state, key(number), { token: `t${number}`, nowWallMs: 50 });
const stateOf = (number: number) => findRun(state, key(number))?.state;

describe("the journal of handlers", () => {
  test("a run waits with its message, and the oldest comes first", () => {
    queue(2, 20);
    queue(1, 10);
    expect(nextRun(state)).toMatchObject({
      ...key(1),
      rule: "deploy",
      state: "queued",
      attempts: 0,
      subject: "s1",
    });
    expect(messageOfRun(state, key(1))).toEqual(message(1));
    expect(countOpen(state)).toBe(2);
  });

  test("forgets what was done long ago or is far too much, and nothing that still waits", () => {
    const end = { exitCode: 0, reason: "", replyId: null, nowWallMs: 60 };
    for (const number of [1, 2, 3, 4, 5]) queue(number);
    for (const number of [1, 3, 4, 5]) {
      start(number);
      finishRun(state, key(number), end);
    }
    expect(forgetDoneRuns(state, 100)).toBe(0);
    expect(forgetDoneRuns(state, 100, 2)).toBe(2);
    expect([1, 2, 3, 4, 5].map(stateOf)).toEqual([undefined, "queued", undefined, "done", "done"]);
    expect(forgetDoneRuns(state, 100 * 24 * 3_600_000)).toBe(2);
    expect(stateOf(2)).toBe("queued");
  });

  test("a message has one run, whatever comes", () => {
    queue(1);
    expect(() => queue(1)).toThrow();
  });

  test("what comes when too many wait is parked, and said so", () => {
    expect([queue(1, 1, 2), queue(2, 2, 2), queue(3, 3, 2)]).toEqual(["queued", "queued", "parked"]);
    expect(findRun(state, key(3))?.reason).toBe("2 messages waited for handlers already");
    expect(countParked(state)).toBe(1);
  });

  test("a run is started once, and its process is noted", () => {
    queue(1);
    expect([start(1), start(1)]).toEqual([true, false]);
    expect(nextRun(state)).toBeNull();
    expect(startedRuns(state)[0]?.process).toEqual({ token: "t1", pid: null, pidStarted: null });
    noteProcess(state, key(1), { pid: 77, pidStarted: "boot:5" });
    expect(startedRuns(state)).toMatchObject([
      { attempts: 1, startedWallMs: 50, process: { token: "t1", pid: 77, pidStarted: "boot:5" } },
    ]);
  });

  test("a run that is done stays done and gives its message up", () => {
    queue(1);
    start(1);
    const end = { exitCode: 3, reason: "", replyId: "r", nowWallMs: 60 };
    expect([finishRun(state, key(1), end), finishRun(state, key(1), end)]).toEqual([true, false]);
    parkRun(state, key(1), { reason: "late", nowWallMs: 70 });
    expect(findRun(state, key(1))).toMatchObject({
      state: "done",
      exitCode: 3,
      replyId: "r",
      endedWallMs: 60,
    });
    expect(state.get("SELECT message FROM runs")).toEqual({ message: "" });
    expect([releaseRun(state, key(1), 80), start(1)]).toEqual([false, false]);
  });

  test("a run that is to run again waits until then, and a new start forgets the old process", () => {
    queue(1);
    start(1);
    noteProcess(state, key(1), { pid: 77, pidStarted: null });
    requeueRun(state, key(1), { reason: "75", dueWallMs: 500 });
    expect(nextRun(state)).toMatchObject({ attempts: 1, dueWallMs: 500, reason: "75" });
    start(1);
    expect(startedRuns(state)).toMatchObject([{ attempts: 2, reason: "", process: { pid: null } }]);
  });

  test("a parked run is released once, with its attempts before it", () => {
    queue(1);
    start(1);
    parkRun(state, key(1), { reason: "died", nowWallMs: 60 });
    expect(findRun(state, key(1))).toMatchObject({ state: "parked", reason: "died", endedWallMs: 60 });
    expect([releaseRun(state, key(1), 70), releaseRun(state, key(1), 70)]).toEqual([true, false]);
    expect(nextRun(state)).toMatchObject({ attempts: 0, dueWallMs: 70, reason: "" });
  });

  test("listRuns() begins with what waits for somebody; findRuns() takes either end of an id", () => {
    for (const number of [1, 2, 3, 4]) queue(number);
    for (const number of [1, 2, 3]) start(number);
    finishRun(state, key(1), { exitCode: 0, reason: "", replyId: null, nowWallMs: 60 });
    parkRun(state, key(2), { reason: "died", nowWallMs: 60 });
    expect(listRuns(state, 9).map((run) => run.state)).toEqual(["parked", "started", "queued", "done"]);
    expect(listRuns(state, 2)).toHaveLength(2);
    expect(findRuns(state, idOf(3).slice(-8)).map((run) => run.id)).toEqual([idOf(3)]);
    expect(findRuns(state, idOf(3))).toHaveLength(1);
    expect(findRuns(state, "ffffffff")).toEqual([]);
    expect(stateOf(9)).toBeUndefined();
  });
});
