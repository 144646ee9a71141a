import type {
  Exit,
  HostedProcess,
  ProcessHost,
  ProcessIdentity,
  ProcessTree,
  SpawnRequest,
} from "../../src/base/ports/process-host.ts";

interface Living {
  readonly request: SpawnRequest | null;
  readonly tree: ProcessTree;
  /** Everything of it that lives, the first process included. */
  readonly members: Set<number>;
  readonly exit: PromiseWithResolvers<Exit>;
}

/** Processes that a test plays: they begin when they are started, and end when the test or a signal says so. */
export class MemoryHost implements ProcessHost {
  readonly abilities = {
    containment: "process-group",
    enforces: { memory: false, cpus: false, pids: false },
    adoptedExits: true,
    notes: [],
  } as const;
  /** Every start, in order. */
  readonly spawned: SpawnRequest[] = [];
  /** Signals that were sent, as `"SIGTERM 101"`. */
  readonly signals: string[] = [];
  /** Pids that were killed. */
  readonly killed: number[] = [];
  readonly forgotten: string[] = [];
  /** Whether a SIGTERM ends what gets it. */
  obeysTerm = true;
  /** Why nothing can be started; null while it can. */
  trouble: string | null = null;
  /** What a start waits for, unless it is given up. */
  slow: Promise<void> | null = null;
  outOfMemory = new Set<string>();
  readonly #living = new Map<string, Living>();
  #pid = 100;

  async spawn(request: SpawnRequest, signal?: AbortSignal): Promise<HostedProcess> {
    if (this.trouble !== null) throw new Error(this.trouble);
    this.spawned.push(request);
    if (this.slow !== null) await untilEither(this.slow, signal);
    this.#pid += 1;
    return this.#begin(request, { pid: this.#pid, start: `boot:${this.#pid}` }, request.run);
  }

  adopt(tree: ProcessTree): HostedProcess | null {
    const living = this.#living.get(tree.run);
    return living === undefined ? null : { tree: living.tree, exited: living.exit.promise };
  }

  findRun(run: string): ProcessTree | null {
    return this.#living.get(run)?.tree ?? null;
  }

  members({ run }: ProcessTree): readonly ProcessIdentity[] {
    return [...(this.#living.get(run)?.members ?? [])].map((pid) => ({ pid, start: `boot:${pid}` }));
  }

  signal(tree: ProcessTree, signal: string): boolean {
    const living = this.#living.get(tree.run);
    if (living === undefined || living.members.size === 0) return false;
    this.signals.push(`${signal} ${tree.identity.pid}`);
    if (this.obeysTerm) this.end(tree.run, { kind: "signal", signal });
    return true;
  }

  kill(tree: ProcessTree): Promise<readonly ProcessIdentity[]> {
    const living = this.#living.get(tree.run);
    if (living !== undefined && living.members.size > 0) {
      this.killed.push(...living.members);
      this.end(tree.run, { kind: "signal", signal: "SIGKILL" });
    }
    return Promise.resolve([]);
  }

  ranOutOfMemory({ run }: ProcessTree): boolean {
    return this.outOfMemory.has(run);
  }

  forget({ run }: ProcessTree): void {
    this.forgotten.push(run);
    this.#living.delete(run);
  }

  reap(): void {
    // Nothing here ever becomes a zombie.
  }

  close(): void {
    // Nothing is open.
  }

  /** A process that somebody else started, or an earlier daemon. */
  plant(tree: ProcessTree): void {
    this.#begin(null, tree.identity, tree.run);
  }

  /** The main process of a run ends, and with it everything, or all but `left` processes. */
  end(run: string, exit: Exit, left = 0): void {
    const living = this.#living.get(run);
    if (living === undefined) throw new Error(`no run ${run}`);
    living.members.clear();
    for (let index = 0; index < left; index += 1) living.members.add(10_000 + index);
    living.exit.resolve(exit);
  }

  /** The token of the last start. */
  get lastRun(): string {
    return this.spawned.at(-1)?.run ?? "";
  }

  /** How many main processes live. */
  get alive(): number {
    return [...this.#living.values()].filter(({ members, tree }) => members.has(tree.identity.pid)).length;
  }

  #begin(request: SpawnRequest | null, identity: ProcessIdentity, run: string): HostedProcess {
    const tree: ProcessTree = { identity, run, cgroup: null };
    const exit = Promise.withResolvers<Exit>();
    this.#living.set(run, { request, tree, members: new Set([identity.pid]), exit });
    return { tree, exited: exit.promise };
  }
}

/** Rejects when the signal comes first. */
async function untilEither(slow: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  const given = new Promise<void>((resolve) => signal?.addEventListener("abort", () => resolve()));
  await Promise.race([slow, given]);
  signal?.throwIfAborted();
}
