import { messageOf } from "../../base/errors.ts";
import type { RemoteFailure } from "../../base/ports/git-remote.ts";
import { ok, type Result } from "../../base/result.ts";
import type { CompactPorts } from "../../fleet/messaging/compact-log.ts";
import { readSetting, writeSetting } from "../../fleet/messaging/identity.ts";
import type { ServerFacts } from "../../fleet/messaging/publish-card.ts";
import type { ServerSettings } from "../../fleet/settings/model.ts";
import { type CompactReport, compactNow, type RemoteTry } from "../compact-now.ts";
import type { Report } from "../events.ts";
import type { RemoteGate } from "../remote-gate.ts";
import { tidyRepositories, tidyState } from "../tidy.ts";

/** A daemon that just started has better things to do: 10 minutes of a day. */
const FIRST_AFTER_SHARE = 144;
/** Asked again so soon when somebody pushes at that moment. */
const BUSY_AGAIN_MS = 5_000;
const SETTING = "maintained_wall_ms";

/** What the maintenance loop works with. `embeddedRemote`: the folder of the remote if this daemon looks after it. */
export interface MaintenanceContext {
  readonly ports: CompactPorts;
  readonly gate: Pick<RemoteGate, "run">;
  readonly storeFolder: string;
  readonly flushLock: string;
  readonly embeddedRemote: () => string | null;
  readonly facts: () => ServerFacts;
  readonly settings: () => ServerSettings;
  readonly startedMonoMs: number;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/**
 * Once a day: shortens the own log where that is worth it, then tidies the store, the embedded remote and the state.
 * Answers how long to wait, ms.
 */
export async function maintenanceRound(context: MaintenanceContext): Promise<number> {
  const { ports, settings, report, signal } = context;
  const waitMs = untilDue(context);
  if (waitMs > 0) return waitMs;
  const compacted = await compactOnce(context);
  const embedded = context.embeddedRemote();
  const { storeFolder, flushLock } = context;
  const folders = [storeFolder, ...(embedded === null ? [] : [embedded])];
  const troubles = await tidyRepositories({ ports, storeFolder, folders, flushLock, signal });
  if (troubles === null) return Math.min(BUSY_AGAIN_MS, settings().compaction.every);
  for (const detail of troubles) report({ kind: "failed", detail });
  await tidyState(ports, { cutWallMs: compacted?.cutWallMs ?? null, settings: settings(), signal });
  ports.state.relaxedTransaction(() => writeSetting(ports.state, SETTING, String(ports.clock.wallMs())));
  return settings().compaction.every;
}

/** What goes wrong here keeps nobody from tidying. */
async function compactOnce(context: MaintenanceContext): Promise<CompactReport | null> {
  const { ports, settings, report, flushLock, facts, signal } = context;
  const { compaction } = settings();
  if (!compaction.enabled) return null;
  try {
    const done = await compactNow({
      ports,
      flushLock,
      facts,
      rules: compaction,
      isAsked: false,
      dryRun: false,
      bring: (attempt) => throughGate(context, attempt),
    });
    if (done.status === "done") {
      report({
        kind: "notice",
        text: `shortened the own log by ${done.entries} entries in ${done.batches} batches`,
      });
    }
    if (done.status === "refused") tellOnce(context, done.reason);
    return done;
  } catch (thrown) {
    if (!signal.aborted) report({ kind: "failed", detail: messageOf(thrown) });
    return null;
  }
}

const TOLD = "compaction_told";

/** A host that refuses it does so every day; that is worth one line. */
function tellOnce({ ports, report }: MaintenanceContext, reason: string): void {
  if (readSetting(ports.state, TOLD) === reason) return;
  ports.state.relaxedTransaction(() => writeSetting(ports.state, TOLD, reason));
  report({ kind: "notice", text: `the remote refuses shortened logs, so this server's grows: ${reason}` });
}

async function throughGate<T>(
  { gate, signal }: MaintenanceContext,
  attempt: RemoteTry<T>,
): Promise<Result<T, RemoteFailure> | null> {
  const cycle = await gate.run("push", attempt, { work: signal, stop: signal });
  return cycle.status === "waiting" ? null : ok(cycle.value);
}

/** A clock that was set back must not put it off: a date in the future counts as long ago. */
function untilDue({ ports, startedMonoMs, settings }: MaintenanceContext): number {
  const { every } = settings().compaction;
  const sinceStartMs = ports.clock.monotonicMs() - startedMonoMs;
  const lastWallMs = Number(readSetting(ports.state, SETTING) ?? "0");
  const agoMs = ports.clock.wallMs() - lastWallMs;
  return Math.max(every / FIRST_AFTER_SHARE - sinceStartMs, agoMs < 0 ? 0 : every - agoMs);
}
