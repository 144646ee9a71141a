import { FleetError } from "../base/errors.ts";
import { ingestStore, type ReceiveReport } from "../fleet/messaging/receive-messages.ts";
import type { ServerPaths } from "../platform/paths.ts";
import { readHolder, tryLock } from "../platform/process-lock.ts";
import { openMailbox, removeIndex } from "./open-mailbox.ts";

/**
 * Makes the index from the object store alone, whatever state its file is in.
 * @throws FleetError UNAVAILABLE while the server's daemon runs, since it has the old file open
 */
export async function rebuildIndex(paths: ServerPaths): Promise<ReceiveReport> {
  const lock = tryLock(paths.daemonLock);
  if (lock === null) {
    const holder = readHolder(paths.daemonLock);
    throw new FleetError(
      "UNAVAILABLE",
      `Cannot rebuild the index: the monitor is running (pid ${holder?.pid ?? "unknown"})`,
      {
        hint: "Stop it first; the index is made anew in seconds",
      },
    );
  }
  try {
    removeIndex(paths);
    const mailbox = openMailbox(paths);
    try {
      return await ingestStore(mailbox.receivePorts());
    } finally {
      await mailbox.close();
    }
  } finally {
    lock.release();
  }
}
