import { beforeEach, describe, expect, test } from "bun:test";
import type { ProcessTree } from "../../../../src/base/ports/process-host.ts";
import { FRESH_HISTORY } from "../../../../src/fleet/supervisor/decide-restart.ts";
import type { KeptNotesWorld } from "../../../../src/fleet/supervisor/kept-notes.ts";
import { prepareServices, ServiceStore } from "../../../../src/fleet/supervisor/service-store.ts";
import { FakeClock } from "../../../helpers/fake-clock.ts";
import { MemoryDatabase } from "../../../helpers/memory-database.ts";

const WEB = { service: "web", number: 1, successor: false };
const NEXT = { ...WEB, successor: true };
const STOP = { signal: "SIGINT", to: "main", timeoutMs: 7 } as const;
const TREE: ProcessTree = { identity: { pid: 7, start: "boot:7" }, run: "r", cgroup: "/group" };

let told: string[] = [];
const clock = new FakeClock();
const WORLD: KeptNotesWorld = {
  clock,
  onTrouble: (detail) => told.push(detail),
  onWell: () => told.push("well"),
};

let database = new MemoryDatabase();
let store = new ServiceStore(database, "boot", WORLD);
beforeEach(() => {
  told = [];
  database = new MemoryDatabase();
  prepareServices(database);
  store = new ServiceStore(database, "boot", WORLD);
});

describe("ServiceStore", () => {
  test("keeps what is wanted, and in which start of the system that was said", () => {
    store.want([WEB], true);
    expect(store.instances()).toEqual([
      {
        key: WEB,
        wanted: true,
        boot: "boot",
        run: null,
        restarts: 0,
        history: FRESH_HISTORY,
        lastEnd: null,
        endedWallMs: null,
      },
    ]);
  });

  test("keeps a run before its process is known, and its process then", () => {
    store.want([WEB], true);
    store.noteRun(WEB, { run: "r", digest: "d", startedWallMs: 5.4 }, STOP);
    expect(store.instances()[0]?.run).toEqual({
      run: "r",
      tree: null,
      progress: "begun",
      ending: null,
      stop: { signal: "SIGINT", to: "main", timeoutMs: 7 },
      startedWallMs: 5,
      digest: "d",
    });
    store.noteProcess(WEB, TREE);
    store.noteProgress(WEB, "ready");
    const ending = { next: "start", why: { kind: "person" } } as const;
    store.noteEnding(WEB, ending);
    expect(store.instances()[0]?.run).toMatchObject({ tree: TREE, progress: "ready", ending });
    store.noteRun(WEB, { run: "s", digest: "d", startedWallMs: 6 }, STOP);
    expect(store.instances()[0]?.run).toMatchObject({ tree: null, progress: "begun", ending: null });
  });

  test("an end takes the run away and keeps what the next pause depends on", () => {
    store.want([WEB], true);
    store.noteRun(WEB, { run: "r", digest: "d", startedWallMs: 5 }, STOP);
    const history = { failures: 3, failedMonoMs: [1, 2, 3], isLooping: true };
    store.noteEnd(WEB, { lastEnd: { kind: "oom" }, restarts: 2, history, endedWallMs: 9 });
    expect(store.instances()[0]).toMatchObject({
      run: null,
      lastEnd: { kind: "oom" },
      restarts: 2,
      endedWallMs: 9,
      // Instants of a clock that starts with the process mean nothing to the next one.
      history: { failures: 3, failedMonoMs: [], isLooping: true },
    });
  });

  test("succeed() makes the successor the instance, in one step", () => {
    store.want([WEB, NEXT], true);
    store.noteRun(NEXT, { run: "new", digest: "", startedWallMs: 1 }, STOP);
    const commits = database.commits;
    store.succeed(WEB);
    expect(database.commits).toBe(commits + 1);
    expect(store.instances().map(({ key, run }) => [key, run?.run])).toEqual([[WEB, "new"]]);
  });

  test("forget() leaves nothing of an instance, and the others", () => {
    store.want([WEB, NEXT], true);
    store.forget(NEXT);
    expect(store.instances().map(({ key }) => key)).toEqual([WEB]);
  });

  test("keeps definitions as they were given, the last of each name, until they are taken back", () => {
    store.give([{ name: "web", definition: { command: ["a"] } }], 1);
    store.give(
      [
        { name: "web", definition: { command: ["b"] } },
        { name: "db", definition: {} },
      ],
      2,
    );
    expect(store.given()).toEqual([
      { name: "db", definition: {} },
      { name: "web", definition: { command: ["b"] } },
    ]);
    store.takeBack(["web"]);
    expect(store.given()).toEqual([{ name: "db", definition: {} }]);
  });
});

describe("ServiceStore on a full disk", () => {
  test("refuses what has to be noted before it is done", () => {
    database.failAlways("COMMIT");
    expect(() => store.want([WEB], true)).toThrow("disk I/O error");
    expect(() => store.noteRun(WEB, { run: "r", digest: "d", startedWallMs: 5 }, STOP)).toThrow();
    expect(told).toEqual([]);
  });

  test("keeps what has happened, tells once, and writes it in its order when it can", async () => {
    store.want([WEB], true);
    store.noteRun(WEB, { run: "r", digest: "d", startedWallMs: 5 }, STOP);
    database.failAlways("UPDATE");
    store.noteProcess(WEB, TREE);
    store.noteProgress(WEB, "started");
    store.noteProgress(WEB, "ready");
    await clock.advance(10_000);
    expect(told).toEqual(["Cannot use database: disk I/O error"]);
    expect(store.instances()[0]?.run).toMatchObject({ tree: null, progress: "begun" });
    database.failAlways(null);
    await clock.advance(2_000);
    expect(store.instances()[0]?.run).toMatchObject({ tree: TREE, progress: "ready" });
    expect(told).toEqual(["Cannot use database: disk I/O error", "well"]);
  });

  test("writes what was kept before what is noted next, so that an old end ends no new run", () => {
    store.want([WEB], true);
    store.noteRun(WEB, { run: "old", digest: "d", startedWallMs: 5 }, STOP);
    database.failOnce("UPDATE");
    store.noteEnd(WEB, {
      lastEnd: { kind: "code", code: 1 },
      restarts: 1,
      history: FRESH_HISTORY,
      endedWallMs: 9,
    });
    store.noteRun(WEB, { run: "new", digest: "d", startedWallMs: 10 }, STOP);
    expect(store.instances()[0]).toMatchObject({ restarts: 1, run: { run: "new", tree: null } });
    expect(told).toEqual(["Cannot use database: disk I/O error", "well"]);
  });
});
