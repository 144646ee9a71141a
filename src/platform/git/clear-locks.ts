import { FleetError } from "../../base/errors.ts";
import { ioError } from "../io-error.ts";
import { findLocks } from "./inspect-store.ts";
import { removeAbandonedLock } from "./ref-locks.ts";

/**
 * Removes the locks that killed processes left in the private repository `folder`. Whoever needs such a lock removes it
 * by itself; the daily tidying by git would not, and would fail at it for ever.
 * @throws FleetError IO when a lock cannot be examined or removed
 */
export function clearAbandonedLocks(folder: string, nowWallMs: number): void {
  try {
    for (const path of findLocks(folder)) removeAbandonedLock(folder, path, nowWallMs);
  } catch (thrown) {
    if (thrown instanceof FleetError) throw thrown;
    throw ioError(`Cannot look for abandoned locks in "${folder}"`, thrown);
  }
}
