/**
 * Ends a tree for certain: it may fork while it is looked at, so it is killed and looked at again until a look is known to be
 * complete.
 */
import type { ProcessIdentity } from "../../base/ports/process-host.ts";

/** Between two rounds. Chosen: a killed process is gone within a millisecond or two. */
const PAUSE_MS = 10;

/** How old the first look may be. */
const LOOK_AGE_MS = 50;

/** On a machine where others fork all the time: so many looks in a row that find nothing are believed. Chosen, not measured. */
const EMPTY_LOOKS_MAX = 10;

/** Members of a tree. */
export interface KillLook {
  readonly members: readonly ProcessIdentity[];
  /** Whether there is nobody else: `hit` where somebody was started since, and was killed; `unknown` where it is not told. */
  settle(): "complete" | "hit" | "unknown";
}

/** What killing takes. */
export interface KillMeans {
  /** Kills all at once, where the system can. */
  killGroup(): void;
  /** All living members, looked up at `sinceMs` (of `performance.now()`) or later. */
  look(sinceMs: number): KillLook;
  kill(identity: ProcessIdentity): void;
}

/** Returns what is still there after `withinMs`. Many trees that are killed together share their looks. */
export async function killTree(withinMs: number, means: KillMeans): Promise<readonly ProcessIdentity[]> {
  const beganMs = performance.now();
  const deadlineMs = beganMs + withinMs;
  // A look of a moment before is good enough to begin with.
  let actedMs = beganMs - LOOK_AGE_MS;
  const isLate = (): boolean => performance.now() >= deadlineMs;
  for (let emptyLooks = 0; emptyLooks < EMPTY_LOOKS_MAX; ) {
    means.killGroup();
    const look = means.look(actedMs);
    if (look.members.length > 0) {
      if (isLate()) return look.members;
      for (const identity of look.members) means.kill(identity);
      emptyLooks = 0;
      actedMs = performance.now();
      await Bun.sleep(PAUSE_MS);
      continue;
    }
    if (isLate()) return [];
    // What forks and ends at once may have been missed.
    const settled = look.settle();
    if (settled === "complete") return [];
    emptyLooks = settled === "hit" ? 0 : emptyLooks + 1;
    actedMs = performance.now();
    // A look and a blow at all processes take long on a busy machine: whoever asks something meanwhile is answered.
    await Bun.sleep(0);
  }
  return [];
}
