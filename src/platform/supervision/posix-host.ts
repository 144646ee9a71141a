/**
 * Programs on other systems of the POSIX family, macOS above all: a session and a group for each start, and `ps` to see who
 * belongs to it. How an adopted process ended is known to its parent alone there.
 */
import { causedBy, FleetError } from "../../base/errors.ts";
import type {
  Exit,
  HostAbilities,
  HostedProcess,
  ProcessHost,
  ProcessIdentity,
  ProcessTree,
  SpawnRequest,
} from "../../base/ports/process-host.ts";
import { hasCode, isDenied } from "../io-error.ts";
import { childCollected, exitOfChild, signalNumber } from "./exits.ts";
import { killTree } from "./kill-tree.ts";
import { type PosixProcess, readPosixProcesses } from "./posix-processes.ts";
import { RUN_VARIABLE } from "./run-variable.ts";
import { checkProgram, childEnvironment } from "./spawn-checks.ts";
import { spawnDirectly } from "./spawn-direct.ts";

/** How often it is looked whether adopted processes are there; it is one `ps` for all of them. Chosen, not measured. */
const LOOK_MS = 2000;

/** A look that is younger is used again: many trees are asked about at one time. */
const LOOK_AGE_MS = 200;

const ABILITIES: HostAbilities = {
  containment: "process-group",
  enforces: { memory: false, cpus: false, pids: false },
  adoptedExits: false,
  notes: [
    "Limits are not kept by this system",
    "How a process ended that another daemon started is unknown",
    "Services run as the user of the daemon, and get no sockets from it",
  ],
};

interface Followed {
  readonly identity: ProcessIdentity;
  readonly ended: (exit: Exit) => void;
}

/** See the head of this file. */
export class PosixHost implements ProcessHost {
  readonly abilities = ABILITIES;
  readonly #children = new Set<Bun.Subprocess>();
  readonly #followed = new Set<Followed>();
  #timer: ReturnType<typeof setInterval> | null = null;
  #look: { readonly rows: readonly PosixProcess[]; readonly beganMs: number } | null = null;

  spawn(request: SpawnRequest): Promise<HostedProcess> {
    // Whatever is thrown has to come as a rejection.
    return Promise.resolve().then(() => this.#spawn(request));
  }

  adopt(tree: ProcessTree): HostedProcess | null {
    if (!this.#isThere(this.#lookSince(performance.now()), tree.identity)) return null;
    const { promise, resolve } = Promise.withResolvers<Exit>();
    this.#followed.add({ identity: tree.identity, ended: resolve });
    this.#timer ??= setInterval(() => this.#lookAtFollowed(), LOOK_MS);
    return { tree, exited: promise };
  }

  findRun(run: string): ProcessTree | null {
    const first = this.#lookSince(performance.now()).find((row) => row.run === run && row.pid === row.group);
    return first === undefined ? null : { identity: toIdentity(first), run, cgroup: null };
  }

  members(tree: ProcessTree): readonly ProcessIdentity[] {
    return this.#membersOf(tree, performance.now() - LOOK_AGE_MS);
  }

  signal(tree: ProcessTree, signal: string, to: "main" | "group" | "all"): boolean {
    const number = signalNumber(signal);
    if (number === null) throw new FleetError("CONFIG", `Cannot send "${signal}": there is no such signal`);
    const { pid } = tree.identity;
    const rows = this.#lookSince(performance.now());
    this.#look = null;
    if (aboveOf(rows).has(pid)) {
      throw new FleetError("FAILED", `Cannot signal process ${pid}: it is this daemon, or one above it`);
    }
    if (to === "main") return this.#isThere(rows, tree.identity) && send(pid, number);
    const members = membersIn(rows, tree);
    const isThere = members.some((row) => row.group === pid) && send(-pid, number);
    if (to === "group") return isThere;
    const others = members.filter((row) => row.group !== pid);
    return others.map((row) => send(row.pid, number)).some(Boolean) || isThere;
  }

  async kill(tree: ProcessTree, withinMs: number): Promise<readonly ProcessIdentity[]> {
    const number = signalNumber("SIGKILL") ?? 9;
    const left = await killTree(withinMs, {
      killGroup: () => undefined,
      look: (sinceMs) => {
        const members = this.#membersOf(tree, sinceMs);
        // Whether somebody forked meanwhile is not told here; `ps` itself is a fork.
        return { members, settle: () => "complete" };
      },
      kill: ({ pid }) => void send(pid, number),
    });
    if (left.length > 0) return left;
    // It is a zombie until it is collected, and whoever is told that it is gone may look.
    const own = [...this.#children].find(({ pid }) => pid === tree.identity.pid);
    if (own !== undefined) await childCollected(own, withinMs);
    // Never a member, and not gone all the same: this daemon was started by what it is to end.
    const rows = this.#lookSince(performance.now());
    return aboveOf(rows).has(tree.identity.pid) && this.#isThere(rows, tree.identity) ? [tree.identity] : [];
  }

  ranOutOfMemory(): boolean | null {
    return null;
  }

  forget(): void {
    // Nothing is kept of a start.
  }

  reap(): void {
    // Orphans go to the first process of the system, which collects them.
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#followed.clear();
    for (const child of this.#children) child.unref();
  }

  #spawn(request: SpawnRequest): HostedProcess {
    if (request.user !== null || request.group !== null || request.listeners.length > 0) {
      throw new FleetError("CONFIG", "Cannot start as another user or with sockets: only Linux does that");
    }
    const environment = childEnvironment(request.environment, { [RUN_VARIABLE]: request.run });
    const { child, identity } = spawnDirectly(request, {
      program: checkProgram(request),
      environment,
      into: {},
      spawn: (start) => {
        const started = start();
        const rows = this.#lookSince(performance.now());
        const row = rows.find(({ pid }) => pid === started.pid);
        return { child: started, identity: { pid: started.pid, start: row?.start ?? "" } };
      },
    });
    this.#look = null;
    this.#children.add(child);
    const exited = exitOfChild(child).finally(() => {
      this.#children.delete(child);
      this.#look = null;
    });
    return { tree: { identity, run: request.run, cgroup: null }, exited };
  }

  #lookAtFollowed(): void {
    const rows = this.#lookSince(performance.now());
    for (const followed of this.#followed) {
      if (this.#isThere(rows, followed.identity)) continue;
      this.#followed.delete(followed);
      followed.ended({ kind: "unknown" });
    }
    if (this.#followed.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  #membersOf(tree: ProcessTree, sinceMs: number): ProcessIdentity[] {
    return membersIn(this.#lookSince(sinceMs), tree).map(toIdentity);
  }

  #isThere(rows: readonly PosixProcess[], { pid, start }: ProcessIdentity): boolean {
    return rows.some((row) => row.pid === pid && row.start === start && !row.isZombie);
  }

  #lookSince(sinceMs: number): readonly PosixProcess[] {
    if (this.#look !== null && this.#look.beganMs >= sinceMs) return this.#look.rows;
    const beganMs = performance.now();
    const rows = readPosixProcesses(RUN_VARIABLE);
    this.#look = { rows, beganMs };
    return rows;
  }
}

const toIdentity = ({ pid, start }: PosixProcess): ProcessIdentity => ({ pid, start });

/** By token; by group while its leader is there; and whatever came of those. */
function membersIn(rows: readonly PosixProcess[], { identity, run }: ProcessTree): PosixProcess[] {
  const above = aboveOf(rows);
  const leads = rows.some((row) => row.pid === identity.pid && row.start === identity.start);
  const found = new Set(
    rows.filter((row) => row.run === run || (leads && row.group === identity.pid)).map(({ pid }) => pid),
  );
  for (let size = -1; size !== found.size; ) {
    size = found.size;
    for (const row of rows) if (found.has(row.parent)) found.add(row.pid);
  }
  return rows.filter((row) => found.has(row.pid) && !row.isZombie && !above.has(row.pid));
}

/** This process, those above it, and the first of the system. */
function aboveOf(rows: readonly PosixProcess[]): Set<number> {
  const found = new Set([1]);
  const parentOf = (pid: number): number => rows.find((row) => row.pid === pid)?.parent ?? 0;
  for (let { pid } = process; pid > 0 && !found.has(pid); pid = parentOf(pid)) found.add(pid);
  return found;
}

/** To a process, or with a negative id to a group. False when nobody was there. */
function send(pid: number, number: number): boolean {
  try {
    process.kill(pid, number);
    return true;
  } catch (thrown) {
    // macOS answers EPERM for a group of zombies too.
    if (hasCode(thrown, "ESRCH") || (pid < 0 && isDenied(thrown))) return false;
    throw causedBy("NOT_AUTHORISED", `Cannot signal process ${pid}: it belongs to another user`, thrown);
  }
}
