import { beforeEach, describe, expect, test } from "bun:test";
import { DaemonState } from "../../../../src/daemon/daemon-state.ts";
import type { MonitorEvent } from "../../../../src/daemon/events.ts";
import { pushRound } from "../../../../src/daemon/loops/push-loop.ts";
import { markMessage } from "../../../../src/fleet/messaging/mark-message.ts";
import { outboxItem, unstoredBatches } from "../../../../src/fleet/messaging/outbox.ts";
import { FACTS, MemoryFleet, type MemoryServer } from "../../../helpers/memory-fleet.ts";
import { MemoryGate } from "../../../helpers/memory-gate.ts";
import { MemoryLock } from "../../../helpers/memory-lock.ts";

/** Without a push for so long a heartbeat is due, and the next one so long after it. */
const HEARTBEAT_IDLE_MS = 120_000;
const HEARTBEAT_EVERY_MS = 300_000;
/** The outbox is looked at this often, whatever is due. */
const LOOK_MS = 10_000;
let fleet = new MemoryFleet();
let me: MemoryServer;
let daemon = new DaemonState(fleet.clock);
let lock = new MemoryLock();
let events: MonitorEvent[] = [];
let gate = new MemoryGate(fleet.clock, daemon);
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
  daemon = new DaemonState(fleet.clock);
  lock = new MemoryLock();
  gate = new MemoryGate(fleet.clock, daemon);
  events = gate.events;
});

const round = (): Promise<number> =>
  pushRound({
    ports: me.sendPorts,
    daemon,
    gate: gate.gate,
    settings: () => gate.settings,
    takeFlushLock: () => lock.tryTake(),
    facts: () => FACTS,
    rules: () => me.rules,
    report: (event) => {
      if (event.kind !== "operation") events.push(event);
    },
    signal: new AbortController().signal,
    stop: new AbortController().signal,
  });
const pushes = (): number => fleet.remote.pushes.length;
const unreachable = { kind: "unreachable", detail: "no route to host" } as const;

describe("pushRound()", () => {
  test("pushes what is queued at once and looks again after a while", async () => {
    const id = me.queue({ to: ["all"] });
    expect(await round()).toBe(LOOK_MS);
    expect(outboxItem(me.state, id)?.state).toBe("pushed");
    expect(events).toEqual([{ kind: "pushed", entries: 1 }]);
    expect(daemon.lastPushWallMs).toBe(fleet.clock.wallMs());
  });

  test("does nothing while nothing is due", async () => {
    await round();
    const before = pushes();
    await fleet.clock.advance(1000);
    await round();
    expect(pushes()).toBe(before);
  });

  test("publishes a card when it is due, and not before", async () => {
    daemon.wantCard(200);
    expect(await round()).toBe(200);
    const before = pushes();
    await fleet.clock.advance(200);
    expect(await round()).toBe(LOOK_MS);
    expect(pushes()).toBe(before + 1);
    expect(daemon.cardDueMonoMs).toBeNull();
    expect(events).toEqual([]);
  });

  test("publishes a card again that was wanted while the one before was on its way", async () => {
    me.queue({ to: ["all"] });
    fleet.remote.troubles.beforePush = () => {
      fleet.remote.troubles.beforePush = () => undefined;
      daemon.wantCard(200);
    };
    expect(await round()).toBe(200);
  });

  test("still wants a card that could not be published", async () => {
    daemon.wantCard(0);
    fleet.remote.troubles.outage = unreachable;
    await round();
    expect(daemon.cardDueMonoMs).not.toBeNull();
    fleet.remote.troubles.outage = null;
    const before = pushes();
    await fleet.clock.advance(gate.settings.interval);
    await round();
    expect(pushes()).toBe(before + 1);
  });

  test("lets receipts wait until they are due, and takes them along with anything else", async () => {
    const other = await fleet.add("code2");
    const id = await other.send({ to: ["code1"] });
    await me.receive();
    markMessage(me.sendPorts, me.message(id), "read");
    daemon.wantReceipts(30_000);
    expect(await round()).toBe(LOOK_MS);
    me.queue({ to: ["code2"] });
    await round();
    expect(events).toEqual([{ kind: "pushed", entries: 2 }]);
    expect(daemon.receiptsDueMonoMs).toBeNull();
  });

  test("pushes receipts at once that an earlier run left behind", async () => {
    const other = await fleet.add("code2");
    const id = await other.send({ to: ["code1"] });
    await me.receive();
    markMessage(me.sendPorts, me.message(id), "read");
    await round();
    expect(events).toEqual([{ kind: "pushed", entries: 1 }]);
  });

  test("pushes batches that an earlier run built and never saw confirmed", async () => {
    me.queue({ to: ["all"] });
    fleet.remote.troubles.nextAnswersLost = 1;
    await me.flush();
    await round();
    expect(events).toEqual([{ kind: "pushed", entries: 1 }]);
  });

  test("sends a heartbeat when nothing was pushed for its idle time, and the next ones in their interval", async () => {
    daemon.wantCard(0);
    await round();
    const pauses: number[] = [];
    const start = pushes();
    for (let passedMs = 0; passedMs < HEARTBEAT_IDLE_MS + 2 * HEARTBEAT_EVERY_MS; ) {
      const before = pushes();
      const waitMs = await round();
      if (pushes() > before) pauses.push(passedMs);
      await fleet.clock.advance(waitMs);
      passedMs += waitMs;
    }
    expect(pauses).toEqual([HEARTBEAT_IDLE_MS, HEARTBEAT_IDLE_MS + HEARTBEAT_EVERY_MS]);
    expect([pushes() - start, daemon.heartbeats]).toEqual([2, 2]);
  });

  test("a push that happens anyway puts the next heartbeat off, and is none itself", async () => {
    daemon.wantCard(0);
    await round();
    await fleet.clock.advance(HEARTBEAT_IDLE_MS - 1000);
    me.queue({ to: ["all"] });
    await round();
    expect(daemon.heartbeats).toBe(0);
    await fleet.clock.advance(HEARTBEAT_IDLE_MS - 1);
    expect(await round()).toBe(1);
    await fleet.clock.advance(1);
    await round();
    expect(daemon.heartbeats).toBe(1);
  });

  test.each([
    ["back", -86_400_000],
    ["forward", 86_400_000],
  ])("keeps the pace of its heartbeat when the clock is set %s by a day", async (_, stepMs) => {
    daemon.wantCard(0);
    await round();
    await fleet.clock.advance(HEARTBEAT_IDLE_MS - 1000);
    fleet.clock.setWall(fleet.clock.wallMs() + stepMs);
    const before = pushes();
    expect(await round()).toBe(1000);
    await fleet.clock.advance(1000);
    await round();
    expect(pushes()).toBe(before + 1);
  });

  test("waits a moment while another process of this server pushes", async () => {
    const held = lock.tryTake();
    me.queue({ to: ["all"] });
    const before = pushes();
    expect(await round()).toBe(50);
    expect(pushes()).toBe(before);
    held?.release();
    await round();
    expect(pushes()).toBe(before + 1);
  });

  test("pays for every push to a host that counts them, also those that find what is refused", async () => {
    const { push_budget } = gate.settings;
    gate.settings = { ...gate.settings, push_budget: { ...push_budget, mode: "on" } };
    for (const body of ["a", "vile", "b", "c"]) me.queue({ to: ["all"], body });
    fleet.remote.troubles.refusePush = (_, added) => (added.includes("vile") ? "not that" : null);
    const before = pushes();
    await round();
    const count = pushes() - before;
    expect(count).toBeGreaterThanOrEqual(push_budget.burst);
    expect(gate.gate.pushWaitMs).toBe((count + 1 - push_budget.burst) * push_budget.every);
  });

  test("tells what it pushed also where the card is refused", async () => {
    const id = me.queue({ to: ["all"] });
    fleet.remote.troubles.refusePush = (refs) => (refs.includes(me.cardRef) ? "no cards" : null);
    await round();
    expect(outboxItem(me.state, id)?.state).toBe("pushed");
    expect(events).toMatchObject([
      { kind: "pushed", entries: 1 },
      { kind: "trouble", detail: "[remote rejected] (no cards)" },
    ]);
  });

  test("frees the lock, whatever happened", async () => {
    me.queue({ to: ["all"] });
    fleet.remote.troubles.outage = unreachable;
    await round();
    me.state.failOnce("UPDATE outbox");
    me.queue({ to: ["all"] });
    await round();
    expect(lock.tryTake()).not.toBeNull();
  });

  test("tries again after 2, 4 and 8 s, then after the interval; tells the first failure and the recovery", async () => {
    me.queue({ to: ["all"] });
    fleet.remote.troubles.outage = unreachable;
    const { interval } = gate.settings;
    expect(Math.round(await round())).toBe(interval);
    expect(fleet.clock.sleptMs.slice(-3)).toEqual([2000, 4000, 8000]);
    fleet.remote.troubles.outage = null;
    await fleet.clock.advance(interval);
    await round();
    expect(events).toEqual([
      { kind: "trouble", during: "push", detail: "no route to host", retryMs: 2000 },
      { kind: "recovered", during: "push" },
      { kind: "pushed", entries: 1 },
    ]);
  });

  test("a send does not cut the pause after a failed cycle short", async () => {
    me.queue({ to: ["all"] });
    fleet.remote.troubles.outage = unreachable;
    await round();
    const before = fleet.remote.calls;
    await fleet.clock.advance(1000);
    me.queue({ to: ["all"] });
    expect(await round()).toBe(gate.settings.interval - 1000);
    expect(fleet.remote.calls).toBe(before);
  });

  test("tells a conflict as trouble, forces nothing, and the breaker hears nothing of it", async () => {
    const twin = await fleet.join("code2");
    const first = await fleet.join("code2");
    await first.flush();
    const tip = fleet.remote.refs.get(first.logRef);
    me = twin;
    const pauses: number[] = [];
    for (let count = 0; count < 8; count += 1) {
      pauses.push(await round());
      await fleet.clock.advance(pauses.at(-1) ?? 0);
    }
    expect(pauses.map(Math.round)).toEqual([2000, ...Array<number>(7).fill(10_000)]);
    expect(events).toMatchObject([{ kind: "trouble", detail: expect.stringContaining("another key") }]);
    expect(fleet.remote.refs.get(first.logRef)).toBe(tip ?? "");
    expect(gate.gate.breaker).toMatchObject({ kind: "closed", failures: 0 });
    expect(gate.gate.down).toBeNull();
  });

  test("tells whoever waits for a change", async () => {
    const { revision } = daemon;
    me.queue({ to: ["all"] });
    await round();
    expect(daemon.revision).toBeGreaterThan(revision);
  });

  test("makes batches safe together once there are many", async () => {
    // The key is a batch of its own.
    for (let count = 1; count < 64; count += 1) {
      expect(unstoredBatches(me.state)).toHaveLength(count);
      me.queue({ to: ["all"] });
      await round();
    }
    expect(unstoredBatches(me.state)).toEqual([]);
    const tip = fleet.remote.refs.get(me.logRef) ?? "";
    me.store.losePower();
    expect(await me.store.listCommits(tip, null, 100)).toHaveLength(64);
  });
});
