import { beforeEach, describe, expect, test } from "bun:test";
import type { Instance } from "../../../../src/fleet/supervisor/instance.ts";
import { knownOf, MemorySupervisor } from "../../../helpers/memory-supervisor.ts";

const CRASH = { kind: "code", code: 1 } as const;

let world = new MemorySupervisor();
beforeEach(() => {
  world = new MemorySupervisor();
});

async function started(file: Record<string, unknown> = {}): Promise<Instance> {
  world.supervisor.begin([knownOf("web", file)], new Set());
  await world.settle();
  const [instance] = world.supervisor.instances;
  if (instance === undefined) throw new Error("no instance");
  return instance;
}

describe("Instance", () => {
  test("notes its run before the start and its process after it", async () => {
    const instance = await started();
    expect(world.store.instances()[0]?.run).toMatchObject({
      run: "run-1",
      tree: { identity: { pid: 101, start: "boot:101" }, run: "run-1", cgroup: null },
      progress: "ready",
      ending: null,
    });
    expect(instance.tree?.identity.pid).toBe(101);
  });

  test("tells its probes also of what was said before its start was over, and of nothing twice", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    world.host.slow = promise;
    const instance = await started({ probes: { readiness: { log: "^ready$" } } });
    instance.line("ready");
    expect(world.heard).toEqual([]);
    resolve();
    await world.settle();
    expect(world.heard).toEqual(["ready"]);
    instance.line("and on");
    world.host.end("run-1", CRASH);
    await world.settle();
    instance.line("what was read of it late");
    world.host.slow = null;
    await world.clock.advance(500);
    await world.settle();
    expect(world.states).toEqual({ web: "starting" });
    expect(world.heard).toEqual(["ready", "and on"]);
  });

  test("is started again after the pause that its rules say, with a new run", async () => {
    await started();
    world.host.end("run-1", CRASH);
    await world.settle();
    await world.clock.advance(499);
    expect(world.states).toEqual({ web: "backoff" });
    await world.clock.advance(1);
    await world.settle();
    expect(world.states).toEqual({ web: "running" });
    expect(world.host.spawned.map(({ run }) => run)).toEqual(["run-1", "run-2"]);
  });

  test("kills what its process left behind before it is started again", async () => {
    await started();
    world.host.obeysTerm = false;
    world.host.end("run-1", CRASH, 2);
    await world.settle();
    await world.clock.advance(9_999);
    expect(world.states).toEqual({ web: "stopping" });
    await world.clock.advance(251);
    expect(world.host.killed).toEqual([10_000, 10_001]);
    expect(world.states).toEqual({ web: "backoff" });
  });

  test("classes an end by want of memory", async () => {
    const instance = await started();
    world.host.outOfMemory.add("run-1");
    world.host.end("run-1", { kind: "signal", signal: "SIGKILL" });
    await world.settle();
    expect(instance.state.lastEnd).toEqual({ kind: "oom" });
  });

  test("a start that the system refuses is told and tried again", async () => {
    world.host.trouble = "no such program";
    const instance = await started();
    expect(instance.state.lastEnd).toEqual({ kind: "spawn", detail: "no such program" });
    world.host.trouble = null;
    await world.clock.advance(500);
    await world.settle();
    expect(world.states).toEqual({ web: "running" });
  });

  test("news of a run before the present one changes nothing", async () => {
    await started({ probes: { readiness: { tcp: { port: 80 } } } });
    const old = world.probes.get("web");
    world.host.end("run-1", CRASH);
    await world.settle();
    await world.clock.advance(500);
    await world.settle();
    old?.onReady(true);
    old?.onUnwell({ kind: "probe", detail: "late" });
    expect(world.states).toEqual({ web: "starting" });
  });

  test("what is not ready in time is stopped and tried again", async () => {
    const instance = await started({ start_timeout: "5s", probes: { readiness: { tcp: { port: 80 } } } });
    await world.clock.advance(5_000);
    await world.settle();
    expect(instance.state.lastEnd).toEqual({ kind: "probe", detail: "not ready within 5 s" });
    expect(world.host.signals).toEqual(["SIGTERM 101"]);
  });

  test("a stop runs the stop command, then the signal of the definition", async () => {
    const instance = await started({ stop: { command: ["/bin/quit"], signal: "INT" } });
    world.supervisor.stop([instance]);
    await world.clock.advance(1_000);
    expect(world.told).toContain("stop command");
    expect(world.host.signals).toEqual(["SIGINT 101"]);
  });

  test("detach() makes no kill of a stop that is under way", async () => {
    const instance = await started();
    world.host.obeysTerm = false;
    instance.apply({ kind: "stop" });
    await world.settle();
    instance.detach();
    await world.settle();
    expect(world.host.killed).toEqual([]);
  });

  test("hurry() kills what takes its time", async () => {
    const instance = await started();
    world.host.obeysTerm = false;
    world.supervisor.stop([instance], true);
    await world.settle();
    expect(world.host.killed).toEqual([101]);
    expect(world.states).toEqual({ web: "stopped" });
  });
});

describe("Instance whose start takes long", () => {
  const never = new Promise<void>(() => undefined);

  test("is stopped by a person at once, and started again after that", async () => {
    world.host.slow = never;
    const instance = await started({ restart: "no" });
    expect(world.states).toEqual({ web: "starting" });
    world.supervisor.stop([instance]);
    await world.settle();
    expect(world.states).toEqual({ web: "stopped" });
    expect(world.store.instances()[0]).toMatchObject({ wanted: false, run: null });
    world.host.slow = null;
    world.supervisor.start([instance]);
    await world.settle();
    expect([world.states, world.host.alive]).toEqual([{ web: "running" }, 1]);
  });

  test("is started anew when it is wanted again before it was given up", async () => {
    world.host.slow = never;
    const instance = await started({ restart: "no" });
    world.supervisor.stop([instance]);
    world.host.slow = null;
    world.supervisor.start([instance]);
    await world.settle();
    expect([world.states, world.host.alive]).toEqual([{ web: "running" }, 1]);
  });

  test("has failed after its start_timeout", async () => {
    world.host.slow = never;
    const instance = await started({ restart: "no", start_timeout: "5s" });
    await world.clock.advance(5_000);
    await world.settle();
    expect(world.states).toEqual({ web: "failed" });
    expect(instance.state.lastEnd).toEqual({ kind: "spawn", detail: "not started within 5 s" });
  });

  test("ends a process that comes when it is not waited for any more", async () => {
    const slow = Promise.withResolvers<void>();
    world.host.slow = slow.promise;
    const instance = await started();
    const other = { identity: { pid: 7, start: "boot:7" }, run: "other", cgroup: null };
    world.host.plant(other);
    instance.apply({ kind: "adopted", tree: other, progress: "ready", ending: null });
    slow.resolve();
    await world.settle();
    expect([world.host.killed, world.host.alive, instance.tree]).toEqual([[101], 1, other]);
  });
});

describe("Instance on a full disk", () => {
  test("ends and is emptied all the same, and is started when its start can be noted", async () => {
    await started();
    world.database.failAlways("UPDATE");
    world.host.end("run-1", CRASH, 1);
    await world.settle();
    await world.clock.advance(600);
    expect([world.states, world.host.forgotten]).toEqual([{ web: "backoff" }, ["run-1"]]);
    expect(world.host.spawned).toHaveLength(1);
    world.database.failAlways(null);
    await world.clock.advance(10_000);
    expect(world.states).toEqual({ web: "running" });
    expect(world.host.alive).toBe(1);
    expect(world.told.filter((text) => text.startsWith("store"))).toEqual([
      "store trouble: Cannot use database: disk I/O error",
      "store well",
    ]);
  });

  test("a process that runs and cannot be noted is no failed start, and is noted later", async () => {
    world.database.failAlways("SET run = ?, pid");
    const instance = await started();
    expect([world.states, world.host.spawned.length]).toEqual([{ web: "running" }, 1]);
    world.database.failAlways(null);
    await world.clock.advance(2_000);
    expect(world.store.instances()[0]?.run?.tree).toEqual(instance.tree);
  });

  test("a person's stop that cannot be noted is refused, and nothing happens", async () => {
    const instance = await started();
    world.database.failAlways("INSERT INTO instances");
    expect(() => world.supervisor.stop([instance])).toThrow("disk I/O error");
    await world.settle();
    expect(world.states).toEqual({ web: "running" });
  });
});

describe("Instance.redefine()", () => {
  const probed = (interval: string): Record<string, unknown> => ({
    probes: { liveness: { tcp: { port: 80 }, interval } },
  });
  const redefine = (file: Record<string, unknown>): void =>
    world.supervisor.redefine([knownOf("web", file)], new Set());

  test("begins other probes anew for the run under way, and touches no process", async () => {
    const instance = await started(probed("1s"));
    const before = world.probes.get("web");
    redefine(probed("1s"));
    expect(world.probes.get("web")).toBe(before);
    redefine(probed("2s"));
    expect(world.probes.get("web")).toMatchObject({ progress: "ready", tree: instance.tree });
    expect(world.probes.get("web")?.definition.probes.liveness?.intervalMs).toBe(2_000);
    expect(instance.probes).toBe(instance.definition.probes);
    expect([world.host.spawned.length, world.host.signals]).toEqual([1, []]);
    world.probes.get("web")?.onUnwell({ kind: "probe", detail: "503" });
    expect(instance.state.lastEnd).toEqual({ kind: "probe", detail: "503" });
  });

  test("leaves the probes of a run alone that needs a new process", async () => {
    const instance = await started(probed("1s"));
    const before = world.probes.get("web");
    redefine({ ...probed("2s"), command: ["/bin/false"] });
    expect(world.probes.get("web")).toBe(before);
    expect([instance.isOutdated, instance.probes.liveness?.intervalMs]).toEqual([true, 1_000]);
    redefine(probed("3s"));
    expect([instance.isOutdated, instance.probes.liveness?.intervalMs]).toEqual([false, 3_000]);
  });

  test("ends the pause of what failed with another definition, and of nothing else", async () => {
    await started({ backoff: { first: "1h" } });
    world.host.end("run-1", CRASH);
    await world.settle();
    redefine({ backoff: { first: "1h" } });
    await world.settle();
    expect(world.states).toEqual({ web: "backoff" });
    redefine({ backoff: { first: "1h" }, command: ["/bin/false"] });
    await world.settle();
    expect(world.states).toEqual({ web: "running" });
    expect(world.host.spawned).toHaveLength(2);
  });

  test("what nobody asks any more is ready; what is asked from now on stays so until it says no", async () => {
    const readiness = { probes: { readiness: { tcp: { port: 80 } } } };
    await started(readiness);
    expect(world.states).toEqual({ web: "starting" });
    redefine({});
    await world.settle();
    expect(world.states).toEqual({ web: "running" });
    redefine(readiness);
    await world.settle();
    expect(world.states).toEqual({ web: "running" });
    world.probes.get("web")?.onReady(false);
    expect(world.states).toEqual({ web: "unready" });
  });
});
