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
  readonly residentBytes: number;
  /** By id, so that one that ended does not count against the others. */
  readonly processes: ReadonlyMap<number, ProcessRow>;
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
  const members = new Map(trees.map(({ run }) => [run, new Map<number, ProcessRow>()]));
  for (const row of rows) {
    if (row.state === "dead") continue;
    const run = runOf(row);
    if (run !== null) members.get(run)?.set(row.pid, row);
  }
  return { atMonoMs, sums: new Map([...members].map(([run, rowsOf]) => [run, sumOf(rowsOf)])) };
}

/** What the tree of `run` uses now; null where there is none. Processor time is a rate, so it takes two looks. */
export function usageOf(run: string, look: UsageLook, before: UsageLook | null): TreeUsage | null {
  const sum = look.sums.get(run);
  if (sum === undefined || sum.processes.size === 0) return null;
  const { cpuMs, residentBytes, processes } = sum;
  const cpus = rateOf(sum, before?.sums.get(run) ?? null, look, before);
  return { cpus, cpuMs, residentBytes, processes: processes.size };
}

/** All processes that were found to be of a tree. */
export const membersOf = ({ sums }: UsageLook): number[] =>
  [...sums.values()].flatMap(({ processes }) => [...processes.keys()]);

function rateOf(
  now: TreeSum,
  earlier: TreeSum | null,
  look: UsageLook,
  before: UsageLook | null,
): number | null {
  const passedMs = look.atMonoMs - (before?.atMonoMs ?? look.atMonoMs);
  if (earlier === null || passedMs <= 0) return null;
  let usedMs = 0;
  for (const [pid, { start, cpuMs }] of now.processes) {
    const other = earlier.processes.get(pid);
    usedMs += (cpuMs ?? 0) - (other?.start === start ? (other?.cpuMs ?? 0) : 0);
  }
  return Math.max(0, usedMs) / passedMs;
}

function sumOf(processes: ReadonlyMap<number, ProcessRow>): TreeSum {
  let [cpuMs, residentBytes] = [0, 0];
  for (const row of processes.values()) {
    cpuMs += row.cpuMs ?? 0;
    residentBytes += row.residentBytes ?? 0;
  }
  return { cpuMs, residentBytes, processes };
}
