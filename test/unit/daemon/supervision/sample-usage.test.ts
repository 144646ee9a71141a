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
  const usage = new ServiceUsage(source, memory.clock);
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
