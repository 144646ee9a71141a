import { FleetError } from "../base/errors.ts";
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
import { clearAbandonedLocks } from "../platform/git/clear-locks.ts";
import { tryLock } from "../platform/process-lock.ts";
import type { Mailbox } from "./open-mailbox.ts";

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
  readonly ports: SendPorts;
  readonly takeLock: () => Lock | null;
  /** Called under the lock, before anything is written. */
  readonly tidy: () => void;
}

/**
 * Makes `drafts` durable and pushes everything that waits, in this process. Where another process of this server
 * pushes already, the drafts are queued for it, and this one takes its turn only if they were not taken along.
 * `waiting` is an answer, not a failure: what was accepted is safe in the outbox.
 */
export async function flushNow(mailbox: Mailbox, request: FlushRequest): Promise<FlushOutcome> {
  const ports = await mailbox.sendPorts();
  const place = {
    ports,
    takeLock: () => tryLock(mailbox.paths.flushLock),
    tidy: () => clearAbandonedLocks(mailbox.paths.store, ports.clock.wallMs()),
  };
  return await flushAt(place, request);
}

/** As `flushNow`, with parts that are open already. */
export async function flushAt(place: FlushPlace, request: FlushRequest): Promise<FlushOutcome> {
  const { clock, state } = place.ports;
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
    if (!queued) queueDrafts(place.ports, request.drafts, clock.wallMs());
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
  { ports, tidy }: FlushPlace,
  request: FlushRequest,
  deadlineMs: number,
): Promise<FlushOutcome> {
  tidy();
  await commitDrafts(ports, request.drafts);
  if (countUnconfirmed(ports.state) === 0) return { status: "pushed", entries: 0, notices: [] };
  const timeoutMs = Math.max(1, deadlineMs - ports.clock.monotonicMs());
  try {
    const outcome = await flushOutbox(ports, request.facts, {
      timeoutMs,
      signal: request.signal,
      card: false,
      rules: request.rules,
    });
    storeWhenDue(ports);
    return outcome;
  } catch (thrown) {
    // The message is safe here whatever happened to the push; only a conflict is the caller's to hear.
    if (thrown instanceof FleetError && thrown.code !== "NOT_AUTHORISED") {
      const failure = { kind: "failed", detail: thrown.message } as const;
      return { status: "waiting", failure, entries: 0, notices: [] };
    }
    throw thrown;
  }
}

function arePushed(state: Database, drafts: readonly EntryDraft[]): boolean {
  return drafts.every((draft) => outboxItem(state, draft.id)?.state === "pushed");
}
