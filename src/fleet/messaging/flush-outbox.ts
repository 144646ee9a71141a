/**
 * Bringing the outbox to the remote: build what is queued, push log and card together, believe only the remote's
 * answer. The caller holds the flush lock, so one process of this server is here at a time.
 *
 * A push that was cut off may have arrived. That is why a batch is pushed byte-identical until the remote's tip is one
 * of our own commits, and why a refusal is followed by a look at what the remote really holds.
 */
import { FleetError } from "../../base/errors.ts";
import type { RefReport, RefUpdate, RemoteFailure, RemoteOptions } from "../../base/ports/git-remote.ts";
import type { GitObject } from "../../base/ports/git-store.ts";
import { type Batch, buildBatch, countForBatch, type EntryDraft, type LogHead } from "./build-batch.ts";
import { type SendPorts, TRACKING } from "./mailbox-ports.ts";
import { LIMITS } from "./model.ts";
import {
  countUnconfirmed,
  enqueue,
  isOwnBatch,
  loadHead,
  markPushed,
  queuedDrafts,
  recordBatch,
  unpushedBatches,
} from "./outbox.ts";
import { adoptOwnCard } from "./own-card.ts";
import { buildNextCard, loadCardState, type ServerFacts, saveCardState } from "./publish-card.ts";

/**
 * What a flush came to. `waiting`: everything is safe here and will be tried again. `notices`: what an operator should
 * hear about in any case, such as a lock that was removed.
 */
export type FlushOutcome =
  | { readonly status: "pushed"; readonly entries: number; readonly notices: readonly string[] }
  | { readonly status: "waiting"; readonly failure: RemoteFailure; readonly notices: readonly string[] };

/** Attempts against refs that move or are locked under us; each looks at the remote first. */
const ATTEMPTS_MAX = 6;

/**
 * Queues `drafts` durably and, in the same transaction where possible, makes them a batch: one wait for the disk
 * instead of two. The caller holds the flush lock.
 */
export async function commitDrafts(ports: SendPorts, drafts: readonly EntryDraft[]): Promise<void> {
  const { state, clock } = ports;
  const head = requireHead(ports);
  const isDirectWay = queuedDrafts(state, 1).length === 0 && countForBatch(drafts) === drafts.length;
  const batch = isDirectWay && drafts.length > 0 ? await buildNext(ports, drafts, head) : null;
  state.transaction(() => {
    const added = drafts.filter((draft) => enqueue(state, draft, clock.wallMs()));
    if (batch !== null && added.length === drafts.length) recordBatch(state, batch, head, clock.wallMs());
  });
}

/** Builds batches until nothing is queued. The caller holds the flush lock. */
export async function buildQueued(ports: SendPorts): Promise<void> {
  const { state, clock } = ports;
  for (;;) {
    const queued = queuedDrafts(state, LIMITS.batchLinesMax);
    if (queued.length === 0) return;
    const head = requireHead(ports);
    const batch = await buildNext(ports, queued.slice(0, countForBatch(queued)), head);
    state.transaction(() => recordBatch(state, batch, head, clock.wallMs()));
  }
}

/**
 * Builds, pushes and confirms. `card`: whether the card is published even when no entry waits.
 * @throws FleetError NOT_AUTHORISED when the remote's log of this server was written by somebody else
 */
export async function flushOutbox(
  ports: SendPorts,
  facts: ServerFacts,
  options: RemoteOptions & { readonly card: boolean },
): Promise<FlushOutcome> {
  await buildQueued(ports);
  const waiting = unpushedBatches(ports.state);
  if (waiting.length === 0 && !options.card) return { status: "pushed", entries: 0, notices: [] };
  const tip = requireHead(ports).tip ?? "";
  const entries = countUnconfirmed(ports.state);
  writeObjects(
    ports,
    waiting.flatMap((batch) => batch.objects),
  );
  ports.store.writeRef(TRACKING.own, tip);
  const notices: string[] = [];
  const deadlineMs = ports.clock.monotonicMs() + options.timeoutMs;
  for (let attempt = 1; ; attempt += 1) {
    const timeoutMs = Math.max(1, deadlineMs - ports.clock.monotonicMs());
    const outcome = await pushOnce(ports, facts, { tip, options: { ...options, timeoutMs } });
    if (outcome === "confirmed") return { status: "pushed", entries, notices };
    if (outcome !== "again") return { status: "waiting", failure: outcome, notices };
    if (attempt >= ATTEMPTS_MAX || ports.clock.monotonicMs() >= deadlineMs) {
      const detail = `refs of "${ports.identity.server}" on the remote are locked or keep moving`;
      return { status: "waiting", failure: { kind: "failed", detail }, notices };
    }
    notices.push(...clearStaleLocks(ports));
    // Another process of ours, or one that was killed, may still hold the ref's lock on the remote.
    await ports.clock.sleep(20 * 2 ** attempt, options.signal);
  }
}

/** Locks on the own refs that a killed push left behind on a file remote; what was done, in words. */
function clearStaleLocks({ identity, remote, clock }: SendPorts): string[] {
  return ["log", "state"].flatMap((kind) => {
    const ref = `${identity.namespace}${kind}/${identity.server}`;
    return remote.clearStaleLock(ref, clock.wallMs()) ?? [];
  });
}

function requireHead(ports: SendPorts): LogHead {
  const head = loadHead(ports.state);
  return head ?? { epoch: ports.identity.epoch, seq: 0, hash: "", tip: null, committedMs: 0 };
}

const buildNext = (ports: SendPorts, drafts: readonly EntryDraft[], head: LogHead): Promise<Batch> =>
  buildBatch(drafts, head, ports.clock.wallMs(), {
    server: ports.identity.server,
    format: ports.store.format,
    cryptography: ports.cryptography,
    key: ports.key,
  });

/** Without fsync: the exact bytes are in the database until the objects are safe. */
const writeObjects = (ports: SendPorts, objects: readonly GitObject[]): void =>
  ports.store.writeObjects(objects, false);

type Attempt = { readonly tip: string; readonly options: RemoteOptions };

async function pushOnce(
  ports: SendPorts,
  facts: ServerFacts,
  attempt: Attempt,
): Promise<"confirmed" | "again" | RemoteFailure> {
  const { identity, remote, state } = ports;
  const logRef = `${identity.namespace}log/${identity.server}`;
  const stateRef = `${identity.namespace}state/${identity.server}`;
  const card = await buildNextCard(ports, facts);
  writeObjects(ports, card.objects);
  const last = loadCardState(ports);
  const cardUpdate: RefUpdate =
    last.mode === "chain"
      ? { ref: stateRef, id: card.commitId }
      : { ref: stateRef, id: card.commitId, expected: last.commitId };
  const pushed = await remote.push([{ ref: logRef, id: attempt.tip }, cardUpdate], {
    ...attempt.options,
    atomic: true,
  });
  if (!pushed.ok) return pushed.error;
  const [log, cardReport] = [find(pushed.value, logRef), find(pushed.value, stateRef)];
  const isCardOn = arrived(cardReport);
  state.relaxedTransaction(() => {
    if (arrived(log)) markPushed(state, attempt.tip, ports.clock.wallMs());
    if (isCardOn) saveCardState(ports, { ...last, commitId: card.commitId });
  });
  if (arrived(log) && isCardOn) return "confirmed";
  if (cardReport?.status === "refused" && log?.status !== "refused" && last.mode === "replace") {
    state.relaxedTransaction(() => saveCardState(ports, { ...last, mode: "chain" }));
  } else if (log?.status === "refused" || cardReport?.status === "refused") {
    return { kind: "failed", detail: log?.reason || cardReport?.reason || "the remote refused the push" };
  }
  return await lookAtRemote(ports, attempt, { logRef, stateRef });
}

const find = (reports: readonly RefReport[], ref: string): RefReport | undefined =>
  reports.find((report) => report.ref === ref);

const arrived = (report: RefReport | undefined): boolean =>
  report?.status === "pushed" || report?.status === "up-to-date";

/** After a refusal: what is on our refs, and is it ours? */
async function lookAtRemote(
  ports: SendPorts,
  attempt: Attempt,
  refs: { logRef: string; stateRef: string },
): Promise<"again" | RemoteFailure> {
  const listed = await ports.remote.listRefs([refs.logRef, refs.stateRef], attempt.options);
  if (!listed.ok) return listed.error;
  const log = listed.value.refs.get(refs.logRef) ?? null;
  if (log !== null && !isOwnBatch(ports.state, log)) throw conflict(ports, log);
  const card = listed.value.refs.get(refs.stateRef) ?? null;
  const adopted = await adoptOwnCard(ports, { commit: card, ref: refs.stateRef }, attempt.options);
  if (!adopted.ok) return adopted.error;
  if (!adopted.value) throw conflict(ports, card ?? "");
  return "again";
}

function conflict(ports: SendPorts, commit: string): FleetError {
  const { server } = ports.identity;
  return new FleetError(
    "NOT_AUTHORISED",
    `Cannot push as "${server}": its ref on the remote holds ${commit.slice(0, 12)}, which this machine did not write`,
    { hint: `Another machine may use the id "${server}"; choose another one with "fleetd init --server ID"` },
  );
}
