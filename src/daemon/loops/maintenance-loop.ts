import { forgetDoneRuns } from "../../fleet/messaging/handler-runs.ts";
import { readSetting, writeSetting } from "../../fleet/messaging/identity.ts";
import type { SendPorts } from "../../fleet/messaging/mailbox-ports.ts";
import { restoreObjects } from "../../fleet/messaging/restore-objects.ts";
import { clearAbandonedLocks } from "../../platform/git/clear-locks.ts";
import { maintainRepository } from "../../platform/git/maintain.ts";
import { tryLock } from "../../platform/process-lock.ts";
import type { Report } from "../events.ts";

const DAY_MS = 24 * 3_600_000;
/** A daemon that just started has better things to do. */
const FIRST_AFTER_MS = 10 * 60_000;
/** Asked again so soon when somebody pushes at that moment. */
const BUSY_AGAIN_MS = 5_000;
const SETTING = "maintained_wall_ms";

/** What the maintenance loop works with. `embeddedRemote`: the folder of the remote if this daemon looks after it. */
export interface MaintenanceContext {
  readonly ports: SendPorts;
  readonly storeFolder: string;
  readonly flushLock: string;
  readonly embeddedRemote: () => string | null;
  readonly startedMonoMs: number;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/** Tidies the store, the embedded remote and the journal of handlers once a day. Answers how long to wait, ms. */
export async function maintenanceRound(context: MaintenanceContext): Promise<number> {
  const { ports } = context;
  const waitMs = untilDue(context);
  if (waitMs > 0) return waitMs;
  const lock = tryLock(context.flushLock);
  if (lock === null) return BUSY_AGAIN_MS;
  try {
    clearAbandonedLocks(context.storeFolder, ports.clock.wallMs());
    restoreObjects(ports);
    const folders = [context.storeFolder, context.embeddedRemote()];
    for (const folder of folders) {
      const tidied = folder === null ? null : await maintainRepository(folder, context.signal);
      if (tidied?.ok === false) context.report({ kind: "failed", detail: tidied.error });
    }
    ports.state.relaxedTransaction(() => {
      forgetDoneRuns(ports.state, ports.clock.wallMs());
      writeSetting(ports.state, SETTING, String(ports.clock.wallMs()));
    });
    return DAY_MS;
  } finally {
    lock.release();
  }
}

/** A clock that was set back must not put it off: a date in the future counts as long ago. */
function untilDue({ ports, startedMonoMs }: MaintenanceContext): number {
  const sinceStartMs = ports.clock.monotonicMs() - startedMonoMs;
  const lastWallMs = Number(readSetting(ports.state, SETTING) ?? "0");
  const agoMs = ports.clock.wallMs() - lastWallMs;
  return Math.max(FIRST_AFTER_MS - sinceStartMs, agoMs < 0 ? 0 : DAY_MS - agoMs);
}
