/**
 * Ends a tree for certain: it may fork while it is looked at, so it is killed and looked at again until a look is known to be
 * complete.
 */
import type { ProcessIdentity } from "../../base/ports/process-host.ts";

/** Between two rounds. Chosen: a killed process is gone within a millisecond or two. */
const PAUSE_MS = 10;

/** On a machine where others fork all the time: so many looks in a row that find nothing are believed. Chosen, not measured. */
const EMPTY_LOOKS_MAX = 10;

/** What killing takes. */
export interface KillMeans {
  /** The process id that was given away last: the same twice, and nothing was started between. */
  newest(): string;
  /** Kills all at once, where the system can. */
  killGroup(): void;
  /** All living members, looked up anew. */
  members(): readonly ProcessIdentity[];
  kill(identity: ProcessIdentity): void;
  /** Kills each member in the moment it is found, newest first; false when there was none. */
  strikeNewest(): boolean;
}

/** Returns what is still there after `withinMs`. */
export async function killTree(withinMs: number, means: KillMeans): Promise<readonly ProcessIdentity[]> {
  const deadlineMs = performance.now() + withinMs;
  const isLate = (): boolean => performance.now() >= deadlineMs;
  for (let emptyLooks = 0; emptyLooks < EMPTY_LOOKS_MAX; ) {
    means.killGroup();
    const newest = means.newest();
    const left = means.members();
    if (left.length > 0) {
      if (isLate()) return left;
      for (const identity of left) means.kill(identity);
      emptyLooks = 0;
      await Bun.sleep(PAUSE_MS);
      continue;
    }
    // Nobody forked while it was looked, so nobody was missed. Else what forks and ends at once may have been.
    if (means.newest() === newest || isLate()) return [];
    emptyLooks = means.strikeNewest() ? 0 : emptyLooks + 1;
  }
  return [];
}
