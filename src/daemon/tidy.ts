import type { Clock } from "../base/ports/clock.ts";
import { forgetDoneRuns } from "../fleet/messaging/handler-runs.ts";
import type { SendPorts } from "../fleet/messaging/mailbox-ports.ts";
import { pruneSent } from "../fleet/messaging/prune-sent.ts";
import { restoreObjects } from "../fleet/messaging/restore-objects.ts";
import type { ServerSettings } from "../fleet/settings/model.ts";
import { clearAbandonedLocks } from "../platform/git/clear-locks.ts";
import { maintainRepository } from "../platform/git/maintain.ts";
import { tryLock } from "../platform/process-lock.ts";

/** What is tidied. `folders`: repositories that this server looks after. */
export interface TidyRequest {
  readonly ports: SendPorts;
  readonly storeFolder: string;
  readonly folders: readonly string[];
  readonly flushLock: string;
  readonly signal: AbortSignal;
}

/**
 * Packs repositories and removes what nothing needs and is older than an hour, while nobody of this server pushes. Null
 * while somebody does; else what went wrong, in words.
 */
export async function tidyRepositories(request: TidyRequest): Promise<readonly string[] | null> {
  const lock = tryLock(request.flushLock);
  if (lock === null) return null;
  try {
    clearAbandonedLocks(request.storeFolder, request.ports.clock.wallMs());
    restoreObjects(request.ports);
    const troubles: string[] = [];
    for (const folder of request.folders) {
      const tidied = await maintainRepository(folder, request.signal);
      if (!tidied.ok) troubles.push(tidied.error);
    }
    return troubles;
  } finally {
    lock.release();
  }
}

/**
 * Removes from `state.db` what it need not know any more. `cutWallMs`: what was pushed before is in no log any more. With
 * a pause after each part, so that nobody waits long for the database.
 */
export async function tidyState(
  ports: Pick<SendPorts, "state"> & { readonly clock: Clock },
  options: {
    readonly cutWallMs: number | null;
    readonly settings: ServerSettings;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { state, clock } = ports;
  const nowWallMs = clock.wallMs();
  const { compaction, metrics } = options.settings;
  state.relaxedTransaction(() => forgetDoneRuns(state, nowWallMs));
  const limits = {
    beforeWallMs: Math.max(nowWallMs - Math.max(compaction.live, compaction.keep), options.cutWallMs ?? 0),
    countedSinceWallMs: nowWallMs - metrics.keep,
  };
  while (!options.signal.aborted && pruneSent(state, limits)) await clock.sleep(1, options.signal);
}
