/**
 * Programs on Linux. A start is one `Bun.spawn`: into a session of its own, into a control group where there are any, with a
 * mark that everything inherits that comes of it. What needs rights to be given up, or sockets to be handed on, goes through a
 * helper (see `exec-plan.ts`). Everything is found again from /proc, whoever started it.
 */
import { constants } from "node:os";
import { FleetError } from "../../base/errors.ts";
import type {
  Exit,
  HostAbilities,
  HostedProcess,
  ProcessHost,
  ProcessIdentity,
  ProcessTree,
  SpawnRequest,
} from "../../base/ports/process-host.ts";
import type { ControlGroups } from "./control-groups.ts";
import { childCollected, exitOfChild, signalNumber } from "./exits.ts";
import { killTree } from "./kill-tree.ts";
import type { LinuxCalls } from "./linux-calls.ts";
import { isSame, LinuxExits } from "./linux-exits.ts";
import { isDead, readProcess, startText, toIdentity } from "./linux-processes.ts";
import { isStillThere, LinuxSignals, sendToGroup } from "./linux-signals.ts";
import { type Strike, strikeSince } from "./linux-strike.ts";
import { areOfRun, markOfRun, signsOf, TreeFinder, TreeView } from "./linux-tree.ts";
import { LinuxZombies } from "./linux-zombies.ts";
import { RUN_VARIABLE } from "./run-variable.ts";
import { checkProgram, childEnvironment } from "./spawn-checks.ts";
import { type SpawnPlace, type Started, spawnDirectly } from "./spawn-direct.ts";
import { needsHelper, spawnThroughHelper } from "./spawn-helper.ts";

/** How old a look at all processes may be that is used again: many trees are asked about at one time. */
const LOOK_AGE_MS = 50;

const KILL = constants.signals.SIGKILL;

/** The end of a control group's name says which start it is for; nobody else has these 12 characters. */
const groupSuffix = (run: string): string => `.${run.replaceAll("-", "").slice(0, 12)}`;

/**
 * Children that Bun waits for. The process's, not a host's: a daemon that could not become another program begins anew
 * in the same process, with another host.
 */
const children = new Map<number, { readonly child: Bun.Subprocess; readonly start: string }>();

/** What a host is made of. */
export interface LinuxHostParts {
  readonly calls: LinuxCalls | null;
  readonly groups: ControlGroups | null;
  readonly abilities: HostAbilities;
  /** The words that start the helper. */
  readonly helper: readonly string[];
}

/** See the head of this file. */
export class LinuxHost implements ProcessHost {
  readonly abilities: HostAbilities;
  readonly #parts: LinuxHostParts;
  readonly #exits: LinuxExits;
  readonly #finder = new TreeFinder();
  /** Control groups of starts that were not forgotten yet. */
  readonly #groupsInUse = new Set<string>();
  readonly #zombies: LinuxZombies | null;
  readonly #signals: LinuxSignals;
  #look: TreeView | null = null;
  /** When a signal was sent last. Many trees that are signalled together share one look all the same. */
  #signalledMs = Number.NEGATIVE_INFINITY;

  constructor(parts: LinuxHostParts) {
    this.#parts = parts;
    this.abilities = parts.abilities;
    this.#exits = new LinuxExits(parts.calls);
    this.#signals = new LinuxSignals(parts.calls);
    this.#zombies = parts.calls === null ? null : new LinuxZombies(parts.calls.collect);
  }

  async spawn(request: SpawnRequest, signal?: AbortSignal): Promise<HostedProcess> {
    signal?.throwIfAborted();
    const program = checkProgram(request);
    const cgroup =
      this.#parts.groups?.create(`${request.name}${groupSuffix(request.run)}`, request.limits) ?? null;
    try {
      const { child, identity } = await this.#start(request, { program, cgroup, signal });
      this.#look = null;
      if (cgroup !== null) this.#groupsInUse.add(cgroup);
      return { tree: { identity, run: request.run, cgroup }, exited: this.#exitOf(child, identity.start) };
    } catch (thrown) {
      if (cgroup !== null) this.#parts.groups?.remove(cgroup);
      throw thrown;
    }
  }

  adopt(tree: ProcessTree): HostedProcess | null {
    const { pid, start } = tree.identity;
    const own = children.get(pid);
    // Bun collects it: nobody else would be told how it ended.
    const exited = own?.start === start ? this.#exitOf(own.child, start) : this.#exits.follow(tree.identity);
    if (exited === null) return null;
    if (tree.cgroup !== null) this.#groupsInUse.add(tree.cgroup);
    return { tree, exited };
  }

  findRun(run: string): ProcessTree | null {
    const view = this.#lookAgain();
    const rows = [...view.processes.values()].filter(
      (row) => !(isDead(row) || view.untouchable.has(row.pid)) && areOfRun(view.signsOf(row.pid), run),
    );
    const [first] = rows.sort((left, right) => left.startTicks - right.startTicks || left.pid - right.pid);
    if (first === undefined) return null;
    const identity = { pid: first.pid, start: startText(first.startTicks) };
    return { identity, run, cgroup: this.#parts.groups?.find(groupSuffix(run)) ?? null };
  }

  members(tree: ProcessTree): readonly ProcessIdentity[] {
    return this.#finder.members(tree, this.#recentLook()).map(toIdentity);
  }

  whose(pid: number): ((run: string) => boolean) | null {
    const signs = signsOf(pid);
    return signs.mark === null && signs.run === null ? null : (run) => areOfRun(signs, run);
  }

  signal(tree: ProcessTree, signal: string, to: "main" | "group" | "all"): boolean {
    const number = signalNumber(signal);
    if (number === null) throw new FleetError("CONFIG", `Cannot send "${signal}": there is no such signal`);
    const view = this.#lookSince(performance.now() - LOOK_AGE_MS);
    // What is asked from now on is about what comes of it.
    this.#signalledMs = performance.now();
    const { pid } = tree.identity;
    const isOwnGroup = to !== "main" && view.processes.get(process.pid)?.group === pid;
    if (isOwnGroup || view.untouchable.has(pid)) throw untouchableError(pid);
    if (to === "main") return this.#signals.sendToLiving(tree.identity, number);
    const members = this.#finder.members(tree, view);
    // The group by one call, which nobody in it can dodge by forking; it is the tree's for as long as a member is in it.
    const isThere = members.some((row) => row.group === pid && isStillThere(row)) && sendToGroup(pid, number);
    if (to === "group") return isThere;
    const others = members.filter((row) => row.group !== pid).map(toIdentity);
    return others.map((identity) => this.#signals.sendToLiving(identity, number)).some(Boolean) || isThere;
  }

  async kill(tree: ProcessTree, withinMs: number): Promise<readonly ProcessIdentity[]> {
    const { untouchable } = this.#recentLook();
    const strike: Strike = (pid) => !untouchable.has(pid) && this.#strike(tree.run, pid);
    const left = await killTree(withinMs, {
      killGroup: () => this.#killGroup(tree),
      look: (sinceMs) => {
        const view = this.#lookSince(sinceMs);
        const members = this.#finder.members(tree, view).map(toIdentity);
        return { members, settle: () => strikeSince(view.newest, strike) };
      },
      kill: (identity) => void this.#signals.sendTo(identity, KILL),
    });
    if (left.length > 0) return left;
    await this.#collected(tree.identity, withinMs);
    // Never a member, and not gone all the same: this daemon was started by what it is to end.
    const { pid } = tree.identity;
    const isOurs = this.#recentLook().untouchable.has(pid) && isSame(readProcess(pid), tree.identity);
    return isOurs ? [tree.identity] : [];
  }

  /** A child that has ended is a zombie until it is collected, and whoever is told that it is gone may look. */
  async #collected({ pid, start }: ProcessIdentity, withinMs: number): Promise<void> {
    const own = children.get(pid);
    if (own?.start === start) await childCollected(own.child, withinMs);
    else this.#exits.look();
  }

  ranOutOfMemory(tree: ProcessTree): boolean | null {
    return tree.cgroup === null ? null : (this.#parts.groups?.ranOutOfMemory(tree.cgroup) ?? null);
  }

  forget(tree: ProcessTree): void {
    this.#finder.forget(tree.run);
    if (tree.cgroup === null) return;
    this.#groupsInUse.delete(tree.cgroup);
    this.#parts.groups?.remove(tree.cgroup);
  }

  reap(): void {
    // Mostly there is none, and then nobody has to be looked at.
    const hasZombie = this.#parts.calls?.hasZombie() === true;
    const rows = hasZombie ? [...this.#lookAgain().processes.values()] : [];
    this.#zombies?.look(
      rows.filter((row) => row.parent === process.pid && isDead(row) && !children.has(row.pid)),
    );
    this.#parts.groups?.sweep((folder) => this.#groupsInUse.has(folder));
  }

  close(): void {
    this.#exits.close();
    this.#parts.calls?.adoptOrphans(false);
    for (const { child } of children.values()) child.unref();
  }

  #start(
    request: SpawnRequest,
    how: {
      readonly program: string;
      readonly cgroup: string | null;
      readonly signal: AbortSignal | undefined;
    },
  ): Started | Promise<Started> {
    const { program, cgroup, signal } = how;
    const { calls, helper } = this.#parts;
    const mark = markOfRun(request.run);
    const place: SpawnPlace = {
      program,
      environment: childEnvironment(request.environment, { [RUN_VARIABLE]: request.run }),
      into: cgroup === null ? {} : { cgroup },
      spawn: (start) => {
        const child = calls === null ? start() : calls.marked(mark, start);
        return { child, identity: identityOf(child.pid) };
      },
    };
    if (!needsHelper(request)) return spawnDirectly(request, place);
    const { pids: enforcesPids } = this.abilities.enforces;
    return spawnThroughHelper(request, place, { helper, enforcesPids, signal });
  }

  async #exitOf(child: Bun.Subprocess, start: string): Promise<Exit> {
    children.set(child.pid, { child, start });
    const exit = await exitOfChild(child);
    children.delete(child.pid);
    this.#look = null;
    return exit;
  }

  #killGroup({ cgroup }: ProcessTree): void {
    if (cgroup === null) return;
    const view = this.#recentLook();
    if (view.inControlGroup(cgroup).some((pid) => view.untouchable.has(pid))) return;
    this.#parts.groups?.kill(cgroup);
  }

  /** Kills a process in the moment it is found to be a member; whether it is one. */
  #strike(run: string, pid: number): boolean {
    const row = areOfRun(signsOf(pid), run) ? readProcess(pid) : null;
    if (row === null || isDead(row)) return false;
    this.#signals.sendTo(toIdentity(row), KILL);
    return true;
  }

  /** A look of now, or one of a moment ago since which nothing was done here. */
  #recentLook(): TreeView {
    return this.#lookSince(Math.max(this.#signalledMs, performance.now() - LOOK_AGE_MS));
  }

  /** A look that began at `sinceMs` or later. */
  #lookSince(sinceMs: number): TreeView {
    const look = this.#look;
    return look !== null && look.beganMs >= sinceMs ? look : this.#lookAgain();
  }

  #lookAgain(): TreeView {
    const view = new TreeView(this.#parts.groups);
    this.#look = view;
    return view;
  }
}

/** Of a child that was just started: it is there, as a zombie at least, until Bun has had the time to collect it. */
function identityOf(pid: number): ProcessIdentity {
  const row = readProcess(pid);
  if (row === null)
    throw new FleetError("FAILED", `Cannot read "/proc/${pid}/stat": no such file, /proc is needed`);
  return toIdentity(row);
}

const untouchableError = (pid: number): FleetError =>
  new FleetError("FAILED", `Cannot signal process ${pid}: it is this daemon, or one above it`);
