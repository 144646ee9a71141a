import { describe, expect, test } from "bun:test";
import type { Listener, ProcessTable, SignalOutcome } from "../../../../src/base/ports/process-table.ts";
import {
  endProcess,
  freePort,
  type KillOptions,
  type KillPorts,
} from "../../../../src/fleet/supervisor/end-process.ts";
import { FakeClock } from "../../../helpers/fake-clock.ts";

const SELF = 100;

/** A process of the scene, and what ends it. */
interface Actor {
  readonly pid: number;
  readonly parent?: number;
  readonly start?: string;
  readonly ours?: boolean;
  /** The signals it ends at; it then becomes a zombie where `zombie` says so. */
  readonly endsAt?: readonly string[];
  readonly zombie?: boolean;
  readonly answer?: SignalOutcome;
  readonly ports?: readonly number[];
}

class Scene {
  readonly signals: string[] = [];
  readonly #actors: Map<number, Actor>;
  readonly #dead = new Set<number>();
  readonly clock = new FakeClock();
  /** Called before each look for listeners. */
  onLook: () => void = () => undefined;

  constructor(actors: readonly Actor[]) {
    this.clock.passesWhenSlept = true;
    this.#actors = new Map([{ pid: SELF, parent: 1 }, { pid: 1 }, ...actors].map((one) => [one.pid, one]));
  }

  add(actor: Actor): void {
    this.#actors.set(actor.pid, actor);
    this.#dead.delete(actor.pid);
  }

  #rows() {
    return [...this.#actors.values()].flatMap((actor) => {
      const isDead = this.#dead.has(actor.pid);
      if (isDead && actor.zombie !== true) return [];
      return [
        {
          pid: actor.pid,
          parent: actor.parent ?? 1,
          group: actor.pid,
          session: actor.pid,
          start: actor.start ?? `start ${actor.pid}`,
          name: `program-${actor.pid}`,
          state: isDead ? ("dead" as const) : ("sleeping" as const),
          cpuMs: 0,
          residentBytes: 0,
        },
      ];
    });
  }

  #listeners(port: number | null): Listener[] {
    this.onLook();
    const alive = this.#rows().filter(({ state }) => state !== "dead");
    return alive.flatMap(({ pid, start, name }) =>
      (this.#actors.get(pid)?.ports ?? []).flatMap((one) =>
        port === null || port === one
          ? [
              {
                protocol: "tcp" as const,
                address: "127.0.0.1",
                port: one,
                user: "u",
                owners: pid < 0 ? null : [{ pid, start, name, user: "u" }],
              },
            ]
          : [],
      ),
    );
  }

  ports(): KillPorts {
    const table: ProcessTable = {
      list: () => Promise.resolve(this.#rows()),
      pick: (pids) => Promise.resolve(this.#rows().filter(({ pid }) => pids.includes(pid))),
      details: () => Promise.resolve(null),
      listeners: (port) => Promise.resolve(this.#listeners(port)),
      isListened: (port) => Promise.resolve(this.#listeners(port).length > 0),
      isOurs: (pid) => Promise.resolve(this.#actors.get(pid)?.ours === true),
      signal: ({ pid, start }, signal) => {
        const row = this.#rows().find((one) => one.pid === pid);
        if (row?.start !== start) return Promise.resolve("gone");
        const actor = this.#actors.get(pid);
        this.signals.push(`${signal} ${pid}`);
        if (actor?.answer !== undefined) return Promise.resolve(actor.answer);
        if ((actor?.endsAt ?? ["SIGTERM", "SIGKILL"]).includes(signal)) this.#dead.add(pid);
        return Promise.resolve("sent");
      },
    };
    return { table, clock: this.clock, selfPid: SELF };
  }
}

const OPTIONS: KillOptions = {
  force: false,
  dryRun: false,
  termMs: 1_000,
  killMs: 500,
  signal: new AbortController().signal,
};
const end = (scene: Scene, pid: number, more: Partial<KillOptions> & { start?: string } = {}) =>
  endProcess({ pid, start: more.start ?? null }, scene.ports(), { ...OPTIONS, ...more });
const free = (scene: Scene, more: Partial<KillOptions> = {}) =>
  freePort({ port: 80, protocol: null }, scene.ports(), { ...OPTIONS, ...more });

describe("endProcess()", () => {
  test("ends what fleetd started with TERM alone where that is enough", async () => {
    const scene = new Scene([{ pid: 200, ours: true }]);
    expect(await end(scene, 200)).toEqual({
      outcome: "killed",
      pid: 200,
      name: "program-200",
      by: null,
      neededKill: false,
    });
    expect(scene.signals).toEqual(["SIGTERM 200"]);
  });

  test("kills what ignores TERM, after its time", async () => {
    const scene = new Scene([{ pid: 200, ours: true, endsAt: ["SIGKILL"] }]);
    expect(await end(scene, 200)).toMatchObject({ outcome: "killed", neededKill: true });
    expect(scene.signals).toEqual(["SIGTERM 200", "SIGKILL 200"]);
    expect(scene.clock.sleptMs.reduce((sum, ms) => sum + ms, 0)).toBeGreaterThanOrEqual(OPTIONS.termMs);
  });

  test("answers timeout for what survives even that", async () => {
    const scene = new Scene([{ pid: 200, ours: true, endsAt: [] }]);
    expect(await end(scene, 200)).toMatchObject({ outcome: "timeout", neededKill: true });
  });

  test("takes a zombie for gone", async () => {
    const scene = new Scene([{ pid: 200, ours: true, zombie: true }]);
    expect(await end(scene, 200)).toMatchObject({ outcome: "killed" });
    expect(await end(scene, 200)).toMatchObject({ outcome: "not-found" });
  });

  // The original answered true for a pid that nobody has.
  test("answers not-found for a missing pid", async () => {
    expect(await end(new Scene([]), 4242, { force: true })).toMatchObject({
      outcome: "not-found",
      name: null,
    });
  });

  test.each([SELF, 1, 0, -7])("forbids %i, also with force, without a signal", async (pid) => {
    const scene = new Scene([]);
    expect(await end(scene, pid, { force: true })).toMatchObject({ outcome: "forbidden" });
    expect(scene.signals).toEqual([]);
  });

  test("leaves strangers alone without force", async () => {
    const scene = new Scene([{ pid: 200 }]);
    expect(await end(scene, 200)).toMatchObject({ outcome: "not-ours" });
    expect(scene.signals).toEqual([]);
    expect(await end(scene, 200, { force: true })).toMatchObject({ outcome: "killed" });
  });

  test("answers not-found where the id went to another process", async () => {
    const scene = new Scene([{ pid: 200, ours: true, start: "later" }]);
    expect(await end(scene, 200, { start: "earlier" })).toMatchObject({ outcome: "not-found" });
    expect(scene.signals).toEqual([]);
  });

  test("says when the system forbids it", async () => {
    const scene = new Scene([{ pid: 200, ours: true, answer: "forbidden" }]);
    expect(await end(scene, 200)).toMatchObject({ outcome: "forbidden", by: "system" });
  });

  test("signals nothing on a dry run", async () => {
    const scene = new Scene([{ pid: 200, ours: true }]);
    expect(await end(scene, 200, { dryRun: true })).toMatchObject({ outcome: "killed" });
    expect(scene.signals).toEqual([]);
  });
});

describe("freePort()", () => {
  test("answers not-found where nobody listens", async () => {
    expect(await free(new Scene([{ pid: 200, ports: [8080] }]))).toEqual({
      outcome: "not-found",
      owners: [],
      left: [],
    });
  });

  test("ends all owners", async () => {
    const scene = new Scene([
      { pid: 200, ours: true, ports: [80] },
      { pid: 201, ours: true, ports: [80], endsAt: ["SIGKILL"] },
    ]);
    expect(await free(scene)).toMatchObject({
      outcome: "killed",
      owners: [{ pid: 200 }, { pid: 201, neededKill: true }],
      left: [],
    });
  });

  // The original ended itself when it owned the port.
  test("forbids it where this process is an owner, and ends no other owner", async () => {
    const scene = new Scene([{ pid: 200, ours: true, ports: [80] }]);
    scene.add({ pid: SELF, ports: [80] });
    expect(await free(scene, { force: true })).toMatchObject({ outcome: "forbidden" });
    expect(scene.signals).toEqual([]);
  });

  test("forbids it where an owner may not be seen", async () => {
    const scene = new Scene([{ pid: -5, ports: [80] }]);
    expect(await free(scene, { force: true })).toMatchObject({ outcome: "forbidden", owners: [] });
  });

  // The original's clean-up ended strangers.
  test("leaves a stranger alone, and ours beside it", async () => {
    const scene = new Scene([
      { pid: 200, ports: [80] },
      { pid: 201, ours: true, ports: [80] },
    ]);
    expect(await free(scene)).toMatchObject({ outcome: "not-ours" });
    expect(scene.signals).toEqual([]);
  });

  // The original did not look again after its last kill.
  test("looks again: whoever took the port at once is named, and it is no success", async () => {
    const scene = new Scene([{ pid: 200, ours: true, ports: [80] }]);
    scene.onLook = () => scene.add({ pid: 300, ports: [80] });
    const first = await free(scene, { force: true });
    expect(first).toMatchObject({ outcome: "timeout", left: [{ port: 80, owners: [{ pid: 300 }] }] });
  });
});
