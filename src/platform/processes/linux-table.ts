/** All processes of a Linux system, from /proc: one small file for each. */
import { readdirSync, readFileSync } from "node:fs";
import type { ProcessRow, ProcessState } from "../../base/ports/process-table.ts";
import { isDeadStat, type LinuxStat, readStat } from "./linux-stat.ts";

/** A process that runs or sleeps. */
export interface LiveProcess {
  readonly pid: number;
  /** The name of its program, at most 15 characters. */
  readonly name: string;
  /** Its process group. */
  readonly group: number;
}

/** The ids of all processes. */
export const listPids = (): string[] => readdirSync("/proc").filter((name) => /^\d+$/.test(name));

/** The id that was given away last: the same twice, and nothing was started between. Empty where that is not told. */
export const newestPid = (): string =>
  readFileOrNull("/proc/loadavg")?.toString("latin1").trim().split(" ").at(-1) ?? "";

/** All processes but zombies, which hold no file and do nothing. */
export function liveProcesses(): LiveProcess[] {
  return listPids().flatMap((pid) => {
    const stat = readStat(pid);
    return stat === null || isDeadStat(stat) ? [] : [stat];
  });
}

/** All processes, zombies too. */
export const listRows = (): ProcessRow[] => listPids().flatMap((pid) => readRow(pid) ?? []);

/** The process with this id; null when there is none. */
export function readRow(pid: number | string): ProcessRow | null {
  const stat = readStat(pid);
  return stat === null ? null : toRow(stat);
}

/** The same in the words of the table. */
export function toRow(stat: LinuxStat): ProcessRow {
  const { pid, parent, group, session, name, cpuMs } = stat;
  return {
    pid,
    parent,
    group,
    session,
    start: startOf(stat),
    name,
    state: stateOf(stat),
    cpuMs,
    residentBytes: stat.residentPages * pageBytes(),
  };
}

/** A zombie with threads that go on is none. */
const stateOf = (stat: LinuxStat): ProcessState =>
  stat.state === "Z" && !isDeadStat(stat) ? "running" : (STATES[stat.state] ?? "unknown");

const STATES: Readonly<Record<string, ProcessState>> = {
  R: "running",
  S: "sleeping",
  D: "sleeping",
  I: "sleeping",
  T: "stopped",
  t: "stopped",
  Z: "dead",
  X: "dead",
};

/** When a process began: ticks count from the boot, so the boot belongs to it. Null where the system does not tell its boots apart. */
export function startOf({ startTicks }: LinuxStat): string | null {
  boot ??= readFileOrNull("/proc/sys/kernel/random/boot_id")?.toString("latin1").trim() ?? "";
  return boot === "" ? null : `${boot}:${startTicks}`;
}

let boot: string | undefined;
let page: number | undefined;

/** The size that the kernel counts memory in: 4 KiB, or 16 or 64 on some arm64. It is in the vector every program is started with. */
function pageBytes(): number {
  page ??= pageOfVector(readFileOrNull("/proc/self/auxv")) ?? PAGE_USUAL;
  return page;
}

const PAGE_USUAL = 4096;
/** `AT_PAGESZ` of getauxval(3). */
const VECTOR_PAGE = 6n;

function pageOfVector(vector: Buffer | null): number | null {
  for (let at = 0; vector !== null && at + 16 <= vector.length; at += 16) {
    if (vector.readBigUInt64LE(at) === VECTOR_PAGE) return Number(vector.readBigUInt64LE(at + 8));
  }
  return null;
}

/** What a process was started with, as "NAME=value"; nothing for what may not be read. */
export const variablesOf = (pid: number): readonly string[] =>
  readFileOrNull(`/proc/${pid}/environ`)?.toString("latin1").split("\0") ?? [];

/** Null for what is gone meanwhile, or may not be read. */
export function readFileOrNull(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch {
    return null;
  }
}
