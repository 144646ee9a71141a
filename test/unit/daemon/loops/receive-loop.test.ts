import { beforeEach, describe, expect, test } from "bun:test";
import { toUtf8 } from "../../../../src/base/bytes.ts";
import { DaemonState } from "../../../../src/daemon/daemon-state.ts";
import type { MonitorEvent } from "../../../../src/daemon/events.ts";
import { receiveRound } from "../../../../src/daemon/loops/receive-loop.ts";
import { OwnRefsWatch } from "../../../../src/fleet/messaging/watch-own-refs.ts";
import { DEFAULT_SETTINGS } from "../../../../src/fleet/settings/defaults.ts";
import { ANSWERS, MemoryFleet, type MemoryServer, strangersCommit } from "../../../helpers/memory-fleet.ts";
import { MemoryGate } from "../../../helpers/memory-gate.ts";

const INTERVAL_MS = DEFAULT_SETTINGS.interval;
let fleet = new MemoryFleet();
let me: MemoryServer;
let other: MemoryServer;
let daemon = new DaemonState(fleet.clock);
let events: MonitorEvent[] = [];
let gate = new MemoryGate(fleet.clock, daemon);
/** How many calls the remote had seen at each time that the watch was set up. */
let watched: number[] = [];
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
  other = await fleet.add("code2");
  daemon = new DaemonState(fleet.clock);
  gate = new MemoryGate(fleet.clock, daemon, { report: (event) => events.push(event) });
  await round();
  events = [];
  watched = [];
  daemon.cardDueMonoMs = null;
  await rang();
});

const round = (): Promise<number> =>
  receiveRound({
    ports: me.receivePorts,
    daemon,
    gate: gate.gate,
    answers: () => ANSWERS,
    settings: () => DEFAULT_SETTINGS,
    report: (event) => {
      if (event.kind !== "operation") events.push(event);
    },
    signal: new AbortController().signal,
    ownRefs: new OwnRefsWatch(me.receivePorts, () => ({ release: () => undefined })),
    watch: () => {
      watched.push(fleet.remote.calls);
    },
  });
/** Whether the push bell was rung since the last time it was asked. */
const rang = (): Promise<boolean> => daemon.pushBell.wait(0, fleet.clock, new AbortController().signal);

describe("receiveRound()", () => {
  test("tells of messages, answers, wakes the push loop and wants its cursor published soon", async () => {
    await other.send({ to: ["code1"], body: "How are you?" });
    const { revision } = daemon;
    await round();
    expect(events).toMatchObject([{ kind: "message", handled: { message: { body: "How are you?" } } }]);
    expect(daemon.autoReplies).toBe(1);
    expect(daemon.cardDueMonoMs).toBe(fleet.clock.monotonicMs() + 200);
    expect(daemon.revision).toBeGreaterThan(revision);
    expect(await rang()).toBe(true);
  });

  test.each([
    ["a direct message", { to: ["code1"] }, true],
    ["a broadcast that asks for an ack", { to: ["all"], ackRequired: true }, true],
    ["a broadcast", { to: ["all"] }, false],
    ["a message to others", { to: ["code3"] }, false],
  ])("after %s asks for the card only if somebody may be waiting", async (_, request, wanted) => {
    await other.send(request);
    await round();
    expect(daemon.cardDueMonoMs !== null).toBe(wanted);
  });

  test("watches before it looks, so that nothing that moves in between is missed, and again afterwards", async () => {
    const before = fleet.remote.calls;
    await round();
    expect(watched).toEqual([before, fleet.remote.calls]);
    expect(fleet.remote.calls).toBeGreaterThan(before);
  });

  test("changes nothing when there is nothing new, and looks again after the interval, a tenth more or less", async () => {
    const { revision } = daemon;
    for (let count = 0; count < 20; count += 1) {
      const waitMs = await round();
      expect(waitMs).toBeGreaterThanOrEqual(INTERVAL_MS * 0.9);
      expect(waitMs).toBeLessThanOrEqual(INTERVAL_MS * 1.1);
    }
    expect(daemon.revision).toBe(revision);
    expect(events).toEqual([]);
    expect(watched).toHaveLength(40);
  });

  test("tells how many batches it did not believe", async () => {
    const commit = strangersCommit({ "a.txt": toUtf8("x") }, fleet.remote.refs.get(other.logRef) ?? null);
    fleet.remote.put(other.logRef, commit.all, commit.commitId);
    await round();
    expect(events).toEqual([{ kind: "quarantined", count: 1 }]);
  });

  test("wants a push at once when the remote lost the own log", async () => {
    fleet.remote.put(me.logRef, [], null);
    await round();
    expect(daemon.cardDueMonoMs).toBe(fleet.clock.monotonicMs());
    expect(await rang()).toBe(true);
  });

  test("tries again after 2, 4 and 8 s, then after the interval; tells the first failure and the recovery, and wakes the push loop", async () => {
    fleet.remote.troubles.outage = { kind: "unreachable", detail: "no route to host" };
    const before = fleet.clock.sleptMs.length;
    expect(await round()).toBe(INTERVAL_MS);
    expect(fleet.clock.sleptMs.slice(before)).toEqual([2000, 4000, 8000]);
    expect(daemon.trouble).toBe("no route to host");
    expect(watched).toHaveLength(1);
    fleet.remote.troubles.outage = null;
    await fleet.clock.advance(INTERVAL_MS);
    await round();
    expect(events.map((event) => event.kind)).toEqual(["trouble", "recovered"]);
    expect(daemon.trouble).toBeNull();
    expect(daemon.lastFetchWallMs).toBe(fleet.clock.wallMs());
    expect(await rang()).toBe(true);
  });

  test("looks every second while somebody talks, and as usual a minute later", async () => {
    daemon.noteConversation();
    expect(await round()).toBeLessThanOrEqual(1_100);
    await fleet.clock.advance(DEFAULT_SETTINGS.poll.conversation_for);
    expect(await round()).toBeGreaterThanOrEqual(INTERVAL_MS * 0.9);
  });

  test("looks less often when nothing arrived for long, and at once as usual when something does", async () => {
    await fleet.clock.advance(DEFAULT_SETTINGS.poll.idle_after);
    const idleMs = await round();
    expect(idleMs).toBeGreaterThanOrEqual(DEFAULT_SETTINGS.poll.idle * 0.9);
    await other.send({ to: ["all"] });
    expect(await round()).toBeLessThanOrEqual(INTERVAL_MS * 1.1);
  });
});
