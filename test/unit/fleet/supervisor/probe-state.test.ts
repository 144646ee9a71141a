import { describe, expect, test } from "bun:test";
import type { Probe, Probes } from "../../../../src/fleet/supervisor/model.ts";
import {
  dueProbes,
  nextProbeMonoMs,
  openProbes,
  type ProbeEvent,
  type ProbeName,
  type ProbeState,
  settleProbe,
  withAsked,
  withHurry,
} from "../../../../src/fleet/supervisor/probe-state.ts";
import type { RunProgress } from "../../../../src/fleet/supervisor/service-store.ts";

const probe = (given: Partial<Probe> = {}): Probe => ({
  target: { kind: "tcp", host: "127.0.0.1", port: 1 },
  intervalMs: 1_000,
  timeoutMs: 500,
  failures: 2,
  successes: 1,
  delayMs: 0,
  ...given,
});

/** Plays a run: asks what is due, one answer after the other, and moves time to the next question. */
class Play {
  nowMs = 0;
  state: ProbeState;
  readonly events: ProbeEvent[] = [];
  readonly #probes: Probes;
  constructor(given: Partial<Probes>, progress: RunProgress = "begun") {
    this.#probes = { startup: null, readiness: null, liveness: null, ...given };
    this.state = openProbes(this.#probes, { nowMonoMs: 0, random: 0 }, progress);
  }
  due(): readonly ProbeName[] {
    return dueProbes(this.state, this.nowMs);
  }
  answer(name: ProbeName, isWell: boolean): void {
    const nextMs = nextProbeMonoMs(this.state);
    if (nextMs !== null) this.nowMs = Math.max(this.nowMs, nextMs);
    this.state = withAsked(this.state, [name]);
    const moment = { nowMonoMs: this.nowMs, random: 0 };
    const step = settleProbe(this.state, this.#probes, { name, isWell, detail: "d" }, moment);
    this.state = step.state;
    if (step.event !== null) this.events.push(step.event);
  }
}

describe("openProbes()", () => {
  test("openProbes() without probes is ready, and asks nothing", () => {
    const play = new Play({});
    expect([play.state.isReady, nextProbeMonoMs(play.state)]).toEqual([true, null]);
  });

  test("openProbes() holds readiness and liveness back while a service starts", () => {
    const play = new Play({ startup: probe(), readiness: probe(), liveness: probe() });
    expect([play.state.isStarted, play.state.isReady, play.due()]).toEqual([false, false, ["startup"]]);
  });

  test("openProbes() of one that was adopted ready goes on where it was", () => {
    const play = new Play({ startup: probe(), readiness: probe(), liveness: probe() }, "ready");
    expect([play.state.isReady, play.due()]).toEqual([true, ["readiness", "liveness"]]);
  });

  test("openProbes() of one that was adopted asks for nothing that it has done", () => {
    const all = { startup: probe(), readiness: probe(), liveness: probe() };
    const started = new Play(all, "started");
    expect([started.state.isReady, started.due()]).toEqual([false, ["readiness"]]);
    const unready = new Play(all, "unready");
    expect([unready.state.isReady, unready.due()]).toEqual([false, ["readiness", "liveness"]]);
  });

  test("openProbes() waits for the delay, and a part of the interval that chance decides", () => {
    const probes = { startup: null, readiness: probe({ delayMs: 5_000 }), liveness: null };
    const state = openProbes(probes, { nowMonoMs: 100, random: 0.5 }, "begun");
    expect(nextProbeMonoMs(state)).toBe(5_150);
  });
});

describe("settleProbe()", () => {
  test("settleProbe() goes from startup to readiness to liveness", () => {
    const play = new Play({ startup: probe(), readiness: probe(), liveness: probe({ delayMs: 10 }) });
    play.answer("startup", true);
    expect([play.state.isStarted, play.state.isReady, play.due()]).toEqual([true, false, ["readiness"]]);
    play.answer("readiness", true);
    expect([play.state.isReady, play.due()]).toEqual([true, []]);
    play.nowMs += 10;
    expect(play.due()).toEqual(["liveness"]);
    expect(play.events).toEqual([{ kind: "started" }, { kind: "ready" }]);
  });

  test("settleProbe() counts the startup probe as readiness where there is no other", () => {
    const play = new Play({ startup: probe() });
    play.answer("startup", true);
    expect([play.state.isReady, play.events, nextProbeMonoMs(play.state)]).toEqual([
      true,
      [{ kind: "ready" }],
      null,
    ]);
  });

  test("settleProbe() needs so many good answers in a row, and so many bad ones", () => {
    const play = new Play({ readiness: probe({ successes: 2, failures: 3 }) });
    for (const isWell of [true, false, true]) play.answer("readiness", isWell);
    expect(play.state.isReady).toBe(false);
    play.answer("readiness", true);
    for (const isWell of [false, false, true, false, false]) play.answer("readiness", isWell);
    expect(play.state.isReady).toBe(true);
    play.answer("readiness", false);
    expect(play.events).toEqual([{ kind: "ready" }, { kind: "not-ready", detail: "d" }]);
    play.answer("readiness", true);
    play.answer("readiness", true);
    expect(play.events.at(-1)).toEqual({ kind: "ready" });
  });

  test("settleProbe() leaves a start that is not ready yet to its own deadline", () => {
    const play = new Play({ readiness: probe() });
    for (let count = 0; count < 50; count += 1) play.answer("readiness", false);
    expect(play.events).toEqual([]);
  });

  test("settleProbe() says that a start has failed", () => {
    const play = new Play({ startup: probe(), readiness: probe() });
    play.answer("startup", false);
    play.answer("startup", false);
    expect(play.events).toEqual([{ kind: "unwell", detail: "startup: d" }]);
  });

  test("settleProbe() says that a service is not alive, also while it is not ready", () => {
    const play = new Play({ readiness: probe(), liveness: probe() });
    play.answer("readiness", true);
    play.answer("readiness", false);
    play.answer("readiness", false);
    play.answer("liveness", false);
    play.answer("liveness", false);
    expect(play.events.map(({ kind }) => kind)).toEqual(["ready", "not-ready", "unwell"]);
  });

  test("settleProbe() passes over an answer that nobody waits for", () => {
    const play = new Play({ readiness: probe() });
    const moment = { nowMonoMs: 0, random: 0 };
    const late = { name: "liveness", isWell: false, detail: "" } as const;
    const probes = { startup: null, readiness: probe(), liveness: probe() };
    expect(settleProbe(play.state, probes, late, moment)).toEqual({ state: play.state, event: null });
    const twice = { ...late, name: "readiness" } as const;
    expect(settleProbe(play.state, probes, twice, moment).state).toBe(play.state);
  });

  test("settleProbe() asks again after the interval, a tenth more or less", () => {
    const probes = { startup: null, readiness: probe(), liveness: null };
    const asked = withAsked(openProbes(probes, { nowMonoMs: 0, random: 0 }, "begun"), ["readiness"]);
    const answer = { name: "readiness", isWell: false, detail: "" } as const;
    const nextAt = (random: number) =>
      nextProbeMonoMs(settleProbe(asked, probes, answer, { nowMonoMs: 50, random }).state);
    expect([nextAt(0), nextAt(0.5)]).toEqual([950, 1_050]);
  });
});

test("dueProbes() asks nobody twice at once", () => {
  const play = new Play({ readiness: probe() });
  play.state = withAsked(play.state, ["readiness"]);
  play.nowMs = 100_000;
  expect([play.due(), nextProbeMonoMs(play.state)]).toEqual([[], null]);
});

test("withHurry() makes a question due, and never later than it was", () => {
  const play = new Play({ readiness: probe({ delayMs: 500 }) });
  expect(nextProbeMonoMs(withHurry(play.state, "readiness", 20))).toBe(20);
  expect(withHurry(play.state, "readiness", 900)).toBe(play.state);
  expect(withHurry(play.state, "liveness", 0)).toBe(play.state);
});
