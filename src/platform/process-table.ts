import { readdirSync, readFileSync } from "node:fs";
import { hasCode } from "./io-error.ts";

/** A process that runs or sleeps, read from Linux' /proc. */
export interface LiveProcess {
  readonly pid: number;
  /** The name of its program, at most 15 characters. */
  readonly name: string;
  /** Its process group. */
  readonly group: number;
}

/** All processes but zombies, which hold no file and do nothing; Linux only. */
export function liveProcesses(): LiveProcess[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => {
    // "<pid> (<name>) <state> <parent> <group> ...", and the name may hold parentheses.
    const match = /^\d+ \((.*)\) (\S) \d+ (\d+) /s.exec(readStat(pid));
    if (match?.[1] === undefined || match[2] === "Z" || match[2] === "X") return [];
    return [{ pid: Number(pid), name: match[1], group: Number(match[3]) }];
  });
}

function readStat(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch (thrown) {
    // Ended since the folder was listed.
    if (hasCode(thrown, "ENOENT", "ESRCH")) return "";
    throw thrown;
  }
}
