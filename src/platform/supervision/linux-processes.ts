/** One look at all processes of a Linux system, as far as it takes to tell which of them came of which start. */
import { readdirSync, readFileSync } from "node:fs";
import type { ProcessIdentity } from "../../base/ports/process-host.ts";
import { readBoot } from "../boot.ts";
import { isDeadStat, type LinuxStat, readStat } from "../processes/linux-stat.ts";
import { newestPid } from "../processes/linux-table.ts";

/** A process in /proc. `startTicks`: ticks since the boot, as a number. */
export type LinuxProcess = Pick<
  LinuxStat,
  "pid" | "state" | "threads" | "parent" | "group" | "session" | "exitStatus"
> & { readonly startTicks: number };

/** A zombie, or what is about to be gone. */
export const isDead = (row: LinuxProcess): boolean => isDeadStat(row);

/** The process with this id; null when there is none. */
export function readProcess(pid: number): LinuxProcess | null {
  const stat = readStat(pid);
  return stat === null ? null : { ...stat, startTicks: Number(stat.startTicks) };
}

/** All processes. */
export function readProcesses(): Map<number, LinuxProcess> {
  const rows = new Map<number, LinuxProcess>();
  for (const pid of pidsNewestFirst()) {
    const row = readProcess(pid);
    if (row !== null) rows.set(pid, row);
  }
  return rows;
}

/** Above every id that Linux gives away. */
const PIDS = 2 ** 22;

/** The ids of all processes, the one given away last first: the youngest are the first to be gone again. */
export function pidsNewestFirst(): number[] {
  const pids = readdirSync("/proc").map(Number).filter(Number.isInteger);
  // Read after them, so that none of them is newer. After the highest id the low ones are given away again.
  const newest = Number(newestPid());
  const age = (pid: number): number => (pid <= newest ? newest - pid : newest - pid + PIDS);
  return pids.sort((left, right) => age(left) - age(right));
}

/** The value of a variable that it was started with; null where it has none, or may not be looked into. */
export function variableOf(pid: number, name: string): string | null {
  const found = (readOrNull(`/proc/${pid}/environ`) ?? "")
    .split("\0")
    .find((line) => line.startsWith(`${name}=`));
  return found?.slice(name.length + 1) ?? null;
}

/** The mark that `LinuxCalls.marked` left on it, or on what it came of; null where there is none. */
export function markOf(pid: number): string | null {
  const limits = readOrNull(`/proc/${pid}/limits`);
  return limits === null ? null : (/^Max realtime timeout +(\d+)/m.exec(limits)?.[1] ?? null);
}

/** The start of a process as the rest of the program compares it; see `startOfProcess`. */
export function startText(ticks: number): string {
  boot ??= readBoot().id ?? "";
  return `${boot}:${ticks}`;
}

/** Which process a row is of. */
export const toIdentity = (row: LinuxProcess): ProcessIdentity => ({
  pid: row.pid,
  start: startText(row.startTicks),
});

/** The ticks of a start of this boot; null for any other. */
export function ticksOf(start: string): number | null {
  const at = start.lastIndexOf(":");
  const ticks = Number(start.slice(at + 1));
  return at > 0 && startText(ticks) === start ? ticks : null;
}

/** It stays what it is for as long as this process lives. */
let boot: string | undefined;

/** The text of a file in /proc; null for a process that ended meanwhile, or is somebody else's. */
export function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return null;
  }
}
