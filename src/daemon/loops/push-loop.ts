import { messageOf } from "../../base/errors.ts";
import type { Lock } from "../../base/ports/lock.ts";
import { flushOutbox } from "../../fleet/messaging/flush-outbox.ts";
import type { SendPorts } from "../../fleet/messaging/mailbox-ports.ts";
import { hasQueued, unpushedBatches, untilQueuedDue } from "../../fleet/messaging/outbox.ts";
import type { ServerFacts } from "../../fleet/messaging/publish-card.ts";
import type { QueueRules } from "../../fleet/messaging/queue.ts";
import { storeWhenDue } from "../../fleet/messaging/restore-objects.ts";
import type { DaemonState, Dues } from "../daemon-state.ts";
import type { Report } from "../events.ts";
import { measured } from "../measured.ts";

/** A heartbeat is a new card on the remote: at most this often, and only when no push carried one. */
const HEARTBEAT_MS = 5 * 60_000;

/** A push without progress is given up after this time and tried again. */
export const PUSH_TIMEOUT_MS = 30_000;

/** The outbox is looked at this often even if nobody rings: a command that cannot reach the daemon queues by itself. */
const LOOK_MS = 10_000;

/** First pause after a failed push or fetch; it doubles up to the longest. */
export const RETRY_MS_FIRST = 1_000;
export const RETRY_MS_MAX = 60_000;

/** What the push loop works with. */
export interface PushLoopContext {
  readonly ports: SendPorts;
  readonly daemon: DaemonState;
  /** Takes the lock of whoever pushes for this server, or answers null when another process has it. */
  readonly takeFlushLock: () => Lock | null;
  readonly facts: () => ServerFacts;
  readonly rules: () => QueueRules;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/** One round of pushing: what is queued and due goes to the remote. Answers how long to wait for the next, ms. */
export async function pushRound(context: PushLoopContext): Promise<number> {
  const { ports, daemon } = context;
  const waitMs = untilDue(context);
  if (waitMs > 0) return waitMs;
  const lock = context.takeFlushLock();
  // A command of this server pushes right now; it takes what is queued with it.
  if (lock === null) return 50;
  const dues = daemon.takeDues();
  try {
    const timeoutMs = PUSH_TIMEOUT_MS;
    const { signal, report } = context;
    const outcome = await measured(
      { clock: ports.clock, report, signal },
      "git_push",
      () => flushOutbox(ports, context.facts(), { timeoutMs, signal, card: true, rules: context.rules() }),
      (flushed) =>
        flushed.status === "waiting"
          ? { success: false, metadata: { failure: flushed.failure.kind } }
          : { success: flushed.status === "pushed", metadata: { entries: flushed.entries } },
    );
    for (const text of outcome.notices) context.report({ kind: "notice", text });
    // Also what was not pushed changed: how often it was tried, and why it waits.
    daemon.bump();
    if (outcome.status === "waiting") return trouble(context, dues, outcome.failure.detail);
    if (daemon.noteSuccess("push")) context.report({ kind: "recovered", during: "push" });
    if (outcome.entries > 0) context.report({ kind: "pushed", entries: outcome.entries });
    if (outcome.status === "refused") {
      const { ids, dead, reason } = outcome;
      if (ids.length > 0) context.report({ kind: "refused", entries: ids.length, dead, detail: reason });
      // Entries rest one by one; a card that is refused has nothing but the pause of this loop.
      if (outcome.card) return trouble(context, dues, reason);
    }
    daemon.notePush();
    storeWhenDue(ports);
    return untilDue(context);
  } catch (thrown) {
    return trouble(context, dues, messageOf(thrown));
  } finally {
    lock.release();
  }
}

/** 0 when something has to be pushed now. */
function untilDue({ ports, daemon }: PushLoopContext): number {
  const nowMs = ports.clock.monotonicMs();
  const nowWallMs = ports.clock.wallMs();
  if (hasQueued(ports.state, "urgent", nowWallMs) || unpushedBatches(ports.state).length > 0) return 0;
  const restMs = untilQueuedDue(ports.state, nowWallMs);
  const dues = [
    daemon.cardDueMonoMs,
    hasQueued(ports.state, "receipts", nowWallMs) ? (daemon.receiptsDueMonoMs ?? 0) : null,
    restMs === null ? null : nowMs + restMs,
  ];
  const heartbeatMs = HEARTBEAT_MS - (nowMs - (daemon.lastPushMonoMs ?? nowMs));
  const waits = dues.flatMap((due) => (due === null ? [] : [due - nowMs]));
  return Math.max(0, Math.min(LOOK_MS, heartbeatMs, ...waits));
}

function trouble({ daemon, report, signal }: PushLoopContext, dues: Dues, detail: string): number {
  daemon.giveBack(dues);
  // A git that was ended because the daemon ends says nothing about the remote.
  if (signal.aborted) return 0;
  const { count, tell } = daemon.noteTrouble("push", detail);
  const retryMs = Math.min(RETRY_MS_MAX, RETRY_MS_FIRST * 2 ** Math.min(count - 1, 10));
  if (tell) report({ kind: "trouble", during: "push", detail, retryMs });
  return retryMs;
}
