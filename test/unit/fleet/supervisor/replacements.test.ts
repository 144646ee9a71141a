import { beforeEach, describe, expect, test } from "bun:test";
import { isLeftBehind } from "../../../../src/fleet/supervisor/replacements.ts";
import { knownOf, MemorySupervisor } from "../../../helpers/memory-supervisor.ts";

const PROBED = { probes: { readiness: { tcp: { port: 80 } } } };
const WEB = knownOf("web", PROBED);
const NOBODY: ReadonlySet<string> = new Set();

let world = new MemorySupervisor();
beforeEach(() => {
  world = new MemorySupervisor();
});

/** Begins with these, all of which become ready. */
async function begin(...services: ReturnType<typeof knownOf>[]): Promise<void> {
  world.supervisor.begin(services, NOBODY);
  await readyAll();
}

/** Lets everything start that is about to, and says of all that it is ready. */
async function readyAll(): Promise<void> {
  await world.settle();
  for (const probe of [...world.probes.values()]) probe.onReady(true);
  await world.settle();
}

const find = (...names: string[]) => world.supervisor.find(names);

describe("replacements that their daemon did not live to finish", () => {
  /** The daemon dies at its `count`th note after the replacement began; false when it does not come to so many. */
  async function dieAtNote(count: number): Promise<boolean> {
    const { database, host, supervisor } = world;
    const { transaction, relaxedTransaction } = database;
    const { signal, kill, spawn } = host;
    let notes = 0;
    let isDead = false;
    const mayNote = (): boolean => {
      notes += 1;
      if (notes < count) return true;
      isDead = true;
      supervisor.detach();
      // What is dead asks nobody for anything any more.
      Object.assign(host, {
        signal: () => true,
        kill: () => Promise.withResolvers().promise,
        spawn: () => Promise.withResolvers().promise,
      });
      return false;
    };
    Object.assign(database, {
      transaction: (work: () => void) => {
        if (!mayNote()) throw new Error("killed");
        transaction.call(database, work);
      },
      relaxedTransaction: (work: () => void) => {
        if (mayNote()) transaction.call(database, work);
      },
    });
    void supervisor.replace(find("web")).catch(() => undefined);
    await readyAll();
    await world.clock.advance(1_000);
    Object.assign(database, { transaction, relaxedTransaction });
    Object.assign(host, { signal, kill, spawn });
    return isDead;
  }

  test("leave exactly one that runs, wherever it died, and it is the one that the notes name", async () => {
    const spawned: number[] = [];
    for (let count = 1; ; count += 1) {
      world = new MemorySupervisor();
      await begin(WEB);
      const isDead = await dieAtNote(count);
      if (!isDead) break;
      world = new MemorySupervisor(world);
      await begin(WEB);
      await world.clock.advance(1_000);
      await readyAll();
      expect([count, world.states, world.host.alive]).toEqual([count, { web: "running" }, 1]);
      expect(world.store.instances().map(({ key, wanted }) => [key.successor, wanted])).toEqual([
        [false, true],
      ]);
      spawned.push(world.host.spawned.length);
    }
    // Nothing was started beside what the two daemons had to start.
    expect(Math.max(...spawned)).toBe(2);
    expect(spawned.length).toBeGreaterThan(6);
  });

  test("of both only the one is started after a start of the system that its notes name", async () => {
    for (const [isOldWanted, isNewWanted] of [
      [true, true],
      [false, true],
    ] as const) {
      world = new MemorySupervisor();
      const always = knownOf("web", { ...PROBED, restart: "always" });
      world.store.want([{ service: "web", number: 1, successor: false }], isOldWanted);
      world.store.want([{ service: "web", number: 1, successor: true }], isNewWanted);
      world = new MemorySupervisor(world, "next boot");
      await begin(always);
      expect([world.states, world.host.spawned.length]).toEqual([{ web: "running" }, 1]);
    }
  });
});

describe("Replacements", () => {
  test("put one new run after the other in the place of an instance that is replaced twice at once", async () => {
    await begin(WEB);
    const both = [world.supervisor.replace(find("web")), world.supervisor.replace(find("web"))];
    for (let turn = 0; turn < 4; turn += 1) await readyAll();
    await world.clock.advance(1_000);
    await readyAll();
    expect(await Promise.all(both)).toEqual([[], []]);
    expect([world.states, world.host.alive, world.host.spawned.length]).toEqual([{ web: "running" }, 1, 3]);
  });

  test("start nothing beside the new one when a person starts the service while the old one goes", async () => {
    await begin(WEB);
    world.host.obeysTerm = false;
    const replaced = world.supervisor.replace(find("web"));
    await readyAll();
    expect(world.states).toEqual({ web: "stopping", "web'": "running" });
    world.supervisor.start(find("web"));
    world.supervisor.restart(find("web").filter(({ key }) => !key.successor));
    await world.clock.advance(11_000);
    expect(await replaced).toEqual([]);
    await readyAll();
    expect([world.states, world.host.alive]).toEqual([{ web: "running" }, 1]);
  });

  test("leave everything still when a person stops the service while the old one goes", async () => {
    await begin(WEB);
    world.host.obeysTerm = false;
    const replaced = world.supervisor.replace(find("web"));
    await readyAll();
    world.supervisor.stop(find("web"));
    await world.clock.advance(11_000);
    await replaced;
    await world.settle();
    expect([world.states, world.host.alive]).toEqual([{ web: "stopped" }, 0]);
    expect(world.store.instances().map(({ key, wanted }) => [key.successor, wanted])).toEqual([
      [false, false],
    ]);
  });

  test("give up a new one that waits for what is not there, and leave the old one", async () => {
    await begin(WEB);
    world.supervisor.redefine(
      [knownOf("web", { ...PROBED, depends_on: ["db"] }), knownOf("db", { ...PROBED, start_timeout: "5s" })],
      NOBODY,
    );
    const replaced = world.supervisor.replace(find("web"));
    await world.settle();
    await world.clock.advance(6_000);
    expect(await replaced).toEqual([{ name: "web", detail: "it waits for what it depends on" }]);
    expect(world.states).toMatchObject({ web: "running" });
  });

  test("start one anew that is not ready, and tell when that fails", async () => {
    await begin(WEB);
    world.probes.get("web")?.onReady(false);
    const replaced = world.supervisor.replace(find("web"));
    await world.clock.advance(1_000);
    world.probes.get("web")?.onUnwell({ kind: "probe", detail: "503" });
    await world.clock.advance(1);
    expect(await replaced).toEqual([{ name: "web", detail: "probe: 503" }]);
  });

  test("of several instances replace one after the other, each by itself", async () => {
    await begin(knownOf("web", { ...PROBED, instances: 3 }));
    const replaced = world.supervisor.replace(find("web"));
    for (let turn = 0; turn < 3; turn += 1) {
      await world.settle();
      expect(world.host.alive).toBe(4);
      await readyAll();
      await world.clock.advance(1_000);
    }
    expect(await replaced).toEqual([]);
    expect([world.host.alive, world.host.spawned.length]).toEqual([3, 6]);
  });
});

describe("Supervisor.renew()", () => {
  const CHANGED = { kind: "watch", detail: "src/main.ts" } as const;

  test("starts anew what runs, says why, and leaves alone what a person stopped", async () => {
    await begin(knownOf("web", { instances: 2 }));
    world.supervisor.stop(find("web:2"));
    await world.clock.advance(1_000);
    await world.supervisor.renew("web", CHANGED);
    await world.clock.advance(1_000);
    expect(world.states).toEqual({ "web:1": "running", "web:2": "stopped" });
    expect([find("web:1")[0]?.state.lastEnd, world.host.spawned.length]).toEqual([CHANGED, 3]);
  });

  test("leaves no gap where the service asks for that", async () => {
    await begin(knownOf("web", { ...PROBED, zero_downtime: true }));
    const renewed = world.supervisor.renew("web", CHANGED);
    await world.settle();
    expect(world.states).toEqual({ web: "running", "web'": "starting" });
    await readyAll();
    await world.clock.advance(1_000);
    expect(await renewed).toEqual([]);
    expect(world.host.alive).toBe(1);
  });
});

test("isLeftBehind() is the new one as long as the old one is wanted, then the old one", () => {
  const note = (successor: boolean, wanted: boolean) => ({
    key: { service: "web", number: 1, successor },
    wanted,
    boot: null,
    run: null,
    restarts: 0,
    history: { failures: 0, failedMonoMs: [], isLooping: false },
    lastEnd: null,
    endedWallMs: null,
  });
  const [old, next] = [note(false, true), note(true, true)];
  expect([isLeftBehind(old, [old, next]), isLeftBehind(next, [old, next])]).toEqual([false, true]);
  const gone = note(false, false);
  expect([isLeftBehind(gone, [gone, next]), isLeftBehind(next, [gone, next])]).toEqual([true, false]);
  expect([isLeftBehind(gone, [gone]), isLeftBehind(next, [next])]).toEqual([false, false]);
});
