/** What trees of processes use, made of one look at all processes. */
import type { ProcessTree } from "../../base/ports/process-host.ts";
import type { TreeUsage } from "./service-view.ts";
import type { UsageRow } from "./usage-sampler.ts";

/**
 * Sums up what lives of each tree, by its run: the first process, what came of it, and what is in its session. What has
 * left its session and lost its parents is not in it. A tree of which nothing lives is left out.
 */
export function sumTrees(
  rows: readonly UsageRow[],
  trees: readonly ProcessTree[],
): ReadonlyMap<string, TreeUsage> {
  const runOf = membership(rows, trees);
  const members = new Map<string, UsageRow[]>();
  for (const row of rows) {
    const run = row.state === "dead" ? null : runOf(row);
    if (run === null) continue;
    const known = members.get(run);
    if (known === undefined) members.set(run, [row]);
    else known.push(row);
  }
  return new Map([...members].map(([run, rowsOf]) => [run, sumOf(rowsOf)]));
}

/** Answers for each process the run that it belongs to; each parent is followed once. */
function membership(
  rows: readonly UsageRow[],
  trees: readonly ProcessTree[],
): (row: UsageRow) => string | null {
  const runByPid = new Map(trees.map(({ identity, run }) => [identity.pid, run]));
  const byPid = new Map(rows.map((row) => [row.pid, row]));
  const found = new Map<number, string | null>();
  const runOf = (row: UsageRow): string | null => {
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
  return runOf;
}

function sumOf(rows: readonly UsageRow[]): TreeUsage {
  const shares = rows.flatMap(({ cpuPercent }) => (cpuPercent === null ? [] : [cpuPercent]));
  return {
    cpus: shares.length === 0 ? null : sum(shares) / 100,
    cpuMs: sum(rows.map(({ cpuMs }) => cpuMs ?? 0)),
    residentBytes: sum(rows.map(({ residentBytes }) => residentBytes ?? 0)),
    processes: rows.length,
  };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
