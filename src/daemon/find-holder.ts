import type { LockHolder } from "../base/ports/lock.ts";
import { isAlive } from "../platform/is-alive.ts";
import { readHolder } from "../platform/process-lock.ts";

/** Who takes a lock writes down who it is right after; chosen, far above what that takes. */
const WITHIN_MS = 1_000;
const LOOK_EVERY_MS = 10;

/**
 * Who holds the taken lock at `path`: what is written beside it may be of the holder before, and whoever took it this very
 * moment has not written yet. Null when nobody who lives is known.
 */
export async function findHolder(path: string): Promise<LockHolder | null> {
  for (let waitedMs = 0; ; waitedMs += LOOK_EVERY_MS) {
    const holder = readHolder(path);
    if (holder !== null && isAlive(holder.pid)) return holder;
    if (waitedMs >= WITHIN_MS) return null;
    await Bun.sleep(LOOK_EVERY_MS);
  }
}
