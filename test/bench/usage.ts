import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import type { Context } from "./context.ts";

/** Linux counts processor time in ticks of 10 ms (USER_HZ, the same on every platform it runs on). */
const TICK_MS = 10;

/** What a process has used so far, from /proc. */
export interface Usage {
  readonly ownMs: number;
  /** Of the children it waited for. */
  readonly childrenMs: number;
  readonly rssMb: number;
  readonly openFiles: number;
}

/** Whether this system tells what a process uses; says so when it does not. */
export function canSeeUsage(what: string): boolean {
  if (process.platform === "linux") return true;
  console.log(`skipped: ${what}: its memory and processor time are read from /proc`);
  return false;
}

/** Reads what the process `pid` has used. */
export function usageOf(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // After the name in parentheses: state is field 3, utime 14, stime 15, those of waited-for children 16 and 17.
  const fields = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
  const ticks = (first: number): number => (fields[first - 3] ?? 0) + (fields[first - 2] ?? 0);
  const rss = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
  return {
    ownMs: ticks(14) * TICK_MS,
    childrenMs: ticks(16) * TICK_MS,
    rssMb: Number(rss) / 1024,
    openFiles: readdirSync(`/proc/${pid}/fd`).length,
  };
}

/** A folder for the PATH with a `git` that leaves a mark and becomes the real one. */
export function countingGit({ temp }: Context): { readonly folder: string; readonly count: () => number } {
  const folder = temp.path("counting");
  mkdirSync(folder);
  const marks = `${folder}/marks`;
  writeFileSync(marks, "");
  writeFileSync(`${folder}/git`, `#!/bin/sh\nprintf . >> '${marks}'\nexec '${Bun.which("git")}' "$@"\n`);
  chmodSync(`${folder}/git`, 0o755);
  return { folder, count: () => statSync(marks).size };
}
