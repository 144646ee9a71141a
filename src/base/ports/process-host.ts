/**
 * Starts programs that outlive whoever started them, and finds them again. A process is known by its id together with
 * its start, since ids are given away again; a whole tree by that, by its session and by a random token in the
 * environment of everything that came of it, or by its control group where the system lends one.
 */

/** Which process. `start` is when the system says that it began, as text to be compared (Linux: boot id and ticks). */
export interface ProcessIdentity {
  readonly pid: number;
  readonly start: string;
}

/** How a process ended. `unknown`: it ended while nobody was there whom the system would tell. */
export type Exit =
  | { readonly kind: "code"; readonly code: number }
  /** `signal`: its name, such as "SIGKILL". */
  | { readonly kind: "signal"; readonly signal: string }
  | { readonly kind: "unknown" };

/** What one tree of processes may use; null: as much as there is. */
export interface ProcessLimits {
  readonly memoryBytes: number | null;
  /** Processors, 0.5 is half of one. */
  readonly cpus: number | null;
  readonly pids: number | null;
}

/** Everything that came of one start. */
export interface ProcessTree {
  readonly identity: ProcessIdentity;
  /** The random token of this start, in the environment as `FLEETD_SERVICE_RUN`. */
  readonly run: string;
  /** The folder of its control group; null where it has none. */
  readonly cgroup: string | null;
}

/** What runs in a container, instead of as a process of this system. */
export interface ContainerRequest {
  readonly image: string;
  readonly pull: "missing" | "always" | "never";
  /** `[ADDRESS:]PORT:PORT[/udp]`. */
  readonly ports: readonly string[];
  /** `FOLDER:/INSIDE[:ro]`. */
  readonly volumes: readonly string[];
  readonly network: string | null;
  /** Where in the container it runs; null: where the image says. */
  readonly workingFolder: string | null;
}

/** One start. */
export interface SpawnRequest {
  /** Null or left out: a process. Of a container `command` may be empty: what the image says. */
  readonly container?: ContainerRequest | null;
  /** The program, absolute or found in the PATH of `environment`, and its words; never a shell. */
  readonly command: readonly string[];
  readonly cwd: string;
  /** The whole environment; the host adds `FLEETD_SERVICE_RUN`, and what listeners need. */
  readonly environment: Readonly<Record<string, string>>;
  readonly run: string;
  /** File to which stdout and stderr are appended; made with 0600 when it is missing. */
  readonly output: string;
  /** Names or numbers; null: those of the daemon. Supplementary groups are those of the user. */
  readonly user: string | null;
  readonly group: string | null;
  /** Name of the control group, unique among what runs: `[A-Za-z0-9._-]`, at most 100 characters. */
  readonly name: string;
  readonly limits: ProcessLimits;
  /** Descriptors of listening sockets, handed on as 3, 4, ... with `LISTEN_FDS` and `LISTEN_PID`. */
  readonly listeners: readonly number[];
}

/** A running process that is followed. */
export interface HostedProcess {
  readonly tree: ProcessTree;
  /** Settles once, when the main process has ended; never rejects. The rest of its tree may still run. */
  readonly exited: Promise<Exit>;
  /** Of a container whose image says how to look after it: whether it is well, told with every change; answers what ends that. */
  readonly health?: (onReady: (ready: boolean) => void) => () => void;
}

/** What the machine offers here; for `doctor`, `status` and honest answers. */
export interface HostAbilities {
  readonly containment: "cgroup" | "process-group" | "job";
  /** Limits that the system itself keeps. */
  readonly enforces: { readonly memory: boolean; readonly cpus: boolean; readonly pids: boolean };
  /** Whether the exit of a process that another daemon started is known. */
  readonly adoptedExits: boolean;
  /** Why it is not more, in words; empty where it is all there is. */
  readonly notes: readonly string[];
}

/** See the head of this file. Implemented by `platform/`. */
export interface ProcessHost {
  readonly abilities: HostAbilities;
  /**
   * `signal` gives the start up, as far as it takes time: then nothing of it is left when this rejects.
   * @throws FleetError CONFIG or FAILED naming what is missing: the program, the folder, the user, a right
   */
  spawn(request: SpawnRequest, signal?: AbortSignal): Promise<HostedProcess>;
  /**
   * Follows a process that an earlier daemon started; null when it is gone, or another one has its id. What has ended and
   * was not collected yet is still followed: how it ended is known then.
   */
  adopt(tree: ProcessTree): HostedProcess | null;
  /** The first process of a start that nobody noted: killed between its start and the note. Null: there is none. */
  findRun(run: string): ProcessTree | null;
  /** Everything that is alive of a tree, zombies not counted; also what detached itself. */
  members(tree: ProcessTree): readonly ProcessIdentity[];
  /**
   * Which starts a process says that it came of, by what it inherited and still has; null: of none that can be told. Costs
   * two small files; left out where the system has nothing of the kind.
   */
  whose?(pid: number): ((run: string) => boolean) | null;
  /**
   * Sends a signal to the main process, to its group, or to everything that is alive of the tree, whether the main
   * process still is or not. Each identity is looked at again just before. False when nobody was there.
   */
  signal(tree: ProcessTree, signal: string, to: "main" | "group" | "all"): boolean;
  /** Kills everything of a tree and waits until it is gone; what could not be ended within `withinMs` is left and named. */
  kill(tree: ProcessTree, withinMs: number): Promise<readonly ProcessIdentity[]>;
  /** Whether the kernel killed in this tree for want of memory; null: it does not tell. True until the start is forgotten. */
  ranOutOfMemory(tree: ProcessTree): boolean | null;
  /** The start is over, and nothing is asked about it any more: what the host keeps of it goes, its control group too. */
  forget(tree: ProcessTree): void;
  /** Collects zombies that were handed to this process by their dead parents. Called now and then. */
  reap(): void;
  close(): void;
}
