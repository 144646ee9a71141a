/** One process as `/proc/PID/stat` has it: the one place that knows its fields, proc_pid_stat(5). */
import { readFileSync } from "node:fs";
import { hasCode } from "../io-error.ts";

/** Linux counts processor time in ticks of 10 ms for programs (USER_HZ), whatever it does inside. */
const TICK_MS = 10;

/** What `/proc/PID/stat` says. */
export interface LinuxStat {
  readonly pid: number;
  /** At most 15 characters. */
  readonly name: string;
  /** One letter: R, S, D, Z, T, t, X, I. */
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** Its own processor time, user and system. */
  readonly cpuMs: number;
  /** How many threads it has; those of a zombie are 1, or 0 when it is just being collected. */
  readonly threads: number;
  /** Ticks since the boot, as text. */
  readonly startTicks: string;
  readonly residentPages: number;
  /** The wait status of a zombie; 0 for what runs, and for whom this process may not look into. */
  readonly exitStatus: number;
}

/**
 * A zombie, or what is about to be gone: it holds no file and does nothing. Where the first thread has ended and others
 * have not, it is shown as a zombie all the same, with all of its files and sockets.
 */
export const isDeadStat = ({ state, threads }: Pick<LinuxStat, "state" | "threads">): boolean =>
  state === "X" || (state === "Z" && threads <= 1);

// Places after the name, which stands in brackets and may hold anything, brackets and spaces too.
const STATE = 0;
const PARENT = 1;
const GROUP = 2;
const SESSION = 3;
const USER_TICKS = 11;
const SYSTEM_TICKS = 12;
const THREADS = 17;
const START = 19;
const RESIDENT_PAGES = 21;
const EXIT_STATUS = 49;

/** Understands the line; null for anything else. */
export function parseStat(line: string): LinuxStat | null {
  const [open, close] = [line.indexOf("("), line.lastIndexOf(")")];
  if (open === -1 || close < open) return null;
  const field = fieldsFrom(line, close + 2);
  const state = field(STATE);
  const [parent, group, session] = [Number(field(PARENT)), Number(field(GROUP)), Number(field(SESSION))];
  const ticks = Number(field(USER_TICKS)) + Number(field(SYSTEM_TICKS));
  const threads = Number(field(THREADS));
  const startTicks = field(START);
  if (startTicks === "") return null;
  return {
    pid: Number.parseInt(line, 10),
    name: decodeName(line.slice(open + 1, close)),
    state,
    parent,
    group,
    session,
    cpuMs: ticks * TICK_MS,
    threads,
    startTicks,
    residentPages: Number(field(RESIDENT_PAGES)),
    // Of no interest while it runs.
    exitStatus: isDeadStat({ state, threads }) ? Number(field(EXIT_STATUS)) : 0,
  };
}

/** Answers fields by their place, asked for in rising order; empty behind the last. Taking all apart costs three times as much. */
function fieldsFrom(line: string, first: number): (place: number) => string {
  let [at, here] = [first, 0];
  return (place) => {
    for (; here < place && at !== 0; here += 1) at = line.indexOf(" ", at) + 1;
    if (at === 0) return "";
    const end = line.indexOf(" ", at);
    return end === -1 ? line.slice(at) : line.slice(at, end);
  };
}

/** The process with this id; null when there is none. */
export function readStat(pid: number | string): LinuxStat | null {
  try {
    // Not UTF-8 at once: decoding hundreds of lines that are plain costs a third of the whole pass (measured).
    return parseStat(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch (thrown) {
    // Ended since somebody saw it.
    if (hasCode(thrown, "ENOENT", "ESRCH")) return null;
    throw thrown;
  }
}

const decodeName = (name: string): string =>
  /[^ -~]/.test(name) ? Buffer.from(name, "latin1").toString("utf8") : name;
