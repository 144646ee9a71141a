import { FleetError } from "../base/errors.ts";
import type { EntryDraft } from "../fleet/messaging/build-batch.ts";
import { commitDrafts } from "../fleet/messaging/build-queued.ts";
import { type FlushOutcome, flushOutbox } from "../fleet/messaging/flush-outbox.ts";
import { countUnconfirmed, enqueue, outboxItem } from "../fleet/messaging/outbox.ts";
import type { ServerFacts } from "../fleet/messaging/publish-card.ts";
import type { QueueRules } from "../fleet/messaging/queue.ts";
import { storeWhenDue } from "../fleet/messaging/restore-objects.ts";
import { pendingRotation } from "../fleet/messaging/rotate-key.ts";
import { systemClock } from "../platform/clock.ts";
import { clearAbandonedLocks } from "../platform/git/clear-locks.ts";
import { findStoreProblem } from "../platform/git/inspect-store.ts";
import { tryLock } from "../platform/process-lock.ts";
import { isDamage } from "../platform/sqlite-database.ts";
import type { Mailbox } from "./open-mailbox.ts";
import { settleOwnKeys } from "./own-keys.ts";

/** How often a command looks whether the process that pushes right now is done. */
const LOOK_EVERY_MS = 5;

/** How a command without a daemon sends: what, and for how long it tries. */
export interface FlushRequest {
  readonly drafts: readonly EntryDraft[];
  readonly facts: ServerFacts;
  readonly rules: QueueRules;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Makes `drafts` durable and pushes everything that waits, in this process. Where another process of this server
 * pushes already, the drafts are queued for it, and this one takes its turn only if they were not taken along.
 * `waiting` is an answer, not a failure: what was accepted is safe in the outbox.
 */
export async function flushNow(mailbox: Mailbox, request: FlushRequest): Promise<FlushOutcome> {
  const clock = systemClock;
  const deadlineMs = clock.monotonicMs() + request.timeoutMs;
  let queued = false;
  for (;;) {
    const lock = tryLock(mailbox.paths.flushLock);
    if (lock !== null) {
      try {
        return await flushLocked(mailbox, queued ? { ...request, drafts: [] } : request, deadlineMs);
      } finally {
        lock.release();
      }
    }
    if (!queued) queueDrafts(mailbox, request.drafts, clock.wallMs());
    queued = true;
    if (arePushed(mailbox, request.drafts))
      return { status: "pushed", entries: request.drafts.length, notices: [] };
    if (clock.monotonicMs() >= deadlineMs) {
      const failure = { kind: "timeout", detail: "another process of this server is pushing" } as const;
      return { status: "waiting", failure, entries: 0, notices: [] };
    }
    await clock.sleep(LOOK_EVERY_MS, request.signal);
  }
}

/** Puts drafts into the outbox, durably, for whoever pushes next. */
export function queueDrafts(mailbox: Mailbox, drafts: readonly EntryDraft[], nowWallMs: number): void {
  mailbox.state.transaction(() => {
    for (const draft of drafts) enqueue(mailbox.state, draft, nowWallMs);
  });
}

async function flushLocked(
  mailbox: Mailbox,
  request: FlushRequest,
  deadlineMs: number,
): Promise<FlushOutcome> {
  const ports = await openWhole(mailbox, request);
  clearAbandonedLocks(mailbox.paths.store, ports.clock.wallMs());
  await commitDrafts(ports, request.drafts);
  if (countUnconfirmed(mailbox.state) === 0) return { status: "pushed", entries: 0, notices: [] };
  const flush = (): Promise<FlushOutcome> =>
    flushOutbox(ports, request.facts, {
      timeoutMs: Math.max(1, deadlineMs - ports.clock.monotonicMs()),
      signal: request.signal,
      card: false,
      rules: request.rules,
    });
  try {
    let outcome = await flush();
    if (outcome.status === "waiting" && outcome.failure.kind === "failed") {
      const notices = await mendAfter(mailbox, request);
      if (notices !== null) outcome = await flush();
      outcome = { ...outcome, notices: [...(notices ?? []), ...outcome.notices] };
    }
    storeWhenDue(ports);
    if (pendingRotation(mailbox.state) !== null) await settleOwnKeys(mailbox.paths, mailbox.state);
    return outcome;
  } catch (thrown) {
    // The message is safe here whatever happened to the push; only a conflict is the caller's to hear.
    if (thrown instanceof FleetError && thrown.code !== "NOT_AUTHORISED" && !isDamage(thrown)) {
      const failure = { kind: "failed", detail: thrown.message } as const;
      return { status: "waiting", failure, entries: 0, notices: [] };
    }
    throw thrown;
  }
}

/** A store that git cannot open is put in order first. */
async function openWhole(mailbox: Mailbox, request: FlushRequest): ReturnType<Mailbox["sendPorts"]> {
  if (findStoreProblem(mailbox.paths.store, mailbox.identity.format) !== null)
    await mendAfter(mailbox, request);
  return await mailbox.sendPorts();
}

/** Mends the store where git may have failed for damage in it; null when there was none, or it cannot be mended now. */
async function mendAfter(mailbox: Mailbox, request: FlushRequest): Promise<readonly string[] | null> {
  const { mendLocked } = await import("./mend-store.ts");
  const { timeoutMs, signal } = request;
  try {
    const { outcome, notices } = await mendLocked(mailbox, { timeoutMs, signal });
    return outcome === "mended" ? notices : null;
  } catch (thrown) {
    if (thrown instanceof FleetError) return null;
    throw thrown;
  }
}

function arePushed(mailbox: Mailbox, drafts: readonly EntryDraft[]): boolean {
  return drafts.every((draft) => outboxItem(mailbox.state, draft.id)?.state === "pushed");
}
