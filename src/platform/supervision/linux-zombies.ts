/**
 * Collects the orphans that this process has taken over and that have ended. What Bun waits for is left to Bun: it would
 * be told that there is no such child, and throw. A loop that stood still for seconds has such zombies, too, so age alone
 * tells nothing.
 */
import { readdirSync } from "node:fs";
import type { LinuxCalls } from "./linux-calls.ts";
import { type LinuxProcess, readOrNull } from "./linux-processes.ts";

/** How long a foreign zombie stands before it is collected: whoever waits for it does so at once, as a rule. */
const AGE_MS = 3000;
/** In how many looks it is seen before. Between two of them the loop has turned, unless it stood still. */
const LOOKS = 3;

interface Seen {
  readonly sinceMs: number;
  readonly looks: number;
}

/** See the head of this file. */
export class LinuxZombies {
  readonly #collect: LinuxCalls["collect"];
  /** Foreign zombies by id and ticks. */
  #seen: ReadonlyMap<string, Seen> = new Map();

  constructor(collect: LinuxCalls["collect"]) {
    this.#collect = collect;
  }

  /** `zombies`: those among the children of this process that nobody is known to wait for. */
  look(zombies: readonly LinuxProcess[]): void {
    const nowMs = performance.now();
    const still = new Map<string, Seen>();
    for (const { pid, startTicks } of zombies) {
      const key = `${pid}:${startTicks}`;
      const { sinceMs, looks } = this.#seen.get(key) ?? { sinceMs: nowMs, looks: 0 };
      still.set(key, { sinceMs, looks: looks + 1 });
    }
    this.#seen = still;
    const old = zombies.filter(({ pid, startTicks }) => {
      const seen = still.get(`${pid}:${startTicks}`);
      return seen !== undefined && seen.looks >= LOOKS && nowMs - seen.sinceMs >= AGE_MS;
    });
    if (old.length === 0) return;
    const awaited = pidsOfHandles();
    for (const { pid } of old) if (!awaited.has(pid)) this.#collect(pid);
  }
}

/** The processes that this one has handles of: Bun has one of each child that it waits for. */
function pidsOfHandles(): ReadonlySet<number> {
  const found = new Set<number>();
  for (const name of readdirSync("/proc/self/fdinfo")) {
    const pid = /^Pid:\s+(\d+)$/m.exec(readOrNull(`/proc/self/fdinfo/${name}`) ?? "")?.[1];
    if (pid !== undefined) found.add(Number(pid));
  }
  return found;
}
