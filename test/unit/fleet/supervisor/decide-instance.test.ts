import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { ProcessTree } from "../../../../src/base/ports/process-host.ts";
import { decideInstance } from "../../../../src/fleet/supervisor/decide-instance.ts";
import type {
  InstanceDeed,
  InstanceEvent,
  InstanceFacts,
  InstanceState,
} from "../../../../src/fleet/supervisor/instance-model.ts";
import { NEW_INSTANCE } from "../../../../src/fleet/supervisor/instance-model.ts";

const TREE: ProcessTree = { identity: { pid: 77, start: "boot:1" }, run: "r1", cgroup: null };
const FACTS: InstanceFacts = {
  nowMonoMs: 1_000,
  random: 0.5,
  rules: {
    policy: "on-failure",
    firstMs: 500,
    longestMs: 60_000,
    stableMs: 10_000,
    failures: 5,
    withinMs: 60_000,
    slowMs: 300_000,
  },
  startTimeoutMs: 30_000,
  mayStart: true,
};
const SPAWNED: InstanceEvent = { kind: "spawned", tree: TREE, needsProbe: false };
const CRASHED: InstanceEvent = { kind: "exited", why: { kind: "code", code: 1 } };

/** Plays events one after the other; answers the last state and all deeds. */
function play(events: readonly InstanceEvent[], facts: Partial<InstanceFacts> = {}, from = NEW_INSTANCE) {
  let state: InstanceState = from;
  const deeds: InstanceDeed[] = [];
  for (const event of events) {
    const step = decideInstance(state, event, { ...FACTS, ...facts });
    state = step.state;
    deeds.push(...step.deeds);
  }
  return {
    state,
    deeds,
    kinds: deeds.map((deed) => (deed.kind === "report" ? deed.report.kind : deed.kind)),
  };
}

describe("decideInstance() on its way up", () => {
  test("a stop gives up the start that is under way, and is no failure", () => {
    const { state, kinds } = play([{ kind: "start" }, { kind: "stop" }, { kind: "given-up" }]);
    expect(state).toMatchObject({ wanted: false, phase: { kind: "stopped" }, lastEnd: { kind: "person" } });
    expect(kinds).toEqual(["spawn", "give-up", "stopped"]);
  });

  test("what is wanted again before its start was given up is started at once", () => {
    const { state, kinds } = play([
      { kind: "start" },
      { kind: "stop" },
      { kind: "start" },
      { kind: "given-up" },
    ]);
    expect([state.phase.kind, kinds]).toEqual(["spawning", ["spawn", "give-up", "spawn"]]);
  });

  test("start spawns, and what has no probe is ready with its process", () => {
    const { state, kinds } = play([{ kind: "start" }, SPAWNED]);
    expect(state.phase).toMatchObject({ kind: "running", ready: true });
    expect(kinds).toEqual(["spawn", "started", "follow", "timer"]);
  });

  test("what waits for its dependencies is spawned when they are there, once", () => {
    const blocked = play([{ kind: "start" }], { mayStart: false });
    expect(blocked.state.phase.kind).toBe("blocked");
    expect(blocked.kinds).toEqual([]);
    const again = play([{ kind: "dependencies" }, { kind: "dependencies" }], {}, blocked.state);
    expect(again.kinds).toEqual(["spawn"]);
  });

  test("a start that is not ready in time is ended and tried again", () => {
    const { state, deeds } = play([
      { kind: "start" },
      { ...SPAWNED, needsProbe: true },
      { kind: "timer" },
      { kind: "emptied" },
    ]);
    expect(deeds).toContainEqual({ kind: "end", tree: TREE, gently: true });
    expect(state.phase.kind).toBe("waiting");
    expect(state.lastEnd).toEqual({ kind: "probe", detail: "not ready within 30 s" });
  });

  test("a program that cannot be started is tried again after a pause", () => {
    const { state, kinds } = play([{ kind: "start" }, { kind: "spawn-failed", detail: "no such program" }]);
    expect(state.phase).toEqual({ kind: "waiting", untilMonoMs: 1_500 });
    expect(kinds).toEqual(["spawn", "ended", "timer"]);
  });
});

describe("decideInstance() when a process ends", () => {
  test("what is left of it is ended before anything else happens", () => {
    const { state, deeds } = play([{ kind: "start" }, SPAWNED, CRASHED]);
    expect(state.phase).toMatchObject({ kind: "ending", next: "decide" });
    expect(deeds.at(-1)).toEqual({ kind: "end", tree: TREE, gently: false });
  });

  test("it is started again after its pause", () => {
    const { state, deeds } = play([
      { kind: "start" },
      SPAWNED,
      CRASHED,
      { kind: "emptied" },
      { kind: "timer" },
    ]);
    expect(state.phase.kind).toBe("spawning");
    expect(state.restarts).toBe(1);
    expect(deeds).toContainEqual({ kind: "timer", afterMs: 500 });
  });

  test("0 is an end that on-failure respects", () => {
    const done = { kind: "exited", why: { kind: "code", code: 0 } } as const;
    const { state } = play([{ kind: "start" }, SPAWNED, done, { kind: "emptied" }]);
    expect(state).toMatchObject({
      wanted: true,
      phase: { kind: "stopped" },
      lastEnd: { kind: "code", code: 0 },
    });
  });

  test("ready for the stable time, its pauses begin anew", () => {
    const loop = [SPAWNED, CRASHED, { kind: "emptied" }, { kind: "timer" }] as const;
    const { state } = play([{ kind: "start" }, ...loop, ...loop, SPAWNED, { kind: "timer" }]);
    expect(state.history.failures).toBe(0);
  });

  test("one that lost its readiness is not stable", () => {
    const ready = (value: boolean): InstanceEvent => ({ kind: "ready", ready: value });
    const { state } = play([
      { kind: "start" },
      SPAWNED,
      CRASHED,
      { kind: "emptied" },
      { kind: "timer" },
      { ...SPAWNED, needsProbe: true },
      ready(true),
      ready(false),
      { kind: "timer" },
    ]);
    expect(state.history.failures).toBe(1);
    expect(state.phase).toMatchObject({ kind: "running", ready: false });
  });
});

describe("decideInstance() and a person's stop", () => {
  test.each<[string, readonly InstanceEvent[]]>([
    ["during its pause", [{ kind: "start" }, SPAWNED, CRASHED, { kind: "emptied" }, { kind: "stop" }]],
    [
      "while what crashed is emptied",
      [{ kind: "start" }, SPAWNED, CRASHED, { kind: "stop" }, { kind: "emptied" }],
    ],
    ["while it is spawned", [{ kind: "start" }, { kind: "stop" }, SPAWNED, { kind: "emptied" }]],
    [
      "while it is started anew",
      [
        { kind: "start" },
        SPAWNED,
        { kind: "restart", why: { kind: "watch", detail: "" } },
        { kind: "stop" },
        { kind: "emptied" },
      ],
    ],
  ])("%s wins", (_, events) => {
    const { state } = play(events);
    expect(state.phase.kind).toBe("stopped");
    const later = play([{ kind: "timer" }, { kind: "dependencies" }, { kind: "emptied" }], {}, state);
    expect(later.deeds).toEqual([]);
  });

  test("is told once, however often it is said", () => {
    const said = play([{ kind: "start" }, SPAWNED, { kind: "stop" }, { kind: "emptied" }, { kind: "stop" }]);
    expect(said.kinds.filter((kind) => kind === "stopped")).toEqual(["stopped"]);
    expect(said.state).toMatchObject({ wanted: false, phase: { kind: "stopped" } });
  });

  test("that its daemon did not live to finish is finished by the next one", () => {
    const { state, deeds } = play([ADOPTED]);
    expect(deeds.at(-1)).toEqual({ kind: "end", tree: TREE, gently: true });
    expect(state.phase).toMatchObject({ kind: "ending", next: "stay" });
  });
});

const ADOPTED: InstanceEvent = { kind: "adopted", tree: TREE, progress: "ready", ending: null };

describe("decideInstance() and an earlier daemon's run", () => {
  const wanted: InstanceState = { ...NEW_INSTANCE, wanted: true };

  test("that lives is followed and not started", () => {
    const { state, kinds } = play([ADOPTED], {}, wanted);
    expect(kinds).toEqual(["adopted", "follow", "timer"]);
    expect(state.phase).toMatchObject({ kind: "running", tree: TREE, ready: true });
  });

  test("that was being started anew is ended, and started", () => {
    const ending = { next: "start", why: { kind: "person" } } as const;
    const events: InstanceEvent[] = [
      { kind: "adopted", tree: TREE, progress: "ready", ending },
      { kind: "emptied" },
    ];
    const { state, deeds } = play(events, {}, wanted);
    expect(deeds).toContainEqual({ kind: "end", tree: TREE, gently: true });
    expect(state.phase.kind).toBe("spawning");
    const gone = play([{ kind: "lost", tree: TREE, ending }, { kind: "emptied" }], {}, wanted);
    expect(gone.state.phase.kind).toBe("spawning");
  });

  test("that was ended for a reason is told with it, also when nobody saw its end", () => {
    const ending = { next: "decide", why: { kind: "probe", detail: "no answer" } } as const;
    const { state } = play([{ kind: "lost", tree: TREE, ending }, { kind: "emptied" }], {}, wanted);
    expect([state.lastEnd, state.phase.kind]).toEqual([ending.why, "waiting"]);
  });

  test("that was ready once has no time for its start any more", () => {
    const unready = play(
      [{ kind: "adopted", tree: TREE, progress: "unready", ending: null }, { kind: "timer" }],
      {},
      wanted,
    );
    expect(unready.state.phase.kind).toBe("running");
    const started = play(
      [{ kind: "adopted", tree: TREE, progress: "started", ending: null }, { kind: "timer" }],
      {},
      wanted,
    );
    expect(started.state.phase.kind).toBe("ending");
  });

  test("that has ended is emptied first and counts as a failure", () => {
    const { state, deeds } = play(
      [{ kind: "lost", tree: TREE, ending: null }, { kind: "emptied" }],
      {},
      wanted,
    );
    expect(deeds[0]).toEqual({ kind: "end", tree: TREE, gently: false });
    expect(state.phase.kind).toBe("waiting");
    expect(state.lastEnd).toEqual({ kind: "unknown" });
  });
});

test("decideInstance() never spawns beside a run that is not emptied, whatever happens in whatever order", () => {
  const events = fc.constantFrom<InstanceEvent>(
    { kind: "start" },
    { kind: "stop" },
    { kind: "restart", why: { kind: "person" } },
    { kind: "restart", why: { kind: "dependency", detail: "db" } },
    { kind: "dependencies" },
    { kind: "ready", ready: true },
    { kind: "ready", ready: false },
    { kind: "unwell", why: { kind: "probe", detail: "x" } },
    CRASHED,
    { kind: "timer" },
  );
  const script = fc.array(fc.oneof(events, fc.constant("answer" as const)), { maxLength: 60 });
  fc.assert(
    fc.property(script, fc.boolean(), (steps, mayStart) => {
      const machine = new CheckedMachine(mayStart);
      for (const step of steps) machine.take(step);
    }),
  );
});

/** A machine whose deeds are answered one at a time, and checked as they come. */
class CheckedMachine {
  #state = NEW_INSTANCE;
  #isAlive = false;
  /** What the deed under way will come to. */
  #owed: "spawned" | "emptied" | null = null;
  readonly #mayStart: boolean;

  constructor(mayStart: boolean) {
    this.#mayStart = mayStart;
  }

  take(step: InstanceEvent | "answer"): void {
    const event = step === "answer" ? this.#answer() : step;
    if (event === null) return;
    const { state, deeds } = decideInstance(this.#state, event, { ...FACTS, mayStart: this.#mayStart });
    this.#state = state;
    for (const deed of deeds) this.#check(deed);
    if (!state.wanted) expect(["stopped", "ending", "spawning"]).toContain(state.phase.kind);
  }

  #answer(): InstanceEvent | null {
    const owed = this.#owed;
    this.#owed = null;
    if (owed !== null) this.#isAlive = owed === "spawned";
    if (owed === null) return null;
    return owed === "spawned" ? SPAWNED : { kind: "emptied" };
  }

  #check(deed: InstanceDeed): void {
    if (deed.kind !== "spawn" && deed.kind !== "end") return;
    expect(this.#owed).toBeNull();
    if (deed.kind === "spawn") expect(this.#isAlive).toBe(false);
    this.#owed = deed.kind === "spawn" ? "spawned" : "emptied";
  }
}
