import { descendantsOf, eventually, processesWith } from "./temp-git.ts";

/** What dies: the process alone, so that its git goes on without it, or the process with everything it started. */
export type KillScope = "alone" | "tree";

/** Ends `pid` with SIGKILL. A tree is stopped first, so that nothing new is started while it is counted. */
export function killHard(pid: number, scope: KillScope): void {
  const stopped = new Set([pid]);
  if (scope === "tree") {
    for (let found = [pid]; found.length > 0; found = descendantsOf(pid).filter((one) => !stopped.has(one))) {
      for (const one of found) {
        signal(one, "SIGSTOP");
        stopped.add(one);
      }
    }
  }
  for (const one of stopped) signal(one, "SIGKILL");
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // ESRCH: it has ended by itself.
  }
}

/** Command lines of processes that still have `text` among their words after `withinMs`. */
export async function processesLeft(text: string, withinMs: number): Promise<string[]> {
  await eventually(() => processesWith(text).length === 0, withinMs);
  return await Promise.all(
    processesWith(text).map(async (pid) => {
      const words = await Bun.file(`/proc/${pid}/cmdline`)
        .text()
        .catch(() => "");
      return `${pid} ${words.replaceAll("\0", " ")}`;
    }),
  );
}
