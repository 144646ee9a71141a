import { beforeEach, describe, expect, test } from "bun:test";
import type { RemoteFailure } from "../../../src/base/ports/git-remote.ts";
import { fail, ok, type Result } from "../../../src/base/result.ts";
import type { Cycle, CycleSignals } from "../../../src/daemon/cycle.ts";
import { DaemonState } from "../../../src/daemon/daemon-state.ts";
import type { Operation } from "../../../src/daemon/judge-failure.ts";
import { DEFAULT_SETTINGS } from "../../../src/fleet/settings/defaults.ts";
import { restoreBreaker, saveBreaker } from "../../../src/resilience/saved-breaker.ts";
import { FakeClock, settle } from "../../helpers/fake-clock.ts";
import { MemoryGate } from "../../helpers/memory-gate.ts";

const INTERVAL_MS = DEFAULT_SETTINGS.interval;
const OPEN_MS = DEFAULT_SETTINGS.breaker.open_for;
const AWAY: RemoteFailure = { kind: "unreachable", detail: "no route to host" };
let clock: FakeClock;
let daemon: DaemonState;
let one: MemoryGate;
/** What the remote answers next; the last one stays. */
let answers: Result<string, RemoteFailure>[];
let tries: number;
beforeEach(() => {
  clock = new FakeClock();
  clock.passesWhenSlept = true;
  daemon = new DaemonState(clock);
  one = new MemoryGate(clock, daemon);
  answers = [ok("fine")];
  tries = 0;
});

const still = (): CycleSignals => {
  const { signal } = new AbortController();
  return { stop: signal, work: signal };
};

function run(operation: Operation = "fetch", signals = still()): Promise<Cycle<string>> {
  return one.gate.run(
    operation,
    () => {
      tries += 1;
      const answer = (answers.length > 1 ? answers.shift() : answers[0]) ?? ok("fine");
      return Promise.resolve(answer);
    },
    signals,
  );
}

/** A cycle, and the pause after it. */
async function cycle(operation: Operation = "fetch"): Promise<Cycle<string>> {
  const ended = await run(operation);
  if (ended.status === "waiting") await clock.advance(ended.pauseMs);
  return ended;
}

async function open(failure: RemoteFailure = AWAY): Promise<void> {
  answers = [fail(failure)];
  for (let count = 0; count < 5; count += 1) await cycle();
  expect(one.gate.breaker.kind).toBe("open");
}

describe("a cycle", () => {
  test("looks at the network first, and then tries", async () => {
    expect(await run()).toEqual({ status: "done", value: "fine" });
    expect([one.network.looks, tries]).toEqual([1, 1]);
  });

  test("does not look where the remote answered just now", async () => {
    await run("fetch");
    await run("push");
    expect(one.network.looks).toBe(1);
    await clock.advance(INTERVAL_MS);
    await run("fetch");
    expect(one.network.looks).toBe(2);
  });

  test("does not look again and again while another process of this server pushes", async () => {
    const busy = () => one.gate.run("push", () => Promise.resolve(null), still());
    for (let count = 0; count < 10; count += 1) {
      expect(await busy()).toEqual({ status: "waiting", pauseMs: 50 });
      await clock.advance(50);
    }
    expect(one.network.looks).toBe(1);
    await clock.advance(INTERVAL_MS);
    await busy();
    expect(one.network.looks).toBe(2);
  });

  test("does not look at a host that notices looks, but in doubt", async () => {
    one.network.isNoticed = true;
    await run();
    await clock.advance(10 * INTERVAL_MS);
    await run();
    expect(one.network.looks).toBe(1);
    answers = [fail(AWAY), ok("again")];
    await run();
    expect(one.network.looks).toBe(2);
  });

  test("is a try and three more, with looks and pauses of 2, 4 and 8 s between them", async () => {
    answers = [fail(AWAY)];
    expect(await run()).toEqual({ status: "waiting", pauseMs: INTERVAL_MS });
    expect(tries).toBe(4);
    expect(clock.sleptMs).toEqual([2000, 4000, 8000]);
    expect(one.network.looks).toBe(4);
    expect(one.gate.breaker).toMatchObject({ kind: "closed", failures: 1 });
  });

  test("whose check fails counts as failed and tries nothing", async () => {
    one.network.failure = "no such name";
    expect(await run()).toEqual({ status: "waiting", pauseMs: INTERVAL_MS });
    expect(tries).toBe(0);
    expect(one.gate.breaker).toMatchObject({ failures: 1, causes: ["no such name"] });
    expect(one.gate.down).toMatchObject({ why: "no such name" });
    expect(daemon.trouble).toBe("no such name");
  });

  test("ends between two tries when the network goes", async () => {
    answers = [fail(AWAY)];
    const { signals, done } = beginPaused();
    await settle();
    one.network.failure = "unplugged";
    await clock.advance(2000);
    expect(await done).toMatchObject({ status: "waiting" });
    expect([tries, one.gate.breaker.causes]).toEqual([1, ["unplugged"]]);
    expect(signals.stop.aborted).toBe(false);
  });

  test.each(["unauthorised", "no-repository", "format-mismatch"] as const)(
    "that ends with %s counts as failed without more tries",
    async (kind) => {
      answers = [fail({ kind, detail: "no" })];
      await run();
      expect([tries, one.gate.cycles.failed]).toEqual([1, 1]);
    },
  );

  test("whose push the remote refused says nothing against the remote", async () => {
    answers = [fail({ kind: "failed", detail: "[remote rejected] (policy)" })];
    for (let count = 0; count < 20; count += 1) await cycle("push");
    expect(one.gate.breaker).toMatchObject({ kind: "closed", failures: 0, counts: { excluded: 20 } });
    expect(one.gate.down).toBeNull();
    expect(tries).toBe(20);
  });

  test("that throws frees its permit and says nothing against the remote", async () => {
    const thrown = one.gate.run("fetch", () => Promise.reject(new Error("disk full")), still());
    expect(await thrown.catch((error: unknown) => error)).toEqual(new Error("disk full"));
    expect(one.gate.breaker.counts).toMatchObject({ admitted: 1, excluded: 1 });
  });

  test("that was not made since somebody else pushes is asked for again soon", async () => {
    expect(await one.gate.run("push", () => Promise.resolve(null), still())).toEqual({
      status: "waiting",
      pauseMs: 50,
    });
  });

  test("of a host that answers 429 is followed by the pause it asked for, of both loops, and counts for nothing", async () => {
    answers = [fail({ kind: "unreachable", detail: "429", retryAfterMs: 60_000 }), ok("fine")];
    expect(await run("fetch")).toEqual({ status: "waiting", pauseMs: 60_000 });
    await clock.advance(59_999);
    expect(await run("push")).toEqual({ status: "waiting", pauseMs: 1 });
    await clock.advance(1);
    expect(await run("push")).toMatchObject({ status: "done" });
    expect(one.gate.breaker.counts).toMatchObject({ failed: 0, excluded: 1 });
  });

  test("of a host that answers 429 and does not say how long is followed by the pause of the settings", async () => {
    answers = [fail({ kind: "unreachable", detail: "fatal: 429\nremote: no", retryAfterMs: 0 })];
    expect(await run("fetch")).toEqual({ status: "waiting", pauseMs: 60_000 });
    expect(one.gate.down).toMatchObject({
      why: "fatal: 429; it is left alone for 1 min",
      unauthorised: false,
    });
  });

  test("whose push is not authorised is followed by growing pauses, whatever may be read meanwhile", async () => {
    const denied = fail({ kind: "unauthorised", detail: "403" } as const);
    const pauses: number[] = [];
    for (let count = 0; count < 8; count += 1) {
      answers = [denied];
      const ended = await run("push");
      pauses.push(Math.round((ended as { pauseMs: number }).pauseMs / INTERVAL_MS));
      answers = [ok("fine")];
      expect(await run("fetch")).toMatchObject({ status: "done" });
      expect(one.gate.down).toMatchObject({ why: "403", unauthorised: true });
      if (count > 0) expect(await run("push")).toMatchObject({ status: "waiting" });
      await clock.advance(OPEN_MS * 1.1);
    }
    expect(pauses.slice(0, 6)).toEqual([1, 2, 4, 8, 16, 30]);
    answers = [ok("fine")];
    expect(await run("push")).toMatchObject({ status: "done" });
    expect(one.gate.down).toBeNull();
  });
});

/** A cycle that pauses after its first try, on a clock that stands still. */
function beginPaused(operation: Operation = "fetch") {
  clock.passesWhenSlept = false;
  const stop = new AbortController();
  const signals = { stop: stop.signal, work: new AbortController().signal };
  return { stop, signals, done: run(operation, signals) };
}

describe("a retry pause", () => {
  test("ends at once with the daemon, and its cycle says nothing against the remote", async () => {
    answers = [fail(AWAY)];
    const { stop, done } = beginPaused();
    await settle();
    expect(clock.sleeping).toBe(1);
    stop.abort();
    expect(await done).toEqual({ status: "waiting", pauseMs: 0 });
    expect(one.gate.breaker.counts).toMatchObject({ failed: 0, excluded: 1 });
  });

  test("of a push ends when a fetch succeeds", async () => {
    answers = [fail(AWAY), ok("fetched"), ok("pushed")];
    const { done } = beginPaused("push");
    await settle();
    expect(await run("fetch")).toMatchObject({ value: "fetched" });
    expect(await done).toMatchObject({ value: "pushed" });
    expect(clock.sleeping).toBe(0);
  });

  test("of a fetch ends when a push succeeds", async () => {
    answers = [fail(AWAY), ok("pushed"), ok("fetched")];
    const { done } = beginPaused("fetch");
    await settle();
    expect(await run("push")).toMatchObject({ value: "pushed" });
    expect(await done).toMatchObject({ value: "fetched" });
  });

  test("of a push that fails again and again is not ended by every fetch", async () => {
    answers = [fail(AWAY), ok("fetched"), fail(AWAY), ok("fetched")];
    beginPaused("push");
    await settle();
    await run("fetch");
    await settle();
    expect(clock.sleeping).toBe(1);
    await run("fetch");
    await settle();
    expect(clock.sleeping).toBe(1);
  });

  test("after a failed cycle ends when the network is back", async () => {
    one.network.failure = "unplugged";
    await run("push");
    one.network.failure = null;
    await clock.advance(1);
    expect(await run("push")).toMatchObject({ status: "waiting" });
    await clock.advance(INTERVAL_MS);
    await run("fetch");
    expect(await daemon.pushBell.wait(0, clock, still().stop)).toBe(true);
    expect(await run("push")).toMatchObject({ status: "done" });
  });
});

describe("the breaker", () => {
  test("opens after five failed cycles, refuses, and is told and stored once", async () => {
    await open();
    const before = tries;
    for (let count = 0; count < 10; count += 1) await cycle();
    await cycle("push");
    expect(tries).toBe(before);
    expect(one.transitions).toEqual(["open"]);
    expect(one.saved.map(({ breaker }) => breaker.kind)).toEqual(["open"]);
    expect(one.gate.down).toMatchObject({ why: "no route to host" });
  });

  test("looks at the network in every cycle while it is open", async () => {
    await open();
    const before = one.network.looks;
    for (let count = 0; count < 6; count += 1) await cycle();
    expect(one.network.looks).toBe(before + 6);
  });

  test("admits a probe, a single try, when its time is over; two successes close it", async () => {
    await open();
    const before = tries;
    await clock.advance(OPEN_MS);
    await cycle();
    expect(tries).toBe(before + 1);
    expect(one.transitions).toEqual(["open", "half-open", "open"]);
    await clock.advance(OPEN_MS);
    answers = [ok("fine")];
    expect(await cycle("fetch")).toMatchObject({ status: "done" });
    expect(one.gate.breaker.kind).toBe("half-open");
    expect(await cycle("push")).toMatchObject({ status: "done" });
    expect(one.transitions.slice(3)).toEqual(["half-open", "closed"]);
    expect(one.gate.down).toBeNull();
  });

  test("admits a probe at once when a check succeeds after it failed, and not because it goes on succeeding", async () => {
    await open();
    answers = [ok("fine")];
    await cycle();
    expect(one.gate.breaker.kind).toBe("open");
    one.network.failure = "unplugged";
    await cycle();
    const before = tries;
    one.network.failure = null;
    expect(await cycle()).toMatchObject({ status: "done" });
    expect(tries).toBe(before + 1);
    await cycle("push");
    expect(one.gate.breaker.kind).toBe("closed");
  });

  test("does not probe over a network that is away, even when its time is over", async () => {
    await open();
    one.network.failure = "unplugged";
    const before = tries;
    await clock.advance(2 * OPEN_MS);
    await cycle();
    await cycle("push");
    expect(tries).toBe(before);
    expect(one.gate.breaker.kind).toBe("open");
  });

  test("case 11: the wall clock set back or forward by a day changes nothing", async () => {
    await open();
    const left = one.gate.refusesForMs;
    for (const stepMs of [-86_400_000, 2 * 86_400_000]) {
      clock.setWall(clock.wallMs() + stepMs);
      expect(one.gate.refusesForMs).toBe(left);
      const down = one.gate.down?.sinceWallMs ?? 0;
      expect(clock.wallMs() - down).toBeLessThan(3_600_000);
    }
    const before = tries;
    await cycle();
    expect(tries).toBe(before);
    await clock.advance(left);
    answers = [ok("fine")];
    expect(await cycle()).toMatchObject({ status: "done" });
  });

  test("of the last run goes on refusing, and knows that the network was away", async () => {
    await open();
    const saved = saveBreaker(one.gate.breaker, clock.monotonicMs(), { id: "b", ms: 1000 });
    const nowMs = clock.monotonicMs();
    const breaker = restoreBreaker(saved, { nowMs, random: 0 }, { id: "b", ms: 1000 });
    one = new MemoryGate(clock, daemon, { breaker, isNetworkDown: true });
    expect(one.gate.down).toMatchObject({ why: "no route to host" });
    expect(one.gate.refusesForMs).toBeGreaterThan(0);
    answers = [ok("fine")];
    expect(await cycle()).toMatchObject({ status: "done" });
  });

  test("a cycle that the other loop's finding overtook starts nothing more", async () => {
    answers = [fail(AWAY)];
    const { done } = beginPaused("push");
    await settle();
    clock.passesWhenSlept = true;
    for (let count = 0; count < 5; count += 1) await cycle("fetch");
    const before = tries;
    await done;
    expect(one.gate.breaker.kind).toBe("open");
    expect(tries - before).toBe(0);
  });
});

describe("a host with a push budget", () => {
  test("gets six pushes at once and then one every ten seconds; fetches are not bounded", async () => {
    one.network.host = "github.com";
    one = new MemoryGate(clock, daemon, { check: one.network });
    for (let count = 0; count < 6; count += 1) expect((await run("push")).status).toBe("done");
    expect(await run("push")).toEqual({ status: "waiting", pauseMs: 10_000 });
    expect(one.gate.pushWaitMs).toBe(10_000);
    expect((await run("fetch")).status).toBe("done");
    await clock.advance(10_000);
    expect((await run("push")).status).toBe("done");
  });
});
