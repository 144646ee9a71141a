/**
 * Which processes belong to a start. A child may leave its group and its session, lose its parent, and forget its
 * environment; what it cannot lose by accident is the control group, and the mark on a resource limit that nobody uses.
 * Each of these is looked at, and what was once seen to belong is remembered.
 */
import type { ProcessTree } from "../../base/ports/process-host.ts";
import { isDead, type LinuxProcess, markOf, ticksOf, wasStartedWith } from "./linux-processes.ts";

/** The variable that tells the processes of one start from all others. */
export const RUN_VARIABLE = "FLEETD_SERVICE_RUN";

/** Far beyond any time that a process could use up (the limit counts microseconds): 2^62, and 60 bits of the run. */
const MARK_BASE = 2n ** 62n;
const MARK_BITS = 60;

/** The mark of a start, made of its token. */
export const markOfRun = (run: string): bigint =>
  MARK_BASE | BigInt.asUintN(MARK_BITS, Bun.hash.xxHash64(run));

/** Tells by what a process cannot lose by accident whether it came of the start `run`. */
export function runOf(run: string): (pid: number) => boolean {
  const assignment = `${RUN_VARIABLE}=${run}`;
  const mark = String(markOfRun(run));
  return (pid) => markOf(pid) === mark || wasStartedWith(pid, assignment);
}

/** What is asked about trees, over the processes of one look. */
export interface TreeView {
  readonly processes: ReadonlyMap<number, LinuxProcess>;
  /** This process, those above it, and PID 1: never members, whatever speaks for it. */
  readonly untouchable: ReadonlySet<number>;
  /** Process ids in its control group. */
  inControlGroup(cgroup: string): readonly number[];
}

/** Finds members; remembers them until they are gone. */
export class TreeFinder {
  /** Of each start the members that were seen: id and ticks. */
  readonly #seen = new Map<string, Map<number, number>>();

  /** All living members of a tree in this look. */
  members(tree: ProcessTree, view: TreeView): LinuxProcess[] {
    const found = new Map<number, LinuxProcess>();
    const add = (row: LinuxProcess): void => void found.set(row.pid, row);
    this.#addSeen(tree, view, add);
    const grouped = new Set(tree.cgroup === null ? [] : view.inControlGroup(tree.cgroup));
    const evidence = evidenceOf(tree, view);
    const children = new Map<number, LinuxProcess[]>();
    for (const row of view.processes.values()) {
      if (view.untouchable.has(row.pid)) continue;
      const siblings = children.get(row.parent);
      if (siblings === undefined) children.set(row.parent, [row]);
      else siblings.push(row);
      if (found.has(row.pid)) continue;
      if (grouped.has(row.pid) || evidence(row)) add(row);
    }
    addDescendants(found, children);
    const living = [...found.values()].filter((row) => !isDead(row));
    this.#remember(tree, living);
    return living;
  }

  /** Nothing is asked about this start any more. */
  forget(run: string): void {
    this.#seen.delete(run);
  }

  #addSeen(tree: ProcessTree, view: TreeView, add: (row: LinuxProcess) => void): void {
    for (const [pid, ticks] of this.#seen.get(tree.run) ?? []) {
      const row = view.processes.get(pid);
      if (row?.startTicks === ticks) add(row);
    }
  }

  #remember(tree: ProcessTree, living: readonly LinuxProcess[]): void {
    if (living.length === 0) this.#seen.delete(tree.run);
    else this.#seen.set(tree.run, new Map(living.map((row) => [row.pid, row.startTicks])));
  }
}

/**
 * What speaks for a process by itself. Group and session count while their leader is there, zombie or not: later the
 * same number may be that of somebody else's session, and only the marks tell.
 */
function evidenceOf(tree: ProcessTree, view: TreeView): (row: LinuxProcess) => boolean {
  const { pid, start } = tree.identity;
  const ticks = ticksOf(start);
  const leads = ticks !== null && view.processes.get(pid)?.startTicks === ticks;
  const isOfRun = runOf(tree.run);
  return (row) => {
    if (ticks === null || row.startTicks < ticks || isDead(row)) return leads && row.pid === pid;
    if (leads && (row.pid === pid || row.session === pid || row.group === pid)) return true;
    return isOfRun(row.pid);
  };
}

function addDescendants(found: Map<number, LinuxProcess>, children: Map<number, LinuxProcess[]>): void {
  const open = [...found.keys()];
  for (let pid = open.pop(); pid !== undefined; pid = open.pop()) {
    for (const child of children.get(pid) ?? []) {
      if (found.has(child.pid)) continue;
      found.set(child.pid, child);
      open.push(child.pid);
    }
  }
}
