/** What `ps` says, in the same words whatever the user's language and time zone. Its columns are those of POSIX and of macOS. */
import type { ProcessRow, ProcessState } from "../../base/ports/process-table.ts";

/** With these it speaks plain English, and of moments that two calls agree on. */
export const PS_ENVIRONMENT = { PATH: "/bin:/usr/bin:/usr/sbin:/sbin", LC_ALL: "C", TZ: "UTC" } as const;

/** The columns that `parsePs` reads, without their titles. The name stands last, since it may hold spaces. */
export const PS_COLUMNS = "pid=,ppid=,pgid=,stat=,time=,rss=,lstart=,comm=";

const LINE =
  /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(\S+)\s+(\d+)\s+(\S+ +\S+ +\d+ +\d\d:\d\d:\d\d +\d{4})\s+(.*)$/;

/** One row per line that is understood. Sessions are not told by macOS. */
export function parsePs(text: string): ProcessRow[] {
  return text.split("\n").flatMap((line) => {
    const [, pid, parent, group, state = "", time = "", kilobytes, start, path] = LINE.exec(line) ?? [];
    if (start === undefined || path === undefined) return [];
    return [
      {
        pid: Number(pid),
        parent: Number(parent),
        group: Number(group),
        session: null,
        start,
        name: path.trim().replace(/^.*\//, ""),
        state: stateOf(state),
        cpuMs: parseCpuTime(time),
        residentBytes: Number(kilobytes) * 1024,
      },
    ];
  });
}

function stateOf(letters: string): ProcessState {
  const states: Readonly<Record<string, ProcessState>> = {
    R: "running",
    S: "sleeping",
    I: "sleeping",
    D: "sleeping",
    U: "sleeping",
    T: "stopped",
    t: "stopped",
    Z: "dead",
    X: "dead",
  };
  return states[letters.charAt(0)] ?? "unknown";
}

/** Milliseconds of `[[days-]hours:]minutes:seconds[.hundredths]`; null for anything else. */
export function parseCpuTime(text: string): number | null {
  const [, days = "0", hours = "0", minutes, seconds] =
    /^(?:(\d+)-)?(?:(\d+):)?(\d+):(\d\d(?:\.\d+)?)$/.exec(text) ?? [];
  if (minutes === undefined) return null;
  const wholeMinutes = (Number(days) * 24 + Number(hours)) * 60 + Number(minutes);
  return Math.round((wholeMinutes * 60 + Number(seconds)) * 1000);
}
