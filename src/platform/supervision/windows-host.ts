/**
 * Programs on Windows: a job for each start, found again by its name for as long as its first process lives. There are no
 * signals: SIGINT and SIGTERM are a break on the console that the tree has for itself, SIGKILL is the end of the job.
 */
import type { Pointer } from "bun:ffi";
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
import { HELPER_VARIABLE, HELPER_WORD } from "./exec-plan.ts";
import { killTree } from "./kill-tree.ts";
import { RUN_VARIABLE } from "./run-variable.ts";
import { checkProgram, childEnvironment } from "./spawn-checks.ts";
import { exitCodeOf, type Kernel, openKernel, openProcess, startOfHandle } from "./windows-calls.ts";
import { createJob, membersOfJob, openJob } from "./windows-job.ts";
import { startInJob } from "./windows-spawn.ts";

/** How often it is looked whether something has ended. Chosen; one call of some microseconds for each process. */
const LOOK_MS = 100;

/** The exit code of what is killed here, which nothing else ends with. */
const KILLED = 0xf1_ee_7d_09;
/** What a console break ends a program with that has no handler for it. */
const STATUS_CONTROL_C_EXIT = 0xc0_00_01_3a;

const ABILITIES: HostAbilities = {
  containment: "job",
  enforces: { memory: true, cpus: true, pids: true },
  adoptedExits: true,
  notes: [
    "Services run as the user of the daemon, and get no sockets from it",
    "What outlives the first process of a start is not found by a daemon that starts after that",
  ],
};

interface Watched {
  readonly process: Pointer;
  readonly ended: (exit: Exit) => void;
}

/** See the head of this file. `helper`: the words that start fleetd. */
export class WindowsHost implements ProcessHost {
  readonly abilities = ABILITIES;
  readonly #kernel: Kernel = openKernel();
  readonly #helper: readonly string[];
  readonly #jobs = new Map<string, Pointer>();
  readonly #watched = new Set<Watched>();
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(helper: readonly string[]) {
    this.#helper = helper;
  }

  spawn(request: SpawnRequest): Promise<HostedProcess> {
    // Whatever is thrown has to come as a rejection.
    return Promise.resolve().then(() => this.#spawn(request));
  }

  adopt(tree: ProcessTree): HostedProcess | null {
    const process = openProcess(this.#kernel, tree.identity.pid);
    if (process === null) return null;
    if (startOfHandle(this.#kernel, process) === tree.identity.start)
      return { tree, exited: this.#follow(process) };
    this.#kernel.CloseHandle(process);
    return null;
  }

  findRun(run: string): ProcessTree | null {
    const [first] = this.#membersOf(run).toSorted((left, right) =>
      Number(BigInt(left.start) - BigInt(right.start)),
    );
    return first === undefined ? null : { identity: first, run, cgroup: null };
  }

  members(tree: ProcessTree): readonly ProcessIdentity[] {
    const inJob = this.#membersOf(tree.run);
    if (inJob.length > 0) return inJob;
    return this.#isAlive(tree.identity) ? [tree.identity] : [];
  }

  signal(tree: ProcessTree, signal: string, to: "main" | "group" | "all"): boolean {
    const { pid } = tree.identity;
    if (pid === process.pid || pid === process.ppid) {
      throw new FleetError("FAILED", `Cannot signal process ${pid}: it is this daemon, or the one above it`);
    }
    const isThere = to === "main" ? this.#isAlive(tree.identity) : this.members(tree).length > 0;
    if (!isThere) return false;
    if (signal === "SIGKILL") this.#end(tree, to);
    else if (!["SIGTERM", "SIGINT", "SIGBREAK", "SIGHUP", "SIGQUIT"].includes(signal)) {
      throw new FleetError(
        "CONFIG",
        `Cannot send "${signal}": Windows has SIGINT, SIGTERM and SIGKILL alone`,
      );
    } else this.#sendBreak(pid);
    return true;
  }

  kill(tree: ProcessTree, withinMs: number): Promise<readonly ProcessIdentity[]> {
    return killTree(withinMs, {
      killGroup: () => this.#end(tree, "all"),
      // A job misses nobody.
      look: () => ({ members: this.members(tree), settle: () => "complete" }),
      kill: ({ pid }) => this.#endOne(pid),
    });
  }

  ranOutOfMemory(): boolean | null {
    return null;
  }

  forget(tree: ProcessTree): void {
    const job = this.#jobs.get(tree.run);
    if (job !== undefined) this.#kernel.CloseHandle(job);
    this.#jobs.delete(tree.run);
  }

  reap(): void {
    // Windows keeps nothing of a process that nobody has a handle on.
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    for (const { process } of this.#watched) this.#kernel.CloseHandle(process);
    for (const job of this.#jobs.values()) this.#kernel.CloseHandle(job);
    this.#watched.clear();
    this.#jobs.clear();
  }

  #spawn(request: SpawnRequest): HostedProcess {
    if (request.user !== null || request.group !== null || request.listeners.length > 0) {
      throw new FleetError(
        "CONFIG",
        "Cannot start as another user or with sockets: Windows has neither here",
      );
    }
    const program = checkProgram(request);
    const environment = childEnvironment(request.environment, { [RUN_VARIABLE]: request.run });
    const job = createJob(this.#kernel, request.run, request.limits);
    try {
      const child = startInJob(this.#kernel, job, request, { program, environment });
      this.#jobs.set(request.run, job);
      const identity = { pid: child.pid, start: startOfHandle(this.#kernel, child.process) };
      return { tree: { identity, run: request.run, cgroup: null }, exited: this.#follow(child.process) };
    } catch (thrown) {
      this.#kernel.CloseHandle(job);
      throw thrown;
    }
  }

  #follow(process: Pointer): Promise<Exit> {
    const { promise, resolve } = Promise.withResolvers<Exit>();
    this.#watched.add({ process, ended: resolve });
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS);
    return promise;
  }

  #look(): void {
    for (const watched of this.#watched) {
      const code = exitCodeOf(this.#kernel, watched.process);
      if (code === null) continue;
      this.#watched.delete(watched);
      this.#kernel.CloseHandle(watched.process);
      watched.ended(exitOf(code));
    }
    if (this.#watched.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  #jobOf(run: string): Pointer | null {
    const known = this.#jobs.get(run) ?? openJob(this.#kernel, run);
    if (known !== null) this.#jobs.set(run, known);
    return known;
  }

  #membersOf(run: string): ProcessIdentity[] {
    const job = this.#jobOf(run);
    if (job === null) return [];
    return membersOfJob(this.#kernel, job).flatMap((pid) => {
      const start = this.#startOf(pid);
      return start === null ? [] : [{ pid, start }];
    });
  }

  /** Null for what is gone or has ended: a process stays for as long as somebody has a handle on it. */
  #startOf(pid: number): string | null {
    const process = openProcess(this.#kernel, pid);
    if (process === null) return null;
    const start = exitCodeOf(this.#kernel, process) === null ? startOfHandle(this.#kernel, process) : null;
    this.#kernel.CloseHandle(process);
    return start;
  }

  #isAlive({ pid, start }: ProcessIdentity): boolean {
    return this.#startOf(pid) === start;
  }

  #end(tree: ProcessTree, to: "main" | "group" | "all"): void {
    const job = to === "main" ? null : this.#jobOf(tree.run);
    if (job !== null) this.#kernel.TerminateJobObject(job, KILLED);
    else if (this.#isAlive(tree.identity)) this.#endOne(tree.identity.pid);
  }

  #endOne(pid: number): void {
    const process = openProcess(this.#kernel, pid);
    if (process === null) return;
    this.#kernel.TerminateProcess(process, KILLED);
    this.#kernel.CloseHandle(process);
  }

  /** From a process of its own: one can be on one console only, and this one may be on that of a person. */
  #sendBreak(pid: number): void {
    const child = Bun.spawn([...this.#helper, HELPER_WORD], {
      env: { ...process.env, [HELPER_VARIABLE]: "1" },
      stdio: [new TextEncoder().encode(JSON.stringify({ breakPid: pid })), "ignore", "ignore"],
      detached: true,
      windowsHide: true,
    });
    child.unref();
  }
}

function exitOf(code: number): Exit {
  if (code === KILLED) return { kind: "signal", signal: "SIGKILL" };
  return code === STATUS_CONTROL_C_EXIT ? { kind: "signal", signal: "SIGINT" } : { kind: "code", code };
}
