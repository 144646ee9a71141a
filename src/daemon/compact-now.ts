import type { RemoteFailure, RemoteOptions } from "../base/ports/git-remote.ts";
import { fail, ok, type Result } from "../base/result.ts";
import {
  buildShortened,
  type CompactPorts,
  countRemoved,
  extendShortened,
} from "../fleet/messaging/compact-log.ts";
import {
  type CompactionPlan,
  type CompactionRules,
  countBatches,
  isWorthIt,
  planCompaction,
} from "../fleet/messaging/compaction-plan.ts";
import { compactionRefusal, pendingShortened } from "../fleet/messaging/compaction-state.ts";
import { hasUnpushed } from "../fleet/messaging/outbox.ts";
import { loadCardState, type ServerFacts } from "../fleet/messaging/publish-card.ts";
import { pushShortened, type ShortenedEnd, settleShortened } from "../fleet/messaging/push-shortened.ts";
import { confirmedBatch } from "../fleet/messaging/take-back.ts";
import { tryLock } from "../platform/process-lock.ts";

/** One try at the remote; null while another process of this server pushes. */
export type RemoteTry<T> = (options: RemoteOptions) => Promise<Result<T, RemoteFailure> | null>;

/** How the own log is shortened. */
export interface CompactRequest {
  readonly ports: CompactPorts;
  readonly flushLock: string;
  readonly facts: () => ServerFacts;
  readonly rules: CompactionRules;
  /** Somebody asked for it: also when it is hardly worth it, and although the remote refused it before. */
  readonly isAsked: boolean;
  readonly dryRun: boolean;
  /** Brings a try to the remote; null when it did not come to an answer in time. */
  readonly bring: <T>(attempt: RemoteTry<T>) => Promise<Result<T, RemoteFailure> | null>;
}

/**
 * How it ended. `nothing`: nothing may go, or it is not worth it. `planned`: a dry run. `refused`: by the remote, in its own
 * words. `waiting`: no answer, or another process of this server was at it. `reason` is empty for `done` and `planned`.
 */
export interface CompactReport {
  readonly status: "done" | "planned" | "nothing" | "refused" | "waiting";
  readonly reason: string;
  readonly entries: number;
  readonly batches: number;
  /** Batches that stay. */
  readonly kept: number;
  /** What keeps more from going, in words; empty where only the minimum does. */
  readonly heldBy: string;
  /** When the newest batch that went was built (wall ms); null where none did. */
  readonly cutWallMs: number | null;
}

/** Replaces the own log on the remote by a shorter one, where enough of it may go. @throws FleetError IO */
export async function compactNow(request: CompactRequest): Promise<CompactReport> {
  const { ports, rules, isAsked, dryRun } = request;
  if (loadCardState(ports).mode === "chain")
    return ended("refused", "the remote takes no ref that replaces another");
  const refusal = compactionRefusal(ports.state);
  if (refusal !== null && !isAsked) return ended("refused", refusal);
  if (!dryRun && pendingShortened(ports.state).length > 0) {
    const settled = await request.bring((options) =>
      withLock(request, () => settleShortened(ports, options)),
    );
    if (settled?.ok !== true) return ended("waiting", whyNot(settled));
  }
  const plan = planCompaction(ports, rules);
  if (!plan.ok) return { ...ended("nothing", plan.error), kept: countBatches(ports.state) };
  if (!isAsked && !isWorthIt(plan.value, rules)) {
    const { batches, kept } = plan.value;
    return ended(
      "nothing",
      `${batches} batches could go and ${kept} stay, which is not worth it`,
      plan.value,
    );
  }
  if (dryRun) {
    const { removed } = await countRemoved(ports, plan.value);
    return ended("planned", "", plan.value, removed);
  }
  return await compact(request, plan.value);
}

/** Built without the lock: messages go on meanwhile, and what they add is put behind it under the lock. */
async function compact(request: CompactRequest, plan: CompactionPlan): Promise<CompactReport> {
  const { ports, facts } = request;
  const built = await buildShortened(ports, plan);
  const end = await request.bring<ShortenedEnd>((options) =>
    withLock(request, async () => {
      const tip = confirmedBatch(ports.state)?.tip ?? "";
      if (hasUnpushed(ports.state)) return ok({ kind: "moved" });
      const whole = await extendShortened(ports, built, tip);
      if (whole === null) return ok({ kind: "moved" });
      const pushed = await pushShortened(ports, facts(), whole, options);
      return pushed.kind === "waiting" ? fail(pushed.failure) : ok(pushed);
    }),
  );
  if (end?.ok !== true) return ended("waiting", whyNot(end), plan);
  switch (end.value.kind) {
    case "done":
      return ended("done", "", plan, built.removed);
    case "refused":
      return ended("refused", end.value.reason, plan);
    default:
      return ended("waiting", "the log was moved meanwhile", plan);
  }
}

async function withLock<T>(request: CompactRequest, body: () => Promise<T>): Promise<T | null> {
  const lock = tryLock(request.flushLock);
  if (lock === null) return null;
  try {
    return await body();
  } finally {
    lock.release();
  }
}

const whyNot = (result: Result<unknown, RemoteFailure> | null): string =>
  result === null || result.ok
    ? "another process of this server is pushing, or the remote is left alone for now"
    : `${result.error.kind}: ${result.error.detail}`;

function ended(
  status: CompactReport["status"],
  reason: string,
  plan: CompactionPlan | null = null,
  entries = 0,
): CompactReport {
  const { batches = 0, kept = 0, heldBy = "" } = plan ?? {};
  const hasGone = status === "done" || status === "planned";
  const cutWallMs = status === "done" ? (plan?.cutHead.committedMs ?? null) : null;
  return { status, reason, entries, batches: hasGone ? batches : 0, kept, heldBy, cutWallMs };
}
