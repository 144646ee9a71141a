import { beforeEach, expect, test } from "bun:test";
import type { InstanceWorld } from "../../../../src/fleet/supervisor/instance-world.ts";
import { PendingStart } from "../../../../src/fleet/supervisor/pending-start.ts";
import { startProcess, tryStart } from "../../../../src/fleet/supervisor/start-process.ts";
import { definitionOf, MemorySupervisor } from "../../../helpers/memory-supervisor.ts";

const KEY = { service: "web", number: 2, successor: false };
const RUN = { run: "0123456789", digest: "d", startedWallMs: 5 };
const WHAT = { key: KEY, definition: definitionOf("web"), run: RUN };

let memory = new MemorySupervisor();
let told: string[] = [];
let world: InstanceWorld;
beforeEach(() => {
  memory = new MemorySupervisor();
  told = [];
  const { clock, host, store } = memory;
  world = {
    clock,
    host,
    store,
    random: () => 0.5,
    newRun: () => "run",
    prepare: () =>
      Promise.resolve({
        command: ["/bin/true"],
        cwd: "/",
        environment: {},
        user: null,
        group: null,
        listeners: [],
      }),
    spool: (_, run) => `/spool-${run}`,
    runStopCommand: () => Promise.resolve(),
    openNotify: () => Promise.resolve(null),
    endNotify: (run) => told.push(`ended ${run}`),
    watchProbes: () => ({ line: () => undefined, answers: () => ({}), stop: () => undefined }),
    mayStart: () => true,
    onChanged: () => undefined,
    report: () => undefined,
    onTrouble: (name, detail) => told.push(`${name}: ${detail}`),
  };
  store.want([KEY], true);
});

test("startProcess() notes the run, and starts it under a name of its own", async () => {
  await startProcess(world, WHAT, new AbortController().signal);
  expect(memory.store.instances()[0]?.run).toMatchObject({ run: RUN.run, tree: null });
  expect(memory.host.spawned[0]).toMatchObject({ name: "web.2.01234567", output: "/spool-0123456789" });
});

test("startProcess() that is given up starts and notes nothing", async () => {
  await expect(startProcess(world, WHAT, AbortSignal.abort())).rejects.toThrow();
  expect([memory.store.instances()[0]?.run, memory.host.spawned]).toEqual([null, []]);
});

test("startProcess() starts nothing that cannot be noted", async () => {
  memory.database.failAlways("UPDATE");
  await expect(startProcess(world, WHAT, new AbortController().signal)).rejects.toThrow("disk I/O error");
  expect(memory.host.spawned).toEqual([]);
});

test("tryStart() answers why there is no process, and lets go of what it told on", async () => {
  const broken = { ...world, prepare: () => Promise.reject(new Error("no such folder")) };
  const start = new PendingStart(world.clock, 1_000);
  expect(await tryStart(broken, WHAT, start)).toEqual({
    ok: false,
    error: { kind: "spawn-failed", detail: "no such folder" },
  });
  expect(told).toEqual([`ended ${RUN.run}`]);
});

test("tryStart() that is given up is no failure", async () => {
  const start = new PendingStart(world.clock, 1_000);
  start.giveUp();
  expect(await tryStart(world, WHAT, start)).toEqual({ ok: false, error: { kind: "given-up" } });
  const lasting = await tryStart(world, WHAT, new PendingStart(world.clock, 1_000));
  expect(lasting.ok).toBe(true);
});
