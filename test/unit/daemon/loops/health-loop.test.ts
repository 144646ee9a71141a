import { beforeEach, describe, expect, test } from "bun:test";
import { fail, ok } from "../../../../src/base/result.ts";
import { DaemonState } from "../../../../src/daemon/daemon-state.ts";
import type { MonitorEvent } from "../../../../src/daemon/events.ts";
import { type HealthLoopContext, healthRound } from "../../../../src/daemon/loops/health-loop.ts";
import type { HealthFacts } from "../../../../src/fleet/health/model.ts";
import { DEFAULT_SETTINGS } from "../../../../src/fleet/settings/defaults.ts";
import { FakeClock } from "../../../helpers/fake-clock.ts";

const GIB = 1024 ** 3;
let clock: FakeClock;
let daemon: DaemonState;
let freeBytes: number;
let trouble: string | null;
let events: MonitorEvent[];
let looks: number[];
let context: HealthLoopContext;

const facts = (): HealthFacts => ({
  monitor: ok({ pid: 1, version: "1", startedWallMs: 0, answers: true }),
  remote: ok({
    url: "u",
    lookedAt: "by-monitor",
    sinceWallMs: clock.wallMs(),
    lastFetchWallMs: clock.wallMs(),
    lastPushWallMs: null,
    trouble,
  }),
  breaker: null,
  queue: ok({ waiting: 0, oldestWallMs: null, dead: 0, reason: null }),
  ownRefs: ok([]),
  services: null,
  state: ok("s"),
  access: null,
  key: ok({ path: "/state/key", problem: null }),
  store: ok({ path: "p", problem: null, oldLocks: [] }),
  git: ok("2.39.5"),
  disk: ok({ freeBytes, totalBytes: 100 * GIB, path: "/" }),
  memory: fail("no /proc"),
  clock: ok({ samples: [], jump: daemon.clockJump }),
});

beforeEach(() => {
  clock = new FakeClock();
  daemon = new DaemonState(clock);
  freeBytes = 10 * GIB;
  trouble = null;
  events = [];
  looks = [];
  context = {
    clock,
    daemon,
    gather: () =>
      Promise.resolve({ ...facts(), memory: ok({ availableBytes: 1, totalBytes: 2, limitedBy: "machine" }) }),
    settings: () => DEFAULT_SETTINGS,
    noteLook: (at) => looks.push(at),
    report: (event) => events.push(event),
  };
});

describe("healthRound()", () => {
  test("keeps the verdict, waits for the interval and says nothing while all is well", async () => {
    expect(await healthRound(context)).toBe(100_000);
    expect(daemon.health?.verdict).toBe("ok");
    expect(events).toEqual([]);
    expect(daemon.cardDueMonoMs).toBeNull();
  });

  test("tells a change once, wakes who waits, and puts it on the card within a round", async () => {
    await healthRound(context);
    const { revision } = daemon;
    freeBytes = GIB / 4;
    for (let round = 0; round < 3; round += 1) await healthRound(context);
    expect(events).toEqual([
      {
        kind: "health",
        verdict: "critical",
        was: "ok",
        problems: ["the disk is nearly full: 256.0 MiB free of 100.0 GiB where / is"],
      },
    ]);
    expect(daemon.revision).toBe(revision + 1);
    expect(daemon.cardDueMonoMs).toBe(clock.monotonicMs() + 100_000);
    freeBytes = 10 * GIB;
    await healthRound(context);
    expect(events.at(-1)).toEqual({ kind: "health", verdict: "ok", was: "critical", problems: [] });
  });

  test("does not push a card about the remote: nobody could read it in time", async () => {
    await healthRound(context);
    trouble = "gone";
    await healthRound(context);
    expect(events.at(-1)).toMatchObject({ verdict: "warn", problems: ["remote in trouble: gone"] });
    expect(daemon.cardDueMonoMs).toBeNull();
  });

  test("tells at the start what is not well", async () => {
    freeBytes = 0;
    await healthRound(context);
    expect(events).toMatchObject([{ kind: "health", verdict: "critical", was: null }]);
  });

  test("remembers the last look at the remote", async () => {
    await healthRound(context);
    daemon.lastFetchWallMs = 77;
    await healthRound(context);
    expect(looks).toEqual([77]);
  });

  test("notices that the wall clock was set, and not that time passes", async () => {
    await healthRound(context);
    await clock.advance(500_000);
    await healthRound(context);
    expect(daemon.clockJump).toBeNull();
    clock.setWall(clock.wallMs() - 86_400_000);
    await healthRound(context);
    expect(daemon.clockJump).toEqual({ byMs: -86_400_000, atWallMs: clock.wallMs() });
    expect(events.at(-1)).toMatchObject({ kind: "health", verdict: "warn", was: "ok" });
  });
});
