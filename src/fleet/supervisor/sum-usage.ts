/** What trees of processes use, made of one look at all processes. */
import type { ProcessTree } from "../../base/ports/process-host.ts";
import type { ProcessRow } from "../../base/ports/process-table.ts";
import type { TreeUsage } from "./service-view.ts";

/** The sums of a look, by run, and when it was. */
export interface UsageLook {
  readonly atMonoMs: number;
  readonly sums: ReadonlyMap<string, TreeSum>;
}

/** What a tree uses. */
interface TreeSum {
  readonly residentBytes: number;
  /** By id, so that one that ended does not count against the others. */
  readonly processes: ReadonlyMap<number, ProcessRow>;
}

/** Says of which run a process is that nothing in the picture speaks for; null: of none. */
export type StrayRun = (row: ProcessRow) => string | null;

/**
 * Sums up what lives of each tree: the first process, what came of it, and what is in its session. Of what has left its
 * session and lost its parents `strayRun` is asked.
 */
export function sumTrees(
  rows: readonly ProcessRow[],
  trees: readonly ProcessTree[],
  atMonoMs: number,
  strayRun: StrayRun = () => null,
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
    const run = own ?? (parent === undefined ? null : runOf(parent)) ?? strayRun(row);
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

/**
 * What the tree of `run` uses now, but for its processor time over all looks; null where there is none. What it uses of
 * processors is a rate, so it takes two looks.
 */
export function usageOf(
  run: string,
  look: UsageLook,
  before: UsageLook | null,
): Omit<TreeUsage, "cpuMs"> | null {
  const sum = look.sums.get(run);
  if (sum === undefined || sum.processes.size === 0) return null;
  const { residentBytes, processes } = sum;
  const passedMs = look.atMonoMs - (before?.atMonoMs ?? look.atMonoMs);
  const isKnown = before?.sums.has(run) === true && passedMs > 0;
  return {
    cpus: isKnown ? usedMs(run, look, before) / passedMs : null,
    residentBytes,
    processes: processes.size,
  };
}

/** Processor time that the tree of `run` used since the look before, ms; what ended in between is not in it. */
export function usedMs(run: string, look: UsageLook, before: UsageLook | null): number {
  const earlier = before?.sums.get(run)?.processes;
  let used = 0;
  for (const [pid, { start, cpuMs }] of look.sums.get(run)?.processes ?? []) {
    const other = earlier?.get(pid);
    used += Math.max(0, (cpuMs ?? 0) - (other?.start === start ? (other?.cpuMs ?? 0) : 0));
  }
  return used;
}

/** Of which run a process was in a look; null: of none. */
export function runIn(look: UsageLook | null, { pid, start }: ProcessRow): string | null {
  for (const [run, { processes }] of look?.sums ?? []) {
    const known = processes.get(pid);
    if (known !== undefined) return known.start === start ? run : null;
  }
  return null;
}

/** All processes that were found to be of a tree. */
export const membersOf = ({ sums }: UsageLook): number[] =>
  [...sums.values()].flatMap(({ processes }) => [...processes.keys()]);

function sumOf(processes: ReadonlyMap<number, ProcessRow>): TreeSum {
  let residentBytes = 0;
  for (const row of processes.values()) residentBytes += row.residentBytes ?? 0;
  return { residentBytes, processes };
}
