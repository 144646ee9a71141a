/** What trees of processes use, made of one look at all processes. */
import type { ProcessTree } from "../../base/ports/process-host.ts";
import type { ProcessRow } from "../../base/ports/process-table.ts";
import type { TreeUsage } from "./service-view.ts";

/** The sums of a look, by run, and when it was. */
export interface UsageLook {
  readonly atMonoMs: number;
  readonly sums: ReadonlyMap<string, TreeSum>;
}

/** What a tree uses. `cpuMs` holds only what lives: it falls when a child ends. */
interface TreeSum {
  readonly cpuMs: number;
  /** By process, so that one that ended does not count against the others. */
  readonly cpuByProcess: ReadonlyMap<string, number>;
  readonly residentBytes: number;
  readonly processes: number;
}

/**
 * Sums up what lives of each tree: the first process, what came of it, and what is in its session. What has left its
 * session and lost its parents is not in it.
 */
export function sumTrees(
  rows: readonly ProcessRow[],
  trees: readonly ProcessTree[],
  atMonoMs: number,
): UsageLook {
  const runByPid = new Map(trees.map(({ identity, run }) => [identity.pid, run]));
  const byPid = new Map(rows.map((row) => [row.pid, row]));
  const found = new Map<number, string | null>();
  const runOf = (row: ProcessRow): string | null => {
    const known = found.get(row.pid);
    if (known !== undefined) return known;
    // Against a ring of parents, which a look at a moving picture may show.
    found.set(row.pid, null);
    const own = runByPid.get(row.pid) ?? (row.session === null ? undefined : runByPid.get(row.session));
    const parent = byPid.get(row.parent);
    const run = own ?? (parent === undefined ? null : runOf(parent));
    found.set(row.pid, run);
    return run;
  };
  const members = new Map<string, ProcessRow[]>(trees.map(({ run }) => [run, []]));
  for (const row of rows) {
    if (row.state === "dead") continue;
    const run = runOf(row);
    if (run !== null) members.get(run)?.push(row);
  }
  return { atMonoMs, sums: new Map([...members].map(([run, rowsOf]) => [run, sumOf(rowsOf)])) };
}

/** What the tree of `run` uses now; null where there is none. Processor time is a rate, so it takes two looks. */
export function usageOf(run: string, look: UsageLook, before: UsageLook | null): TreeUsage | null {
  const sum = look.sums.get(run);
  if (sum === undefined || sum.processes === 0) return null;
  const { cpuMs, residentBytes, processes } = sum;
  return { cpus: rateOf(sum, before?.sums.get(run) ?? null, look, before), cpuMs, residentBytes, processes };
}

function rateOf(
  now: TreeSum,
  earlier: TreeSum | null,
  look: UsageLook,
  before: UsageLook | null,
): number | null {
  const passedMs = look.atMonoMs - (before?.atMonoMs ?? look.atMonoMs);
  if (earlier === null || passedMs <= 0) return null;
  let usedMs = 0;
  for (const [key, cpuMs] of now.cpuByProcess) usedMs += cpuMs - (earlier.cpuByProcess.get(key) ?? 0);
  return Math.max(0, usedMs) / passedMs;
}

const sumOf = (rows: readonly ProcessRow[]): TreeSum => ({
  cpuMs: rows.reduce((sum, { cpuMs }) => sum + (cpuMs ?? 0), 0),
  cpuByProcess: new Map(rows.map(({ pid, start, cpuMs }) => [`${pid}:${start}`, cpuMs ?? 0])),
  residentBytes: rows.reduce((sum, { residentBytes }) => sum + (residentBytes ?? 0), 0),
  processes: rows.length,
});
