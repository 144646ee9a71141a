/** Making batches of what is queued. The caller holds the flush lock. */
import { type Batch, buildBatch, countForBatch, type EntryDraft, type LogHead } from "./build-batch.ts";
import { graftFor, isRootOfGraft } from "./graft.ts";
import type { SendPorts } from "./mailbox-ports.ts";
import { LIMITS } from "./model.ts";
import { enqueue, loadHead, queuedAmong, queuedDrafts, recordBatch } from "./outbox.ts";
import { signerAt } from "./rotate-key.ts";

/**
 * Queues `drafts` durably and, in the same transaction where possible, makes them a batch: one wait for the disk
 * instead of two.
 */
export async function commitDrafts(ports: SendPorts, drafts: readonly EntryDraft[]): Promise<void> {
  const { state, clock } = ports;
  const head = headOf(ports);
  const isDirectWay =
    queuedDrafts(state, 1).length === 0 &&
    countForBatch(drafts) === drafts.length &&
    !isRootOfGraft(state, head.tip);
  const batch = isDirectWay && drafts.length > 0 ? await buildNext(ports, drafts, head) : null;
  state.transaction(() => {
    const added = drafts.filter((draft) => enqueue(state, draft, clock.wallMs()));
    if (batch !== null && added.length === drafts.length) recordBatch(state, batch, head, clock.wallMs());
  });
}

/** Builds batches until nothing that is queued is due. */
export async function buildQueued(ports: SendPorts): Promise<void> {
  const { state, clock } = ports;
  for (;;) {
    const queued = queuedDrafts(state, LIMITS.batchLinesMax, clock.wallMs());
    if (queued.length === 0) return;
    await record(ports, queued, headOf(ports));
  }
}

/** Builds batches of these entries alone; their last commit, or null when none of them is queued any more. */
export async function buildDrafts(ports: SendPorts, drafts: readonly EntryDraft[]): Promise<string | null> {
  let tip: string | null = null;
  let left = drafts;
  while (left.length > 0) {
    // No more than a batch takes: with many thousands each look at all of them would be felt.
    const next = left.slice(0, LIMITS.batchLinesMax);
    const ids = queuedAmong(
      ports.state,
      next.map((draft) => draft.id),
    );
    const queued = next.filter((draft) => ids.has(draft.id));
    const batch: Batch | null = queued.length === 0 ? null : await record(ports, queued, headOf(ports));
    if (batch !== null) tip = batch.commitId;
    left = [...queued.slice(batch?.entries.length ?? 0), ...left.slice(next.length)];
  }
  return tip;
}

/** As many of `drafts` as one batch takes; null when one of them was dropped meanwhile. */
async function record(ports: SendPorts, drafts: readonly EntryDraft[], head: LogHead): Promise<Batch | null> {
  const { state, clock } = ports;
  const count = isRootOfGraft(state, head.tip) ? 1 : countForBatch(drafts);
  const batch = await buildNext(ports, drafts.slice(0, count), head);
  return state.transaction(() => recordBatch(state, batch, head, clock.wallMs())) ? batch : null;
}

function headOf(ports: SendPorts): LogHead {
  const head = loadHead(ports.state);
  return head ?? { epoch: ports.identity.epoch, seq: 0, hash: "", tip: null, committedMs: 0 };
}

/** Which key signs is a question of where in the log a batch goes: before a change of the key, or after it. */
async function buildNext(ports: SendPorts, drafts: readonly EntryDraft[], head: LogHead): Promise<Batch> {
  const { clock, cryptography, identity, state, store } = ports;
  const beside = graftFor(state, head.tip);
  const key = await signerAt(ports, head);
  const tools = { server: identity.server, format: store.format, cryptography, key, beside };
  return await buildBatch(drafts, head, clock.wallMs(), tools);
}
