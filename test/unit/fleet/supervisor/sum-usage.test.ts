import { expect, test } from "bun:test";
import { sumTrees } from "../../../../src/fleet/supervisor/sum-usage.ts";
import type { UsageRow } from "../../../../src/fleet/supervisor/usage-sampler.ts";

const row = (pid: number, parent: number, more: Partial<UsageRow> = {}): UsageRow => ({
  pid,
  parent,
  group: pid,
  session: pid,
  start: `s${pid}`,
  name: "x",
  state: "sleeping",
  cpuMs: 100,
  cpuPercent: 25,
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
  const sums = sumTrees(rows, [tree(10), tree(20)]);
  expect(sums.get("run10")).toEqual({ cpus: 1, cpuMs: 400, residentBytes: 4_000, processes: 4 });
  expect(sums.get("run20")).toMatchObject({ processes: 1 });
});

test("sumTrees() counts no zombies, and passes over what is not told", () => {
  const rows = [
    row(10, 1, { cpuMs: null, cpuPercent: null, residentBytes: null }),
    row(11, 10, { state: "dead" }),
  ];
  expect(sumTrees(rows, [tree(10)]).get("run10")).toEqual({
    cpus: null,
    cpuMs: 0,
    residentBytes: 0,
    processes: 1,
  });
});

test("sumTrees() takes a share that is not known yet for none beside those that are", () => {
  const rows = [row(10, 1), row(11, 10, { cpuPercent: null })];
  expect(sumTrees(rows, [tree(10)]).get("run10")?.cpus).toBe(0.25);
});

test("sumTrees() ends on a ring of parents, which a look at a moving picture may show", () => {
  const sums = sumTrees([row(10, 1), row(11, 12), row(12, 11)], [tree(10)]);
  expect(sums.get("run10")).toMatchObject({ processes: 1 });
});

test("sumTrees() leaves out a tree of which nothing lives", () => {
  expect(sumTrees([row(11, 1)], [tree(10)]).size).toBe(0);
});
