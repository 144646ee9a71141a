import { FleetError } from "../../base/errors.ts";
import type { ServerPaths } from "../../platform/paths.ts";
import { readHolder, tryLock } from "../../platform/process-lock.ts";

/**
 * Mends what a monitor may have open, under the lock of the monitor: one that hangs does not answer and still works on
 * it, and none may start meanwhile.
 * @throws FleetError UNAVAILABLE with the holder's pid when there is one
 */
export async function whileStopped(paths: ServerPaths, mend: () => void | Promise<void>): Promise<void> {
  const lock = tryLock(paths.daemonLock);
  if (lock === null) {
    const pid = readHolder(paths.daemonLock)?.pid ?? "unknown";
    throw new FleetError("UNAVAILABLE", `Cannot mend it: a monitor that does not answer runs (pid ${pid})`, {
      hint: "End it first",
    });
  }
  try {
    await mend();
  } finally {
    lock.release();
  }
}
