// The wall clock of a machine is set back or forward by a day while a fleet talks: what people see of time is wrong
// then, and nothing else may be.

import { beforeEach, describe, expect, test } from "bun:test";
import { DaemonState } from "../../../src/daemon/daemon-state.ts";
import { pushRound } from "../../../src/daemon/loops/push-loop.ts";
import { receiveRound } from "../../../src/daemon/loops/receive-loop.ts";
import { deliveryOf } from "../../../src/fleet/messaging/delivery.ts";
import { listPeers } from "../../../src/fleet/messaging/peers.ts";
import { OwnRefsWatch } from "../../../src/fleet/messaging/watch-own-refs.ts";
import { ANSWERS, FACTS, MemoryFleet, type MemoryServer } from "../../helpers/memory-fleet.ts";
import { MemoryGate } from "../../helpers/memory-gate.ts";
import { MemoryLock } from "../../helpers/memory-lock.ts";

const DAY_MS = 86_400_000;

/** The two loops of one server's daemon, a round at a time. */
class Daemon {
  readonly me: MemoryServer;
  readonly state: DaemonState;
  readonly gate: MemoryGate;
  readonly #lock = new MemoryLock();
  readonly bodies: string[] = [];

  constructor(fleet: MemoryFleet, me: MemoryServer) {
    this.me = me;
    this.state = new DaemonState(fleet.clock);
    this.gate = new MemoryGate(fleet.clock, this.state);
  }

  push(): Promise<number> {
    const { signal } = new AbortController();
    return pushRound({
      ports: this.me.sendPorts,
      daemon: this.state,
      gate: this.gate.gate,
      takeFlushLock: () => this.#lock.tryTake(),
      facts: () => FACTS,
      rules: () => this.me.rules,
      settings: () => this.gate.settings,
      report: () => undefined,
      signal,
      stop: signal,
    });
  }

  receive(): Promise<number> {
    return receiveRound({
      ports: this.me.receivePorts,
      daemon: this.state,
      gate: this.gate.gate,
      answers: () => ANSWERS,
      settings: () => this.gate.settings,
      report: (event) => {
        if (event.kind === "message") this.bodies.push(event.handled.message.body);
      },
      signal: new AbortController().signal,
      ownRefs: new OwnRefsWatch(this.me.receivePorts, () => ({ release: () => undefined })),
      watch: () => undefined,
    });
  }
}

let fleet: MemoryFleet;
let one: Daemon;
let other: Daemon;
beforeEach(async () => {
  fleet = new MemoryFleet();
  const servers = [await fleet.add("code1"), await fleet.add("code2")];
  [one, other] = servers.map((server) => new Daemon(fleet, server)) as [Daemon, Daemon];
  await one.receive();
  await other.receive();
});

const step = (stepMs: number): void => fleet.clock.setWall(fleet.clock.wallMs() + stepMs);

describe.each([
  ["back, then forward", [-DAY_MS, DAY_MS]],
  ["forward, then back", [DAY_MS, -DAY_MS]],
  ["back twice", [-DAY_MS, -DAY_MS]],
  ["forward by 400 days, then back", [400 * DAY_MS, -400 * DAY_MS]],
  ["back by 400 days, then forward", [-400 * DAY_MS, 400 * DAY_MS]],
])("case 11: the wall clock is set %s, by a day where nothing else is said", (_, steps) => {
  test("messages of a sender keep their order and are handled once, cursors and receipts go on", async () => {
    const sent: string[] = [];
    const ids: string[] = [];
    for (const stepMs of [0, ...steps]) {
      step(stepMs);
      for (let count = 0; count < 3; count += 1) {
        const body = `message ${sent.length + 1}`;
        sent.push(body);
        ids.push(one.me.queue({ to: ["code2"], body }));
      }
      await one.push();
      await other.receive();
      await fleet.clock.advance(1_000);
      await other.push();
      await one.receive();
    }
    expect(other.bodies).toEqual(sent);
    // The key is the first entry.
    expect(listPeers(other.me.state)[0]?.handled.seq).toBe(1 + sent.length);
    for (const id of ids) {
      const { recipients } = deliveryOf(one.me.state, one.me.index, { server: "code1", id });
      expect(recipients).toMatchObject([{ server: "code2", state: "seen" }]);
    }
    await other.receive();
    expect(other.bodies).toEqual(sent);
  });

  test("heartbeats keep their pace, and pauses their length", async () => {
    one.state.wantCard(0);
    await one.push();
    const beats: number[] = [];
    const startMonoMs = fleet.clock.monotonicMs();
    let left = [...steps];
    while (fleet.clock.monotonicMs() - startMonoMs < 430_000) {
      const before = one.state.heartbeats;
      const waitMs = await one.push();
      if (one.state.heartbeats > before) {
        beats.push(fleet.clock.monotonicMs() - startMonoMs);
        const [next, ...rest] = left;
        if (next !== undefined) step(next);
        left = rest;
      }
      await fleet.clock.advance(waitMs);
    }
    expect(beats).toEqual([120_000, 420_000]);
    expect(one.state.upMs).toBe(fleet.clock.monotonicMs() - one.state.startedMonoMs);
  });

  test("an open breaker keeps its time", async () => {
    fleet.remote.troubles.outage = { kind: "unreachable", detail: "no route to host" };
    for (let count = 0; count < 5; count += 1) await fleet.clock.advance(await one.receive());
    expect(one.gate.gate.breaker.kind).toBe("open");
    const leftMs = one.gate.gate.refusesForMs;
    for (const stepMs of steps) step(stepMs);
    expect(one.gate.gate.refusesForMs).toBe(leftMs);
    fleet.remote.troubles.outage = null;
    const before = fleet.remote.calls;
    await fleet.clock.advance(leftMs - 1);
    await one.receive();
    expect(fleet.remote.calls).toBe(before);
    await fleet.clock.advance(1);
    await one.receive();
    expect(fleet.remote.calls).toBeGreaterThan(before);
  });
});
