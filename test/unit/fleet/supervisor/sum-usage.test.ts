import { expect, test } from "bun:test";
import type { ProcessRow } from "../../../../src/base/ports/process-table.ts";
import { membersOf, runIn, sumTrees, usageOf, usedMs } from "../../../../src/fleet/supervisor/sum-usage.ts";

const row = (pid: number, parent: number, more: Partial<ProcessRow> = {}): ProcessRow => ({
  pid,
  parent,
  group: pid,
  session: pid,
  start: `s${pid}`,
  name: "x",
  state: "sleeping",
  cpuMs: 100,
  residentBytes: 1_000,
  ...more,
});
const tree = (pid: number) => ({ identity: { pid, start: `s${pid}` }, run: `run${pid}`, cgroup: null });

test("sumTrees() counts a process, what came of it, and what is in its session", () => {
  const rows = [
    row(1, 0),
    row(10, 1),
    row(11, 10),
    row(12, 11),
    // Its parent has ended; its session tells whose it is.
    row(13, 1, { session: 10 }),
    row(20, 1),
    row(30, 1),
  ];
  const look = sumTrees(rows, [tree(10), tree(20)], 0);
  expect(usageOf("run10", look, null)).toEqual({
    cpus: null,
    residentBytes: 4_000,
    processes: 4,
  });
  expect(usageOf("run20", look, null)).toMatchObject({ processes: 1 });
});

test("sumTrees() counts no zombies, and passes over what the system does not tell", () => {
  const rows = [row(10, 1, { cpuMs: null, residentBytes: null }), row(11, 10, { state: "dead" })];
  const look = sumTrees(rows, [tree(10)], 0);
  expect(usageOf("run10", look, null)).toEqual({ cpus: null, residentBytes: 0, processes: 1 });
});

test("sumTrees() ends on a ring of parents, which a look at a moving picture may show", () => {
  const look = sumTrees([row(10, 1), row(11, 12), row(12, 11)], [tree(10)], 0);
  expect(usageOf("run10", look, null)).toMatchObject({ processes: 1 });
});

test("usageOf() makes a rate of two looks, and a child that ended costs the others nothing", () => {
  const before = sumTrees([row(10, 1, { cpuMs: 100 }), row(11, 10, { cpuMs: 900 })], [tree(10)], 1_000);
  const after = sumTrees([row(10, 1, { cpuMs: 600 }), row(12, 10, { cpuMs: 250 })], [tree(10)], 2_000);
  expect(usageOf("run10", after, before)?.cpus).toBe(0.75);
});

test("usageOf() counts nothing of the process that had an id before", () => {
  const before = sumTrees([row(10, 1), row(11, 10, { cpuMs: 900 })], [tree(10)], 1_000);
  const other = row(11, 10, { cpuMs: 1_000, start: "later" });
  const after = sumTrees([row(10, 1), other], [tree(10)], 2_000);
  expect(usageOf("run10", after, before)?.cpus).toBe(1);
});

test("membersOf() names all that lives of all trees, and nothing else", () => {
  const rows = [row(1, 0), row(10, 1), row(11, 10), row(12, 10, { state: "dead" }), row(20, 1)];
  expect(membersOf(sumTrees(rows, [tree(10), tree(20)], 0))).toEqual([10, 11, 20]);
});

test("usageOf() knows nothing of a run that is gone", () => {
  expect(usageOf("run10", sumTrees([], [tree(10)], 0), null)).toBeNull();
});

test("sumTrees() asks about what nothing speaks for, and counts what came of that", () => {
  const rows = [row(1, 0), row(10, 1), row(40, 1), row(41, 40), row(50, 1)];
  const asked: number[] = [];
  const look = sumTrees(rows, [tree(10)], 0, ({ pid }) => {
    asked.push(pid);
    return pid === 40 ? "run10" : null;
  });
  expect(membersOf(look)).toEqual([10, 40, 41]);
  expect(asked).toEqual([1, 40, 50]);
});

test("usedMs() is all of a process at its first look, then what was added", () => {
  const before = sumTrees([row(10, 1, { cpuMs: 100 }), row(11, 10, { cpuMs: 900 })], [tree(10)], 0);
  const after = sumTrees([row(10, 1, { cpuMs: 130 }), row(12, 10, { cpuMs: 7 })], [tree(10)], 1_000);
  expect([
    usedMs("run10", before, null),
    usedMs("run10", after, before),
    usedMs("gone", after, before),
  ]).toEqual([1_000, 37, 0]);
});

test("runIn() knows a process by its id and its start", () => {
  const look = sumTrees([row(10, 1), row(20, 1), row(21, 20)], [tree(10), tree(20)], 0);
  expect(runIn(look, row(21, 1))).toBe("run20");
  expect([
    runIn(look, row(21, 1, { start: "later" })),
    runIn(look, row(9, 1)),
    runIn(null, row(10, 1)),
  ]).toEqual([null, null, null]);
});
