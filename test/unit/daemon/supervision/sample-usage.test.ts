import { expect, test } from "bun:test";
import type { ProcessRow, UsageSource } from "../../../../src/base/ports/process-table.ts";
import { ServiceUsage } from "../../../../src/daemon/supervision/sample-usage.ts";
import { knownOf, MemorySupervisor } from "../../../helpers/memory-supervisor.ts";

async function watched() {
  const memory = new MemorySupervisor();
  memory.supervisor.begin([knownOf("web")], new Set());
  await memory.settle();
  const { instances } = memory.supervisor;
  const [instance] = instances;
  const pid = instance?.tree?.identity.pid ?? 0;
  let looks = 0;
  const asked: (readonly number[] | "all")[] = [];
  const list = (): Promise<readonly ProcessRow[]> => {
    looks += 1;
    const row = { pid, parent: 1, group: null, session: null, start: null, name: "web", cpuMs: looks * 500 };
    return Promise.resolve([{ ...row, state: "running", residentBytes: 1_000 } as const]);
  };
  const source: UsageSource = {
    list: () => {
      asked.push("all");
      return list();
    },
    pick: list,
    follow: (pids) => {
      asked.push(pids);
      return list();
    },
    close: () => undefined,
  };
  const usage = new ServiceUsage(source, memory.clock, {});
  const run = instance?.run?.run;
  return { memory, usage, instances, pid, asked, looks: () => looks, of: () => usage.of(run) };
}

test("refresh() looks once a second, however many ask, and at the same time only once", async () => {
  const { memory, usage, instances, looks } = await watched();
  await Promise.all([1, 2, 3, 4, 5].map(() => usage.refresh(instances)));
  expect(looks()).toBe(1);
  await usage.refresh(instances);
  expect(looks()).toBe(1);
  await memory.clock.advance(1_000);
  await Promise.all([1, 2, 3].map(() => usage.refresh(instances)));
  expect(looks()).toBe(2);
});

test("refresh() adds nothing to the trends: their points stay equally far apart", async () => {
  const { memory, usage, instances, of } = await watched();
  await usage.look(instances);
  await memory.clock.advance(1_000);
  await usage.refresh(instances);
  expect(of()).toMatchObject({ usage: { cpus: 0.5 }, cpuTrend: [], memoryTrend: [1_000] });
  await memory.clock.advance(1_000);
  await usage.look(instances);
  // Over two seconds, not over the one since somebody watched.
  expect(of()).toMatchObject({ usage: { cpus: 0.5 }, cpuTrend: [0.5], memoryTrend: [1_000, 1_000] });
});

test("look() looks at all processes first and now and then, else at those it knows and at new ones", async () => {
  const { memory, usage, instances, pid, asked } = await watched();
  for (let second = 0; second < 32; second += 1) {
    await usage.look(instances);
    await memory.clock.advance(1_000);
  }
  const known = Array.from({ length: 29 }, () => [pid]);
  expect(asked).toEqual(["all", ...known, "all", [pid]]);
});

test("look() looks at all processes when there is a tree that it does not know", async () => {
  const { memory, usage, instances, asked } = await watched();
  await usage.look(instances);
  memory.supervisor.redefine([knownOf("web"), knownOf("other")], new Set());
  await memory.settle();
  await usage.look(memory.supervisor.instances);
  expect(asked).toEqual(["all", "all"]);
});

test("of() answers what stays as it is while the trends go on", async () => {
  const { memory, usage, instances, of } = await watched();
  await usage.look(instances);
  const before = of();
  for (let second = 0; second < 70; second += 1) {
    await memory.clock.advance(1_000);
    await usage.look(instances);
  }
  expect(before.memoryTrend).toEqual([1_000]);
  expect(of().memoryTrend).toHaveLength(60);
});

/** One service, and a picture of all processes that the test paints. */
async function painted() {
  const memory = new MemorySupervisor();
  memory.supervisor.begin([knownOf("web")], new Set());
  await memory.settle();
  const process = (pid: number, parent: number, cpuMs: number): ProcessRow => {
    const start = `boot:${pid}`;
    return {
      pid,
      parent,
      group: pid,
      session: pid,
      start,
      name: "x",
      state: "running",
      cpuMs,
      residentBytes: 1_000,
    };
  };
  let rows: ProcessRow[] = [];
  const all = (): Promise<readonly ProcessRow[]> => Promise.resolve(rows);
  const examined: number[] = [];
  const of = new Map<number, string>();
  const host = {
    whose: (pid: number) => {
      examined.push(pid);
      const run = of.get(pid);
      return run === undefined ? null : (other: string) => other === run;
    },
  };
  const source = { list: all, pick: all, follow: all, close: () => undefined };
  const usage = new ServiceUsage(source, memory.clock, host);
  const look = async (...painting: readonly ProcessRow[]) => {
    rows = [...painting];
    await memory.clock.advance(1_000);
    await usage.look(memory.supervisor.instances);
    return usage.lastOf(memory.supervisor.instances[0]?.run?.run);
  };
  const main = (): number => memory.supervisor.instances[0]?.tree?.identity.pid ?? 0;
  return { memory, process, look, main, of, examined };
}

test("what lost its parents and its session is found by what it carries, and looked into once", async () => {
  const { process, look, main, of, examined } = await painted();
  of.set(500, "run-1").set(700, "run-of-another-daemon");
  const others = [process(1, 0, 0), process(700, 1, 0)];
  expect(await look(...others, process(main(), 1, 0))).toMatchObject({ processes: 1 });
  const rows = [...others, process(main(), 1, 0), process(500, 1, 0), process(501, 500, 0)];
  expect(await look(...rows)).toMatchObject({ processes: 3, residentBytes: 3_000 });
  expect(await look(...rows)).toMatchObject({ processes: 3 });
  expect(examined).toEqual([1, 700, 500]);
});

test("what was seen to be of a tree stays so when its parents go, though it carries nothing", async () => {
  const { process, look, main } = await painted();
  await look(process(main(), 1, 0), process(500, main(), 0));
  const rows = [process(main(), 1, 0), process(500, 1, 0)];
  expect(await look(...rows)).toMatchObject({ processes: 2 });
  expect(await look(...rows)).toMatchObject({ processes: 2 });
  expect(await look(process(main(), 1, 0), { ...process(500, 1, 0), start: "later" })).toMatchObject({
    processes: 1,
  });
});

test("processor time is a sum that falls neither with a child nor with the whole run", async () => {
  const { memory, process, look, main } = await painted();
  const first = main();
  expect((await look(process(first, 1, 100), process(500, first, 900)))?.cpuMs).toBe(1_000);
  expect((await look(process(first, 1, 150)))?.cpuMs).toBe(1_050);
  expect((await look(process(first, 1, 150), process(501, first, 10)))?.cpuMs).toBe(1_060);
  memory.supervisor.restart(memory.supervisor.find(["web"]));
  await memory.clock.advance(1_000);
  await memory.settle();
  expect(main()).not.toBe(first);
  expect((await look(process(main(), 1, 5)))?.cpuMs).toBe(1_065);
});
