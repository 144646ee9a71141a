import { messageOf } from "../../base/errors.ts";
import type { RemoteFailure, RemoteOptions } from "../../base/ports/git-remote.ts";
import type { Lock } from "../../base/ports/lock.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import { flushOutbox } from "../../fleet/messaging/flush-outbox.ts";
import type { SendPorts } from "../../fleet/messaging/mailbox-ports.ts";
import { hasQueued, hasUnpushed, untilQueuedDue } from "../../fleet/messaging/outbox.ts";
import { holdOf } from "../../fleet/messaging/own-alarms.ts";
import { listPeers } from "../../fleet/messaging/peers.ts";
import type { ServerFacts } from "../../fleet/messaging/publish-card.ts";
import type { QueueRules } from "../../fleet/messaging/queue.ts";
import { storeWhenDue } from "../../fleet/messaging/restore-objects.ts";
import { keepWaitingClock } from "../../fleet/messaging/waiting-clock.ts";
import type { ServerSettings } from "../../fleet/settings/model.ts";
import { isDamage } from "../../platform/sqlite-database.ts";
import type { DaemonState } from "../daemon-state.ts";
import type { Report } from "../events.ts";
import { measured } from "../measured.ts";
import type { RemoteGate } from "../remote-gate.ts";

/** The outbox is looked at this often even if nobody rings: a command that cannot reach the daemon queues by itself. */
export const LOOK_MS = 10_000;

/** What the push loop works with. */
export interface PushLoopContext {
  readonly ports: SendPorts;
  readonly daemon: DaemonState;
  readonly gate: RemoteGate;
  /** Takes the lock of whoever pushes for this server, or answers null when another process has it. */
  readonly takeFlushLock: () => Lock | null;
  /** Finishes a change of the own key that a push may have brought to the remote. */
  readonly settleKeys?: () => Promise<void>;
  readonly facts: () => ServerFacts;
  readonly rules: () => QueueRules;
  readonly settings: () => ServerSettings;
  readonly report: Report;
  /** Ends a push under way. */
  readonly signal: AbortSignal;
  /** Ends pauses; aborts before `signal` does. */
  readonly stop: AbortSignal;
}

/** One round of pushing: what is queued and due goes to the remote. Answers how long to wait for the next, ms. */
export async function pushRound(context: PushLoopContext): Promise<number> {
  const { daemon, gate, report, signal, stop } = context;
  keepWaitingClock(context.ports.state, context.ports.clock.wallMs());
  // Whoever looks at the remote finds out when this is over, and rings.
  if (holdOf(context.ports.state) !== null) return LOOK_MS;
  const due = nextDue(context);
  if (due.waitMs > 0) return due.waitMs;
  try {
    const cycle = await gate.run("push", (options) => tryPush(context, options), { work: signal, stop });
    if (cycle.status === "waiting") return cycle.pauseMs;
    daemon.notePush(due.isHeartbeat);
    if (cycle.value > 0) report({ kind: "pushed", entries: cycle.value });
    storeWhenDue(context.ports);
    await context.settleKeys?.();
    return nextDue(context).waitMs;
  } catch (thrown) {
    // The remote has no part in it.
    if (isDamage(thrown)) throw thrown;
    return signal.aborted ? 0 : gate.noteThrown("push", messageOf(thrown));
  }
}

/** One push; the number of entries that it confirmed, or null while another process of this server pushes. */
async function tryPush(
  context: PushLoopContext,
  options: RemoteOptions,
): Promise<Result<number, RemoteFailure> | null> {
  const { ports, daemon, report } = context;
  const lock = context.takeFlushLock();
  // A command of this server pushes right now; it takes what is queued with it.
  if (lock === null) return null;
  const dues = daemon.takeDues();
  let isPushed = false;
  let pushes = 0;
  const onPush = (): void => {
    pushes += 1;
  };
  try {
    const outcome = await measured(
      { clock: ports.clock, report, signal: options.signal },
      "git_push",
      () => flushOutbox(ports, context.facts(), { ...options, card: true, rules: context.rules(), onPush }),
      (flushed) =>
        flushed.status === "waiting"
          ? { success: false, metadata: { failure: flushed.failure.kind } }
          : { success: flushed.status === "pushed", metadata: { entries: flushed.entries } },
    );
    for (const text of outcome.notices) report({ kind: "notice", text });
    // Also what was not pushed changed: how often it was tried, and why it waits.
    daemon.bump();
    const isWhole = outcome.status === "pushed" || (outcome.status === "refused" && !outcome.card);
    // Told with the end of the cycle otherwise.
    if (!isWhole && outcome.entries > 0) report({ kind: "pushed", entries: outcome.entries });
    if (outcome.status === "waiting") return fail(outcome.failure);
    if (outcome.status === "refused") {
      const { ids, dead, reason } = outcome;
      if (ids.length > 0) report({ kind: "refused", entries: ids.length, dead, detail: reason });
      // Entries rest one by one; a card that is refused has nothing but the pause of this loop.
      if (outcome.card) return fail({ kind: "failed", detail: reason });
    }
    isPushed = true;
    return ok(outcome.entries);
  } finally {
    // The gate pays for the first one.
    context.gate.budget.owe(ports.clock.monotonicMs(), Math.max(0, pushes - 1));
    if (!isPushed) daemon.giveBack(dues);
    lock.release();
  }
}

/** When something has to be pushed; `waitMs` 0: now. A heartbeat is a push for nothing but its card. */
function nextDue(context: PushLoopContext): { readonly waitMs: number; readonly isHeartbeat: boolean } {
  const { ports, daemon } = context;
  const nowMs = ports.clock.monotonicMs();
  const nowWallMs = ports.clock.wallMs();
  if (hasQueued(ports.state, "urgent", nowWallMs) || hasUnpushed(ports.state)) {
    return { waitMs: 0, isHeartbeat: false };
  }
  const restMs = untilQueuedDue(ports.state, nowWallMs);
  const dues = [
    daemon.cardDueMonoMs,
    hasQueued(ports.state, "receipts", nowWallMs) ? (daemon.receiptsDueMonoMs ?? 0) : null,
    restMs === null ? null : nowMs + restMs,
  ];
  const waits = dues.flatMap((due) => (due === null ? [] : [due - nowMs]));
  const beforeHeartbeatMs = Math.min(LOOK_MS, ...waits);
  const heartbeatMs = heartbeatDueMs(context) - nowMs;
  if (heartbeatMs > beforeHeartbeatMs) return { waitMs: Math.max(0, beforeHeartbeatMs), isHeartbeat: false };
  return { waitMs: Math.max(0, heartbeatMs), isHeartbeat: beforeHeartbeatMs > 0 };
}

/**
 * The rule of heartbeats: one is due when nothing was pushed for `heartbeat.idle`, and none follows the one before in
 * less than `heartbeat.every`, which a large fleet on a host with a budget makes longer. Every push carries the card,
 * so what is pushed for other reasons puts the next heartbeat off by `idle` and does not count as one.
 */
export function heartbeatDueMs({
  ports,
  daemon,
  gate,
  settings,
}: Pick<PushLoopContext, "ports" | "daemon" | "gate" | "settings">): number {
  const { idle, every } = settings().heartbeat;
  const servers = listPeers(ports.state).length + 1;
  const leastMs = Math.max(every, gate.budget.heartbeatMs(servers));
  const idleDueMs = (daemon.lastPushMonoMs ?? daemon.startedMonoMs) + idle;
  const last = daemon.lastHeartbeatMonoMs;
  return last === null ? idleDueMs : Math.max(idleDueMs, last + leastMs);
}
