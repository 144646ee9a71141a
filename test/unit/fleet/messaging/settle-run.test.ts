import { beforeEach, describe, expect, test } from "bun:test";
import { pauseAuto } from "../../../../src/fleet/messaging/auto-pause.ts";
import { findRun, type HandlerRun, startRun } from "../../../../src/fleet/messaging/handler-runs.ts";
import { queuedDrafts } from "../../../../src/fleet/messaging/outbox.ts";
import {
  decideRun,
  type RunOutcome,
  type RunPolicy,
  type RunVerdict,
  settleRun,
} from "../../../../src/fleet/messaging/settle-run.ts";
import { ANSWERS, MemoryFleet, type MemoryServer } from "../../../helpers/memory-fleet.ts";

const PARK: RunPolicy = { onCrash: "park", attemptsMax: 3, retryMs: 1000 };
const RETRY: RunPolicy = { ...PARK, onCrash: "retry" };
const LOST: RunOutcome = { kind: "lost", how: "died" };
const exited = (exitCode: number, text = ""): RunOutcome => ({ kind: "exited", exitCode, text });

describe("decideRun()", () => {
  test.each<[RunOutcome, number, RunPolicy, Partial<RunVerdict>]>([
    [exited(0, "x"), 1, PARK, { state: "done", exitCode: 0, text: "x" }],
    [exited(3), 1, RETRY, { state: "done", exitCode: 3 }],
    [exited(75), 1, PARK, { state: "queued", afterMs: 1000 }],
    [exited(75), 2, PARK, { state: "queued", afterMs: 2000 }],
    [exited(75), 3, PARK, { state: "done", exitCode: 75, reason: "gave up after 3 attempts" }],
    [{ kind: "timeout" }, 1, RETRY, { state: "done", exitCode: 124, text: "" }],
    [LOST, 1, PARK, { state: "parked", reason: "died" }],
    [LOST, 1, RETRY, { state: "queued", afterMs: 0 }],
    [LOST, 3, RETRY, { state: "parked", reason: "died; gave up after 3 attempts" }],
    [{ kind: "impossible", reason: "gone" }, 1, RETRY, { state: "parked", reason: "gone" }],
  ])("decideRun() of %j in attempt %d", (outcome, attempts, policy, expected) => {
    expect(decideRun(outcome, attempts, policy)).toMatchObject(expected);
  });

  test("decideRun() never pauses for more than an hour", () => {
    const verdict = decideRun(exited(75), 90, { ...PARK, attemptsMax: 100 });
    expect(verdict).toMatchObject({ state: "queued", afterMs: 3_600_000 });
  });
});

describe("settleRun()", () => {
  let me: MemoryServer;
  let other: MemoryServer;
  beforeEach(async () => {
    const fleet = new MemoryFleet();
    me = await fleet.add("code1");
    other = await fleet.add("code2");
    await me.receive();
    me.answer();
    await me.flush();
  });

  const RULES = [{ name: "deploy", match: {}, run: ["x"] }];
  /** A run that was started for a message of code2. */
  const started = async (request: object = {}): Promise<HandlerRun> => {
    const id = await other.send({ to: ["code1"], body: "go", ...request });
    await me.receive();
    me.answer({ rules: RULES });
    const key = { from: "code2", id };
    me.state.transaction(() => startRun(me.state, key, { token: "t", nowWallMs: 1 }));
    return findRun(me.state, key) as HandlerRun;
  };
  const done = (text: string, exitCode = 0): RunVerdict => ({ state: "done", exitCode, text, reason: "" });
  const settle = (run: HandlerRun, verdict: RunVerdict, settings = {}) =>
    settleRun(me.receivePorts, { ...ANSWERS, ...settings }, run, verdict);
  const queued = () => queuedDrafts(me.state, 99).map((draft) => draft.body);

  test("sends what was written as the answer of its rule, and the exit code as a receipt", async () => {
    const run = await started({ hops: 0 });
    const settled = settle(run, done("did it", 3));
    expect(settled).toEqual({ replyId: expect.stringMatching(/-8/), silence: null });
    expect(queued()).toEqual([
      expect.objectContaining({ type: "message", to: ["code2"], body: "did it", auto: true, hops: 1 }),
      { type: "receipt", message: run.id, message_from: "code2", state: "handled", exit_code: 3 },
    ]);
    expect(findRun(me.state, run)).toMatchObject({ state: "done", exitCode: 3, replyId: settled.replyId });
  });

  test("sends a receipt alone where nothing was written", async () => {
    expect(settle(await started(), done(""))).toEqual({ replyId: null, silence: null });
    expect(queued().map((body) => body.type)).toEqual(["receipt"]);
  });

  test("does not answer a broadcast that asks for nothing", async () => {
    expect(settle(await started({ to: ["all"] }), done("x")).silence).toBe("broadcast");
    expect(queued().map((body) => body.type)).toEqual(["receipt"]);
  });

  test("does not answer where answers are off, everything is paused, or the budget is spent", async () => {
    expect(settle(await started(), done("x"), { enabled: false }).silence).toBe("disabled");
    const spent = { capacity: 0, periodMs: 1 };
    const budgets = { ...ANSWERS.budgets, host: spent };
    expect(settle(await started(), done("x"), { budgets }).silence).toBe("budget-host");
    me.state.transaction(() => pauseAuto(me.state, null, 1));
    expect(settle(await started(), done("x")).silence).toBe("paused");
    expect(queued().map((body) => body.type)).toEqual(["receipt", "receipt", "receipt"]);
  });

  test("does not answer what expired meanwhile", async () => {
    const run = await started({ expiresInMs: 1000 });
    await me.machine.fleet.clock.advance(1001);
    expect(settle(run, done("x")).silence).toBe("expired");
  });

  test("lets a run wait or parks it, and tells its sender nothing yet", async () => {
    const run = await started();
    settle(run, { state: "queued", afterMs: 500, reason: "75" });
    expect(findRun(me.state, run)).toMatchObject({ state: "queued", reason: "75" });
    settle(run, { state: "parked", reason: "gone" });
    expect(findRun(me.state, run)).toMatchObject({ state: "parked", reason: "gone" });
    expect(queued()).toEqual([]);
  });

  test.each(["UPDATE runs", "INSERT INTO outbox", "INSERT INTO journal", "buckets", "COMMIT"])(
    "keeps nothing when the database fails at %s, and does it once afterwards",
    async (statement) => {
      const run = await started();
      const before = me.state.dump();
      me.state.failOnce(statement);
      expect(() => settle(run, done("x"))).toThrow("disk I/O error");
      expect(me.state.dump()).toEqual(before);
      settle(run, done("x"));
      expect(queued().map((body) => body.type)).toEqual(["message", "receipt"]);
    },
  );
});
