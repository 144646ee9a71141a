/**
 * Which processes belong to a start. A child may leave its group and its session, lose its parent, and forget its
 * environment; what it cannot lose by accident is the control group, and the mark on a resource limit that nobody uses.
 * Each of these is looked at, and what was once seen to belong is remembered.
 */
import type { ProcessTree } from "../../base/ports/process-host.ts";
import { newestPid } from "../processes/linux-table.ts";
import { isDead, type LinuxProcess, markOf, readProcesses, ticksOf, variableOf } from "./linux-processes.ts";
import { RUN_VARIABLE } from "./run-variable.ts";

/** Far beyond any time that a process could use up (the limit counts microseconds): 2^62, and 60 bits of the run. */
const MARK_BASE = 2n ** 62n;
const MARK_BITS = 60;

/** The mark of a start, made of its token. */
export const markOfRun = (run: string): bigint =>
  MARK_BASE | BigInt.asUintN(MARK_BITS, Bun.hash.xxHash64(run));

/** What tells for certain of which start a process came. */
export interface RunSigns {
  readonly mark: string | null;
  readonly run: string | null;
}

/** The signs that a process has now. */
export const signsOf = (pid: number): RunSigns => ({ mark: markOf(pid), run: variableOf(pid, RUN_VARIABLE) });

/** Whether these are the signs of the start `run`. */
export const areOfRun = (signs: RunSigns, run: string): boolean =>
  signs.run === run || (signs.mark !== null && signs.mark === String(markOfRun(run)));

/** One look at all processes. */
export class TreeView {
  readonly processes: ReadonlyMap<number, LinuxProcess>;
  /** This process, those above it, and PID 1: never members, whatever speaks for them. */
  readonly untouchable: ReadonlySet<number>;
  /** The id that was given away last when the look began. */
  readonly newest: string;
  readonly beganMs: number;
  readonly #groups: { members(folder: string): readonly number[] } | null;
  readonly #signs = new Map<number, RunSigns>();

  constructor(groups: { members(folder: string): readonly number[] } | null) {
    this.beganMs = performance.now();
    this.newest = newestPid();
    this.processes = readProcesses();
    this.untouchable = aboveOf(this.processes);
    this.#groups = groups;
  }

  /** Read when they are first asked for: many trees are asked about in one look. */
  signsOf(pid: number): RunSigns {
    const signs = this.#signs.get(pid) ?? signsOf(pid);
    this.#signs.set(pid, signs);
    return signs;
  }

  /** Process ids in a control group. */
  inControlGroup(folder: string): readonly number[] {
    return this.#groups?.members(folder) ?? [];
  }
}

/** This process, those above it, and PID 1. */
function aboveOf(processes: ReadonlyMap<number, LinuxProcess>): Set<number> {
  const found = new Set([1]);
  for (let pid = process.pid; pid > 0 && !found.has(pid); pid = processes.get(pid)?.parent ?? 0)
    found.add(pid);
  return found;
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
  return (row) => {
    if (ticks === null || row.startTicks < ticks || isDead(row)) return leads && row.pid === pid;
    if (leads && (row.pid === pid || row.session === pid || row.group === pid)) return true;
    return areOfRun(view.signsOf(row.pid), tree.run);
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
