import { beforeEach, describe, expect, test } from "bun:test";
import { FleetError } from "../../../../src/base/errors.ts";
import { knownOf, MemorySupervisor } from "../../../helpers/memory-supervisor.ts";

const NOBODY: ReadonlySet<string> = new Set();
const CRASH = { kind: "code", code: 1 } as const;

let world = new MemorySupervisor();
beforeEach(() => {
  world = new MemorySupervisor();
});

/** Begins with these services and lets them start. */
async function begin(...services: ReturnType<typeof knownOf>[]): Promise<void> {
  world.supervisor.begin(services, NOBODY);
  await world.settle();
}

/** The daemon dies, and another one is there in its place. */
function replaceDaemon(): void {
  world.supervisor.detach();
  world = new MemorySupervisor(world);
}

const find = (...names: string[]) => world.supervisor.find(names);

describe("Supervisor.begin()", () => {
  test("starts what is enabled, each instance of it, and nothing else", async () => {
    await begin(knownOf("web", { instances: 2 }), knownOf("off", { enabled: false }));
    expect(world.states).toEqual({ off: "stopped", "web:1": "running", "web:2": "running" });
    expect(world.host.alive).toBe(2);
  });

  test("after the death of a daemon adopts what runs and starts nothing twice", async () => {
    await begin(knownOf("web"), knownOf("db"));
    world = new MemorySupervisor(world);
    await begin(knownOf("web"), knownOf("db"));
    expect(world.told).toEqual(["db adopted", "web adopted"]);
    expect(world.host.spawned).toHaveLength(2);
  });

  test("finds a process that was started and not noted, by its token", async () => {
    await begin(knownOf("web"));
    world.database.run("UPDATE instances SET pid = NULL, start = NULL");
    world = new MemorySupervisor(world);
    await begin(knownOf("web"));
    expect(world.told).toEqual(["web adopted"]);
    expect(world.host.spawned).toHaveLength(1);
  });

  test("starts again what ended meanwhile, after it has ended the rest of it", async () => {
    await begin(knownOf("web"));
    world.host.forget({ identity: { pid: 0, start: "" }, run: world.host.lastRun, cgroup: null });
    world = new MemorySupervisor(world);
    await begin(knownOf("web"));
    expect(world.states).toEqual({ web: "backoff" });
    await world.clock.advance(500);
    await world.settle();
    expect(world.states).toEqual({ web: "running" });
  });

  test("does not look for a run of before the system was started", async () => {
    await begin(knownOf("web"));
    world = new MemorySupervisor(world, "next boot");
    await begin(knownOf("web"));
    expect(world.told).toEqual(["web started"]);
  });

  test("keeps still what a person stopped", async () => {
    await begin(knownOf("web"));
    world.supervisor.stop(find("web"));
    await world.clock.advance(1_000);
    world = new MemorySupervisor(world);
    await begin(knownOf("web"));
    expect(world.states).toEqual({ web: "stopped" });
  });

  test("ends the processes of a service that nobody defines any more", async () => {
    await begin(knownOf("web"));
    replaceDaemon();
    await begin();
    await world.clock.advance(1_000);
    expect(world.host.alive).toBe(0);
    expect(world.store.instances()).toEqual([]);
    expect(world.told).toEqual(["web adopted", "web stopped"]);
  });

  test("stops what nobody defines any more as its run was to be stopped, and shows it until it is gone", async () => {
    await begin(knownOf("web", { stop: { signal: "SIGINT", timeout: "30s" } }));
    world.host.obeysTerm = false;
    replaceDaemon();
    await begin();
    await world.clock.advance(20_000);
    expect(world.states).toEqual({ web: "stopping" });
    expect(world.host.signals).toEqual(["SIGINT 101"]);
    await world.clock.advance(15_000);
    expect(world.host.killed).toEqual([101]);
    expect(world.states).toEqual({});
  });

  test("stops an instance too many as its service is to be stopped", async () => {
    await begin(knownOf("web", { instances: 2 }));
    replaceDaemon();
    await begin(knownOf("web", { stop: { signal: "SIGQUIT" } }));
    await world.clock.advance(1_000);
    expect(world.states).toEqual({ web: "running" });
    expect(world.host.signals).toEqual(["SIGQUIT 102"]);
  });

  test("goes on with what its forerunner was starting anew", async () => {
    await begin(knownOf("web"));
    world.host.obeysTerm = false;
    world.supervisor.restart(find("web"));
    await world.settle();
    replaceDaemon();
    world.supervisor.begin([knownOf("web")], NOBODY);
    // It obeyed after all, and nobody was there to see it: 0 would be a good end.
    world.host.end("run-1", { kind: "code", code: 0 });
    await world.clock.advance(1_000);
    await world.settle();
    expect(world.states).toEqual({ web: "running" });
    expect(world.host.spawned).toHaveLength(2);
  });

  test("leaves alone what nobody can read", async () => {
    await begin(knownOf("web"));
    world = new MemorySupervisor(world);
    world.supervisor.begin([], new Set(["web"]));
    await world.settle();
    expect(world.host.alive).toBe(1);
    expect(world.store.instances()).toHaveLength(1);
  });
});

describe("Supervisor and dependencies", () => {
  const services = [
    knownOf("web", { depends_on: { db: "ready" } }),
    knownOf("db", { probes: { readiness: { tcp: { port: 5432 } } } }),
  ];

  test("a service waits until what it depends on is ready", async () => {
    await begin(...services);
    expect(world.states).toEqual({ db: "starting", web: "blocked" });
    world.probes.get("db")?.onReady(true);
    await world.settle();
    expect(world.states).toEqual({ db: "running", web: "running" });
  });

  test("one that waits for an end starts after a good one", async () => {
    await begin(knownOf("web", { depends_on: { migrate: "completed" } }), knownOf("migrate"));
    expect(world.states).toEqual({ migrate: "running", web: "blocked" });
    world.host.end(world.host.lastRun, { kind: "code", code: 0 });
    await world.settle();
    await world.clock.advance(100);
    expect(world.states).toEqual({ migrate: "completed", web: "running" });
  });

  test("start starts what it needs, too", async () => {
    await begin(knownOf("web", { depends_on: ["db"], enabled: false }), knownOf("db", { enabled: false }));
    world.supervisor.start(find("web"));
    await world.settle();
    expect(world.states).toEqual({ db: "running", web: "running" });
  });

  test("stopping stops who needs it first", async () => {
    await begin(knownOf("web", { depends_on: ["db"] }), knownOf("db"));
    await world.supervisor.stopAll();
    expect(world.told.filter((line) => line.endsWith("stopped"))).toEqual(["web stopped", "db stopped"]);
  });

  test("what talks to it is started anew with it", async () => {
    await begin(knownOf("web", { depends_on: ["db"] }), knownOf("db"));
    world.supervisor.restart(find("db"));
    await world.clock.advance(1_000);
    await world.settle();
    expect(world.states).toEqual({ db: "running", web: "running" });
    expect(world.host.spawned).toHaveLength(4);
  });
});

describe("a person's stop", () => {
  const app = (): Promise<void> => begin(knownOf("web", { depends_on: ["db"] }), knownOf("db"));

  test("is not undone by a restart of what the service talks to", async () => {
    await app();
    world.host.obeysTerm = false;
    world.supervisor.stop(find("web"));
    await world.settle();
    world.supervisor.restart(find("db"));
    await world.clock.advance(60_000);
    await world.settle();
    expect(world.states).toEqual({ db: "running", web: "stopped" });
  });

  test("that had to wait ends nothing that is wanted again", async () => {
    await app();
    world.host.obeysTerm = false;
    world.supervisor.stop(find());
    await world.settle();
    expect(world.states).toEqual({ db: "running", web: "stopping" });
    world.supervisor.start(find());
    await world.clock.advance(60_000);
    await world.settle();
    expect(world.states).toEqual({ db: "running", web: "running" });
    world.supervisor.stop(find("web"));
    await world.clock.advance(60_000);
    await world.settle();
    expect(world.states).toEqual({ db: "running", web: "stopped" });
    expect(world.store.instances().map(({ key, wanted }) => [key.service, wanted])).toEqual([
      ["db", true],
      ["web", false],
    ]);
  });

  test("asked for twice is one stop, and the second may kill", async () => {
    await app();
    world.host.obeysTerm = false;
    world.supervisor.stop(find());
    await world.settle();
    world.supervisor.stop(find(), true);
    await world.clock.advance(1_000);
    await world.settle();
    expect(world.states).toEqual({ db: "stopped", web: "stopped" });
    expect(world.host.killed.length).toBeGreaterThan(0);
  });
});

describe("Supervisor.restart()", () => {
  const needy = (file: Record<string, unknown> = {}) => [
    knownOf("web", { depends_on: ["db"], ...file }),
    knownOf("db", { depends_on: ["disk"] }),
    knownOf("disk"),
  ];

  test("starts what it depends on and does not run, and leaves alone what does", async () => {
    await begin(...needy());
    world.supervisor.stop(find("db", "web"));
    await world.clock.advance(1_000);
    await world.settle();
    expect(world.states).toEqual({ db: "stopped", disk: "running", web: "stopped" });
    world.supervisor.restart(find("web"));
    await world.settle();
    expect(world.states).toEqual({ db: "running", disk: "running", web: "running" });
    expect(world.host.spawned).toHaveLength(5);
  });

  test("without a gap does the same, and is over when it is ready", async () => {
    await begin(...needy());
    world.supervisor.stop(find());
    await world.clock.advance(1_000);
    await world.settle();
    const replaced = world.supervisor.replace(find("web"));
    await world.settle();
    expect(await replaced).toEqual([]);
    expect(world.states).toEqual({ db: "running", disk: "running", web: "running" });
  });
});

describe("Supervisor.redefine()", () => {
  test("what is out, in and out again while it is being stopped goes, and can be stopped in between", async () => {
    await begin(knownOf("web"));
    world.host.obeysTerm = false;
    for (const services of [[], [knownOf("web")]]) {
      world.supervisor.redefine(services, NOBODY);
      await world.settle();
    }
    await world.clock.advance(60_000);
    await world.settle();
    expect(world.states).toEqual({ web: "running" });
    expect(find("web")).toHaveLength(1);
    world.supervisor.redefine([], NOBODY);
    await world.clock.advance(60_000);
    await world.settle();
    expect(world.states).toEqual({});
    expect(world.store.instances()).toEqual([]);
  });

  test("starts what is new, stops and forgets what is gone, and leaves what runs", async () => {
    await begin(knownOf("web"), knownOf("old"));
    world.supervisor.redefine([knownOf("web", { command: ["/bin/false"] }), knownOf("new")], NOBODY);
    await world.clock.advance(1_000);
    await world.settle();
    expect(world.states).toEqual({ new: "running", web: "running" });
    expect(world.supervisor.instances.map(({ isOutdated }) => isOutdated)).toEqual([false, true]);
    expect(world.store.instances().map(({ key }) => key.service)).toEqual(["new", "web"]);
  });

  test("starts no more instances of what a person stopped, now or when the next daemon begins", async () => {
    await begin(knownOf("web", { instances: 2 }), knownOf("db"));
    world.supervisor.stop(find("web"));
    await world.settle();
    world.supervisor.redefine([knownOf("web", { instances: 3 }), knownOf("db", { instances: 2 })], NOBODY);
    await world.settle();
    const still = { "web:1": "stopped", "web:2": "stopped", "web:3": "stopped" };
    expect(world.states).toEqual({ "db:1": "running", "db:2": "running", ...still });
    world = new MemorySupervisor(world);
    await begin(knownOf("web", { instances: 4 }), knownOf("db", { instances: 3 }));
    expect(world.states).toMatchObject({ "db:3": "running", ...still, "web:4": "stopped" });
  });

  test("what is on its way out cannot be started, unless it is defined again before it is gone", async () => {
    await begin(knownOf("web", { instances: 2 }));
    world.supervisor.redefine([knownOf("web", { instances: 1 })], NOBODY);
    world.supervisor.start(find("web"));
    await world.settle();
    expect(world.states).toEqual({ web: "running" });
    world.supervisor.redefine([], NOBODY);
    world.supervisor.redefine([knownOf("web")], NOBODY);
    await world.settle();
    expect(world.states).toEqual({ web: "running" });
    expect(world.host.alive).toBe(1);
  });

  test("follows the number of instances up and down", async () => {
    await begin(knownOf("web"));
    world.supervisor.redefine([knownOf("web", { instances: 3 })], NOBODY);
    await world.settle();
    expect(Object.keys(world.states)).toEqual(["web:1", "web:2", "web:3"]);
    world.supervisor.redefine([knownOf("web")], NOBODY);
    await world.clock.advance(1_000);
    await world.settle();
    expect(world.states).toEqual({ web: "running" });
    expect(world.host.alive).toBe(1);
  });
});

describe("Supervisor.replace()", () => {
  const probed = knownOf("web", { probes: { readiness: { tcp: { port: 80 } } } });

  test("starts the new one beside the old one, which goes when the new one is ready", async () => {
    await begin(probed);
    world.probes.get("web")?.onReady(true);
    const replaced = world.supervisor.replace(find("web"));
    await world.settle();
    expect(world.states).toEqual({ web: "running", "web'": "starting" });
    world.probes.get("web'")?.onReady(true);
    await world.clock.advance(1_000);
    expect(await replaced).toEqual([]);
    expect(world.states).toEqual({ web: "running" });
    expect(world.host.alive).toBe(1);
    expect(world.store.instances().map(({ key }) => key.successor)).toEqual([false]);
  });

  test("keeps the old one when the new one ends before it is ready", async () => {
    await begin(probed);
    world.probes.get("web")?.onReady(true);
    const before = world.supervisor.instances[0]?.tree;
    const replaced = world.supervisor.replace(find("web"));
    await world.settle();
    world.host.end(world.host.lastRun, CRASH);
    await world.settle();
    await world.clock.advance(1_000);
    expect(await replaced).toEqual([{ name: "web", detail: "exit code 1" }]);
    expect(world.supervisor.instances[0]?.tree).toEqual(before ?? null);
    expect(world.store.instances()).toHaveLength(1);
  });

  test.each([
    ["before the new one is ready, the old one stays", 1, "run-1"],
    ["after the old one was given up, the new one stays", 0, "run-2"],
  ] as const)("cut off %s", async (_, isOldWanted, staying) => {
    await begin(probed);
    world.probes.get("web")?.onReady(true);
    void world.supervisor.replace(find("web"));
    await world.settle();
    if (isOldWanted === 0) world.store.want([{ service: "web", number: 1, successor: false }], false);
    world.supervisor.detach();
    world = new MemorySupervisor(world);
    await begin(probed);
    await world.clock.advance(1_000);
    await world.settle();
    expect(world.host.alive).toBe(1);
    expect(world.supervisor.instances.map(({ run }) => run?.run)).toEqual([staying]);
    expect(world.store.instances().map(({ key }) => key.successor)).toEqual([false]);
  });
});

describe("Supervisor.forget()", () => {
  test("stops what was given, and keeps nothing of it", async () => {
    world.store.give([{ name: "web", definition: { command: ["/bin/true"] } }], 0);
    await begin({ ...knownOf("web"), origin: "given" });
    const forgotten = world.supervisor.forget(find("web"));
    await world.clock.advance(1_000);
    await forgotten;
    expect([world.states, world.store.given(), world.store.instances(), world.host.alive]).toEqual([
      {},
      [],
      [],
      0,
    ]);
  });
});

describe("Supervisor.adopt()", () => {
  test("takes a process that runs, and follows it to its end", async () => {
    await begin(knownOf("web", { enabled: false, restart: "no" }));
    const [instance] = find("web");
    if (instance === undefined) throw new Error("no instance");
    world.host.plant({ identity: { pid: 7, start: "boot:7" }, run: "run-1", cgroup: null });
    world.supervisor.adopt(instance, { pid: 7, start: "boot:7" });
    expect(world.states).toEqual({ web: "running" });
    world.host.end("run-1", CRASH);
    await world.settle();
    await world.clock.advance(100);
    expect(world.states).toEqual({ web: "failed" });
  });

  test("refuses one that is gone, and an instance that runs", async () => {
    await begin(knownOf("web"), knownOf("db", { enabled: false }));
    const [db, web] = world.supervisor.instances;
    if (db === undefined || web === undefined) throw new Error("no instances");
    const gone = { pid: 7, start: "boot:7" };
    expect(() => world.supervisor.adopt(db, gone)).toThrow(
      new FleetError("BAD_INPUT", "Cannot adopt process 7: it is gone"),
    );
    expect(() => world.supervisor.adopt(web, gone)).toThrow(
      'Cannot adopt into "web": it runs, need one that does not',
    );
  });
});

test("Supervisor.adopt() refuses what is part of another service, and an instance that is just starting", async () => {
  await begin(knownOf("web"), knownOf("db", { enabled: false }));
  const [db] = find("db");
  if (db === undefined) throw new Error("no instance");
  expect(() => world.supervisor.adopt(db, { pid: 101, start: "boot:101" })).toThrow(
    new FleetError("BAD_INPUT", 'Cannot adopt process 101: it is part of "web"'),
  );
  db.apply({ kind: "start" });
  expect(() => world.supervisor.adopt(db, { pid: 7, start: "boot:7" })).toThrow(
    'Cannot adopt into "db": it is just being started',
  );
  await world.settle();
  expect(world.states).toEqual({ db: "running", web: "running" });
});

test("Supervisor.detach() touches no process", async () => {
  await begin(knownOf("web"));
  world.supervisor.detach();
  await world.clock.advance(60_000);
  expect([world.host.alive, world.host.signals]).toEqual([1, []]);
});
