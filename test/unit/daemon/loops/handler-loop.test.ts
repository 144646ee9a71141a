import { beforeEach, describe, expect, test } from "bun:test";
import { toUtf8 } from "../../../../src/base/bytes.ts";
import type {
  HandlerCall,
  HandlerOutcome,
  HandlerRunner,
  LeftProcess,
} from "../../../../src/base/ports/handler-runner.ts";
import { DaemonState } from "../../../../src/daemon/daemon-state.ts";
import type { MonitorEvent } from "../../../../src/daemon/events.ts";
import { HandlerWork } from "../../../../src/daemon/loops/handler-loop.ts";
import { pauseAuto, resumeAuto } from "../../../../src/fleet/messaging/auto-pause.ts";
import { findRun, startRun } from "../../../../src/fleet/messaging/handler-runs.ts";
import { queuedDrafts } from "../../../../src/fleet/messaging/outbox.ts";
import { completeSettings } from "../../../../src/fleet/settings/complete-settings.ts";
import type { ServerSettings } from "../../../../src/fleet/settings/model.ts";
import { settle } from "../../../helpers/fake-clock.ts";
import { MemoryFleet, type MemoryServer } from "../../../helpers/memory-fleet.ts";

/** Runs nothing: a test says when and how each call ends. */
class FakeRunner implements HandlerRunner {
  readonly calls: (HandlerCall & { readonly end: (outcome: HandlerOutcome) => Promise<void> })[] = [];
  readonly left: LeftProcess[] = [];

  run(call: HandlerCall): Promise<HandlerOutcome> {
    const { promise, resolve } = Promise.withResolvers<HandlerOutcome>();
    const end = async (outcome: HandlerOutcome): Promise<void> => {
      resolve(outcome);
      await settle();
    };
    this.calls.push({ ...call, end });
    call.onStarted({ pid: 77, pidStarted: "then" });
    return promise;
  }

  endLeft(process: LeftProcess): Promise<boolean> {
    this.left.push(process);
    return Promise.resolve(true);
  }
}

const RULE = { name: "deploy", match: { subject: ["deploy"] }, run: ["/opt/deploy", "x"] };
let fleet = new MemoryFleet();
let me: MemoryServer;
let other: MemoryServer;
let runner = new FakeRunner();
let daemon = new DaemonState(fleet.clock);
let events: MonitorEvent[] = [];
let settings: ServerSettings;
let work: HandlerWork;
let stop = new AbortController();
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
  other = await fleet.add("code2");
  runner = new FakeRunner();
  daemon = new DaemonState(fleet.clock);
  events = [];
  stop = new AbortController();
  settings = completeSettings({ rules: [RULE], handlers: { concurrency: 2, retry: 1000 } });
  await me.receive();
  me.answer();
  await me.flush();
  work = open();
});
const open = (): HandlerWork =>
  new HandlerWork({
    ports: me.receivePorts,
    daemon,
    runner,
    settings: () => settings,
    report: (event) => events.push(event),
    signal: stop.signal,
  });
const exited = (exitCode = 0, text = "did it"): HandlerOutcome => ({
  ended: "exited",
  exitCode,
  stdout: toUtf8(text),
  isCut: false,
  stderr: "",
});
const ask = async (subject = "deploy"): Promise<{ from: string; id: string }> => {
  const id = await other.send({ to: ["code1"], subject });
  await me.receive();
  me.answer({ rules: settings.rules });
  return { from: "code2", id };
};
const stateOf = (key: { from: string; id: string }) => findRun(me.state, key)?.state;
const queued = () => queuedDrafts(me.state, 99).map((draft) => draft.body.type);

describe("HandlerWork", () => {
  test("starts a run after it was written down, and gives it message, facts and bounds", async () => {
    const key = await ask();
    expect(work.round()).toBe(1000);
    const [call] = runner.calls;
    expect(call).toMatchObject({ command: ["/opt/deploy", "x"], timeoutMs: 60_000, outputBytesMax: 65_536 });
    expect(call?.variables).toMatchObject({
      FLEETD_MESSAGE_ID: key.id,
      FLEETD_ATTEMPT: "1",
      FLEETD_RULE: "deploy",
    });
    expect(me.state.get("SELECT state, pid, pid_started, token FROM runs")).toEqual({
      state: "started",
      pid: 77,
      pid_started: "then",
      token: call?.token ?? "",
    });
    expect(work.round()).toBe(1000);
    expect(runner.calls).toHaveLength(1);
  });

  test("writes down the end with answer and receipt, and asks for them to be pushed at once", async () => {
    const key = await ask();
    work.round();
    await fleet.clock.advance(500);
    await runner.calls[0]?.end(exited(3));
    await work.finished();
    expect(stateOf(key)).toBe("done");
    expect(queued()).toEqual(["message", "receipt"]);
    expect(daemon.receiptsDueMonoMs).toBe(fleet.clock.monotonicMs());
    expect(events).toMatchObject([
      { kind: "handler", id: key.id, state: "done", exitCode: 3, attempt: 1, durationMs: 500, silence: null },
    ]);
    expect(daemon.autoReplies).toBe(1);
  });

  test("runs as many at once as may be, and rings when there is room", async () => {
    for (let count = 0; count < 3; count += 1) await ask();
    work.round();
    expect(runner.calls).toHaveLength(2);
    await runner.calls[0]?.end(exited());
    expect(await daemon.handlerBell.wait(0, fleet.clock, stop.signal)).toBe(true);
    work.round();
    expect(runner.calls).toHaveLength(3);
  });

  test("starts nothing while everything is paused, and goes on afterwards", async () => {
    const key = await ask();
    me.state.transaction(() => pauseAuto(me.state, null, 1));
    work.round();
    expect([stateOf(key), runner.calls.length]).toEqual(["queued", 0]);
    me.state.transaction(() => resumeAuto(me.state, 1));
    work.round();
    expect(runner.calls).toHaveLength(1);
  });

  test("asks again what said 75, after a pause that a clock set back does not make longer", async () => {
    const key = await ask();
    work.round();
    await runner.calls[0]?.end(exited(75));
    expect(work.round()).toBe(1000);
    expect([stateOf(key), runner.calls.length]).toEqual(["queued", 1]);
    await fleet.clock.advance(1000);
    work.round();
    await runner.calls[1]?.end(exited(75));
    fleet.clock.setWall(fleet.clock.wallMs() - 24 * 3_600_000);
    work.round();
    expect(runner.calls.map((call) => call.variables["FLEETD_ATTEMPT"])).toEqual(["1", "2", "3"]);
  });

  test("parks what no rule runs any more, without starting anything", async () => {
    const key = await ask();
    settings = completeSettings({ rules: [] });
    expect(work.round()).toBe(10_000);
    expect([stateOf(key), runner.calls.length]).toEqual(["parked", 0]);
    expect(events).toMatchObject([{ kind: "handler", state: "parked", attempt: 0 }]);
  });

  test.each([
    ["park", "parked"],
    ["retry", "queued"],
  ] as const)("after a crash ends what is left and does as its rule says: %s", async (on_crash, state) => {
    settings = completeSettings({ rules: [{ ...RULE, on_crash }] });
    const key = await ask();
    me.state.transaction(() => startRun(me.state, key, { token: "t", nowWallMs: 1 }));
    await open().recover();
    expect(runner.left).toEqual([{ token: "t", pid: null, pidStarted: null }]);
    expect(stateOf(key)).toBe(state);
    expect(queued()).toEqual([]);
  });

  test("takes up all that was left, even where the system or the disk is in the way at first", async () => {
    const keys = [await ask(), await ask()];
    for (const key of keys) {
      me.state.transaction(() => startRun(me.state, key, { token: key.id, nowWallMs: 1 }));
    }
    runner.endLeft = () => Promise.reject(new Error("EACCES: permission denied"));
    me.state.failOnce("UPDATE runs");
    await open().recover();
    expect(keys.map(stateOf)).toEqual(["parked", "parked"]);
    expect(events.map((event) => event.kind)).toEqual(["failed", "failed", "handler", "failed", "handler"]);
  });

  test("parks what was ended because the daemon stops", async () => {
    const key = await ask();
    work.round();
    await runner.calls[0]?.end({ ended: "aborted", stderr: "" });
    expect(findRun(me.state, key)).toMatchObject({
      state: "parked",
      reason: "the daemon was stopped while it ran",
    });
  });

  test("writes a result down as soon as the disk lets it, and never runs it again for that", async () => {
    const key = await ask();
    work.round();
    me.state.failOnce("UPDATE runs");
    await runner.calls[0]?.end(exited());
    await work.finished();
    expect(stateOf(key)).toBe("done");
    expect(events.map((event) => event.kind)).toEqual(["failed", "handler"]);
    expect(queued()).toEqual(["message", "receipt"]);
    expect(runner.calls).toHaveLength(1);
  });
});
