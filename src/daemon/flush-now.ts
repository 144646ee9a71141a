import { FleetError } from "../base/errors.ts";
import type { Clock } from "../base/ports/clock.ts";
import type { Database } from "../base/ports/database.ts";
import type { Lock } from "../base/ports/lock.ts";
import type { EntryDraft } from "../fleet/messaging/build-batch.ts";
import { commitDrafts } from "../fleet/messaging/build-queued.ts";
import { type FlushOutcome, flushOutbox } from "../fleet/messaging/flush-outbox.ts";
import type { SendPorts } from "../fleet/messaging/mailbox-ports.ts";
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

/** Where a flush happens: this server's parts, and the lock of whoever pushes for it. */
export interface FlushPlace {
  readonly clock: Clock;
  readonly state: Database;
  readonly takeLock: () => Lock | null;
  /** Opens what is needed to send. Called under the lock, before anything is written. */
  readonly open: () => Promise<SendPorts>;
  /** Mends the store where a push may have failed for damage in it; what was done, null where nothing was. */
  readonly mend: () => Promise<readonly string[] | null>;
  /** Called under the lock when a push has ended. */
  readonly settle: () => Promise<void>;
}

/**
 * Makes `drafts` durable and pushes everything that waits, in this process. Where another process of this server
 * pushes already, the drafts are queued for it, and this one takes its turn only if they were not taken along.
 * `waiting` is an answer, not a failure: what was accepted is safe in the outbox.
 */
export async function flushNow(mailbox: Mailbox, request: FlushRequest): Promise<FlushOutcome> {
  return await flushAt(placeOf(mailbox, request), request);
}

function placeOf(mailbox: Mailbox, request: FlushRequest): FlushPlace {
  const { paths, state, identity } = mailbox;
  const mend = async (): Promise<readonly string[] | null> => await mendStore(mailbox, request);
  return {
    clock: systemClock,
    state,
    takeLock: () => tryLock(paths.flushLock),
    async open() {
      // A store that git cannot open is put in order first.
      if (findStoreProblem(paths.store, identity.format) !== null) await mend();
      clearAbandonedLocks(paths.store, systemClock.wallMs());
      return await mailbox.sendPorts();
    },
    mend,
    async settle() {
      if (pendingRotation(state) !== null) await settleOwnKeys(paths, state);
    },
  };
}

async function mendStore(
  mailbox: Mailbox,
  { timeoutMs, signal }: FlushRequest,
): Promise<readonly string[] | null> {
  const { mendLocked } = await import("./mend-store.ts");
  try {
    const { outcome, notices } = await mendLocked(mailbox, { timeoutMs, signal });
    return outcome === "mended" ? notices : null;
  } catch (thrown) {
    if (thrown instanceof FleetError) return null;
    throw thrown;
  }
}

/** As `flushNow`, at any place. */
export async function flushAt(place: FlushPlace, request: FlushRequest): Promise<FlushOutcome> {
  const { clock, state } = place;
  const deadlineMs = clock.monotonicMs() + request.timeoutMs;
  let queued = false;
  for (;;) {
    const lock = place.takeLock();
    if (lock !== null) {
      try {
        return await flushLocked(place, queued ? { ...request, drafts: [] } : request, deadlineMs);
      } finally {
        lock.release();
      }
    }
    if (!queued) queueDrafts(place, request.drafts, clock.wallMs());
    queued = true;
    if (arePushed(state, request.drafts))
      return { status: "pushed", entries: request.drafts.length, notices: [] };
    if (clock.monotonicMs() >= deadlineMs) {
      const failure = { kind: "timeout", detail: "another process of this server is pushing" } as const;
      return { status: "waiting", failure, entries: 0, notices: [] };
    }
    await clock.sleep(LOOK_EVERY_MS, request.signal);
  }
}

/** Puts drafts into the outbox, durably, for whoever pushes next. */
export function queueDrafts(
  { state }: { readonly state: Database },
  drafts: readonly EntryDraft[],
  nowWallMs: number,
): void {
  state.transaction(() => {
    for (const draft of drafts) enqueue(state, draft, nowWallMs);
  });
}

async function flushLocked(
  place: FlushPlace,
  request: FlushRequest,
  deadlineMs: number,
): Promise<FlushOutcome> {
  const ports = await place.open();
  await commitDrafts(ports, request.drafts);
  if (countUnconfirmed(ports.state) === 0) return { status: "pushed", entries: 0, notices: [] };
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
      const notices = await place.mend();
      if (notices !== null) outcome = await flush();
      outcome = { ...outcome, notices: [...(notices ?? []), ...outcome.notices] };
    }
    storeWhenDue(ports);
    await place.settle();
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

function arePushed(state: Database, drafts: readonly EntryDraft[]): boolean {
  return drafts.every((draft) => outboxItem(state, draft.id)?.state === "pushed");
}
