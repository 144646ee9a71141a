/**
 * Control groups, version 2: a folder per start below the own one. Only where somebody lent them (systemd with
 * `Delegate=yes`), or where no manager is there to whom they belong. Controllers are turned on when the first limit asks for
 * them, since from then on nothing may stay in the folder above, not even this process.
 */
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { causedBy, messageOf } from "../../base/errors.ts";
import type { ProcessLimits } from "../../base/ports/process-host.ts";
import { hasCode } from "../io-error.ts";

/** The folder of all starts, below the own one. */
const SERVICES = "fleetd-services";
/** Where this process goes when it has to make room. */
const DAEMON = "fleetd-daemon";

const PERIOD_MICROSECONDS = 100_000;

/** Another daemon may have made a folder, and not yet put anything into it, or may still want to ask. Chosen, not measured. */
const SWEEP_AGE_MS = 600_000;

const CONTROLLERS = { memory: "memory", cpus: "cpu", pids: "pids" } as const;

/** The control groups of this machine that are ours to use. */
export interface ControlGroups {
  /** Limits that the kernel keeps here. */
  readonly enforces: { readonly memory: boolean; readonly cpus: boolean; readonly pids: boolean };
  /** Why it is not all of them. */
  readonly reason: string;
  /** Makes a folder for one start. @throws FleetError FAILED */
  create(name: string, limits: ProcessLimits): string;
  /** Ids of all processes in it. */
  members(folder: string): number[];
  /** Kills everything in it, also what is started meanwhile; false where the kernel (before 5.14) cannot. */
  kill(folder: string): boolean;
  /** Whether the kernel killed in it for want of memory; null: it does not tell. */
  ranOutOfMemory(folder: string): boolean | null;
  /** Removes the folder if nothing is in it; true when it is gone. */
  remove(folder: string): boolean;
  /** Removes folders that have been empty for a while, also those of former daemons. */
  sweep(isInUse: (folder: string) => boolean): void;
  /** The folder whose name ends so; null when there is none. */
  find(suffix: string): string | null;
}

/** Asks for an attribute of a file; see `LinuxCalls`. */
type AskAttribute = (path: string, name: string) => string | null;

/** Opens the control groups, or says why there are none. `attribute` null: it cannot be asked. */
export function openControlGroups(
  attribute: AskAttribute | null,
): ControlGroups | { readonly unavailable: string } {
  const current = currentFolder();
  if (current === null) return { unavailable: "there are no control groups of version 2 here" };
  const lent = hasManager() ? lentFolder(current, attribute) : outOf(current);
  if (lent === null) return { unavailable: "systemd lends none (Delegate=yes)" };
  const root = join(lent, SERVICES);
  try {
    accessSync(join(lent, "cgroup.procs"), constants.W_OK);
    mkdirSync(root, { recursive: true });
  } catch (thrown) {
    return { unavailable: `the own one cannot be written: ${messageOf(thrown)}` };
  }
  return below(lent, root, !hasManager() || lent !== current);
}

/** Whether systemd runs here: all control groups are its, but for what it lends. */
const hasManager = (): boolean => existsSync("/run/systemd/system");

/** systemd notes on the folder what it lent: this one, or the one above (`DelegateSubgroup=`). */
function lentFolder(current: string, attribute: AskAttribute | null): string | null {
  const isLent = (folder: string): boolean =>
    attribute?.(folder, "trusted.delegate") === "1" || attribute?.(folder, "user.delegate") === "1";
  return [current, join(current, "..")].find(isLent) ?? null;
}

/** The folder that this process made room in before, if it did. */
const outOf = (current: string): string => (basename(current) === DAEMON ? join(current, "..") : current);

/**
 * `mayLimit`: systemd puts a daemon that it starts again into the folder that it lent. With controllers turned on below, and a
 * child still there, the kernel refuses that (measured with systemd 252: "status=219/CGROUP"), so there are no limits then.
 */
function below(own: string, root: string, mayLimit: boolean): ControlGroups {
  const offered = mayLimit ? words(join(own, "cgroup.controllers")) : [];
  const enforces = {
    memory: offered.includes(CONTROLLERS.memory),
    cpus: offered.includes(CONTROLLERS.cpus),
    pids: offered.includes(CONTROLLERS.pids),
  };
  return {
    enforces,
    reason: mayLimit
      ? "its controllers are not there"
      : "systemd could not start the daemon again beside limited children (DelegateSubgroup= would let it)",
    create(name, limits) {
      const folder = join(root, name);
      try {
        const settings = settingsOf(limits, enforces);
        if (settings.length > 0) enable([own, root], offered);
        mkdirSync(folder, { recursive: true });
        for (const [file, value] of settings) writeFileSync(join(folder, file), value);
        return folder;
      } catch (thrown) {
        removeFolder(folder);
        throw causedBy("FAILED", `Cannot make control group "${folder}": ${messageOf(thrown)}`, thrown);
      }
    },
    members: membersOf,
    kill(folder) {
      try {
        writeFileSync(join(folder, "cgroup.kill"), "1");
        return true;
      } catch {
        // An older kernel, or the folder is gone with everything in it: the caller looks at who is left.
        return false;
      }
    },
    ranOutOfMemory(folder) {
      const count = /^oom_kill (\d+)$/m.exec(readOrEmpty(join(folder, "memory.events")))?.[1];
      return count === undefined ? null : count !== "0";
    },
    remove: removeFolder,
    sweep(isInUse) {
      for (const name of foldersIn(root)) {
        const folder = join(root, name);
        if (!isInUse(folder) && Date.now() - madeAt(folder) >= SWEEP_AGE_MS) removeFolder(folder);
      }
    },
    find(suffix) {
      const name = foldersIn(root).find((folder) => folder.endsWith(suffix));
      return name === undefined ? null : join(root, name);
    },
  };
}

/** The folder of the control group that this process is in; null where it is in none of version 2. */
function currentFolder(): string | null {
  const place = /^0::(\/.*)$/m.exec(readOrEmpty("/proc/self/cgroup"))?.[1];
  // "<id> <parent> <device> <root> <mount point> <options> ... - cgroup2 ..."
  const mount = /^\S+ \S+ \S+ (\S+) (\S+) .* - cgroup2 /m.exec(readOrEmpty("/proc/self/mountinfo"));
  if (place === undefined || mount?.[1] === undefined || mount[2] === undefined) return null;
  const [, root, mountPoint] = mount;
  if (root !== "/" && place !== root && !place.startsWith(`${root}/`)) return null;
  const folder = join(mountPoint, root === "/" ? place : place.slice(root.length));
  return existsSync(join(folder, "cgroup.procs")) ? folder : null;
}

function settingsOf(limits: ProcessLimits, enforces: ControlGroups["enforces"]): [string, string][] {
  const settings: [string, string][] = [];
  if (limits.memoryBytes !== null && enforces.memory) {
    settings.push(["memory.max", String(limits.memoryBytes)], ["memory.oom.group", "1"]);
  }
  if (limits.cpus !== null && enforces.cpus) {
    const share = Math.max(1000, Math.round(limits.cpus * PERIOD_MICROSECONDS));
    settings.push(["cpu.max", `${share} ${PERIOD_MICROSECONDS}`]);
  }
  if (limits.pids !== null && enforces.pids) settings.push(["pids.max", String(limits.pids)]);
  return settings;
}

/** Turns controllers on from `folders[0]` down. What is in the first one has to leave before, unless it is the root of all. */
function enable(folders: readonly string[], offered: readonly string[]): void {
  const wanted = Object.values(CONTROLLERS).filter((name) => offered.includes(name));
  for (const [index, folder] of folders.entries()) {
    const missing = wanted.filter((name) => !words(join(folder, "cgroup.subtree_control")).includes(name));
    if (missing.length === 0) continue;
    // The root of all has no "cgroup.type", and may keep its processes.
    if (index === 0 && existsSync(join(folder, "cgroup.type"))) makeRoom(folder);
    writeFileSync(join(folder, "cgroup.subtree_control"), missing.map((name) => `+${name}`).join(" "));
  }
}

function makeRoom(own: string): void {
  const leaf = join(own, DAEMON);
  mkdirSync(leaf, { recursive: true });
  for (const pid of pidsIn(own)) {
    try {
      writeFileSync(join(leaf, "cgroup.procs"), String(pid));
    } catch (thrown) {
      // It ended meanwhile.
      if (!hasCode(thrown, "ESRCH")) throw thrown;
    }
  }
}

const pidsIn = (folder: string): number[] => words(join(folder, "cgroup.procs")).map(Number);

const foldersIn = (folder: string): string[] => {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    // Gone already.
    return [];
  }
};

/** Also those of groups that a member made below, as container tools do. */
const membersOf = (folder: string): number[] => [
  ...pidsIn(folder),
  ...foldersIn(folder).flatMap((name) => membersOf(join(folder, name))),
];

function removeFolder(folder: string): boolean {
  for (const name of foldersIn(folder)) removeFolder(join(folder, name));
  try {
    rmdirSync(folder);
    return true;
  } catch (thrown) {
    // EBUSY: something is in it.
    return hasCode(thrown, "ENOENT");
  }
}

const madeAt = (folder: string): number => statSync(folder, { throwIfNoEntry: false })?.ctimeMs ?? 0;

const words = (path: string): string[] => readOrEmpty(path).split(/\s+/).filter(Boolean);

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // A file that a kernel or a controller does not have, or a folder that is gone: nothing is in it.
    return "";
  }
}
