import { liveProcesses } from "./processes/linux-table.ts";

/** Whether children can lead a process group of their own; Windows ends trees through `taskkill`. */
export const HAS_PROCESS_GROUPS = process.platform !== "win32";

// Chosen, not measured: git removes its lock files within milliseconds of a TERM.
const TERM_GRACE_MS = 2000;
// Nobody waits that long for what can be ended: on a machine with much to do it may take a second to be told.
const KILL_GRACE_MS = 10_000;
const POLL_MS = 5;

/**
 * Whether no process is left in the group led by `pid`. A helper whose git died before it stays a zombie until PID 1
 * notices, for seconds in some containers: it does not count.
 */
export function isGroupEmpty(pid: number): boolean {
  if (!(HAS_PROCESS_GROUPS && signalGroup(pid, 0))) return true;
  return process.platform === "linux" && !liveProcesses().some((live) => live.group === pid);
}

/**
 * Ends every process of the group led by `pid`: TERM, so that git removes its own locks, and after 2 s KILL.
 * Resolves when the group is empty, or 10 s after the KILL (a process stuck in the kernel cannot be waited for).
 */
export async function endGroup(pid: number): Promise<void> {
  if (!HAS_PROCESS_GROUPS) return endTree(pid);
  signalGroup(pid, "SIGTERM");
  if (await becameEmpty(pid, TERM_GRACE_MS)) return;
  signalGroup(pid, "SIGKILL");
  await becameEmpty(pid, KILL_GRACE_MS);
}

function signalGroup(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pid, name);
    return true;
  } catch {
    // ESRCH: nobody is left. EPERM (macOS): only zombies are left. Both mean that there is nothing to end.
    return false;
  }
}

async function becameEmpty(pid: number, withinMs: number): Promise<boolean> {
  const deadlineMs = performance.now() + withinMs;
  while (!isGroupEmpty(pid)) {
    if (performance.now() >= deadlineMs) return false;
    await Bun.sleep(POLL_MS);
  }
  return true;
}

async function endTree(pid: number): Promise<void> {
  const killer = Bun.spawn(["taskkill", "/T", "/F", "/PID", String(pid)], {
    stdio: ["ignore", "ignore", "ignore"],
    windowsHide: true,
  });
  await killer.exited;
}
