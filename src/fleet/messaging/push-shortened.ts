/**
 * Bringing a shortened log to the remote, and finding out what became of one that was on its way. The caller holds the
 * flush lock, and nothing of this server waits to be pushed.
 */
import type { RefReport, RefUpdate, RemoteFailure, RemoteOptions } from "../../base/ports/git-remote.ts";
import { ok, type Result } from "../../base/result.ts";
import {
  adoptShortened,
  dropShortened,
  noteCompactionRefusal,
  noteShortened,
  pendingShortened,
  type ShortenedLog,
} from "./compaction-state.ts";
import { type SendPorts, TRACKING } from "./mailbox-ports.ts";
import { buildNextCard, loadCardState, type ServerFacts, saveCardState, seenCard } from "./publish-card.ts";

/**
 * How it ended. `refused`: the remote's own words. `waiting`: nobody knows; if it arrived that is found out by the next
 * push. `moved`: the log is another one on the remote by now, and stays as it is.
 */
export type ShortenedEnd =
  | { readonly kind: "done" }
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "waiting"; readonly failure: RemoteFailure }
  | { readonly kind: "moved" };

const logRef = ({ identity: { namespace, server } }: SendPorts): string => `${namespace}log/${server}`;

/** Pushes a shortened log with a lease on the one it replaces, together with a card. */
export async function pushShortened(
  ports: SendPorts,
  facts: ServerFacts,
  log: ShortenedLog,
  options: RemoteOptions,
): Promise<ShortenedEnd> {
  const { state, clock } = ports;
  state.transaction(() => noteShortened(state, log, clock.wallMs()));
  const together = await pushOnce(ports, log, { ...options, facts });
  if (together.kind !== "moved") return together;
  // Whatever was wrong with the card is for the next push of one; the log needs none, it says nothing new.
  return await pushOnce(ports, log, { ...options, facts: null });
}

async function pushOnce(
  ports: SendPorts,
  log: ShortenedLog,
  options: RemoteOptions & { readonly facts: ServerFacts | null },
): Promise<ShortenedEnd> {
  const { state, remote, identity } = ports;
  const { timeoutMs, signal } = options;
  const ref = logRef(ports);
  const card = options.facts === null ? null : await buildNextCard(ports, options.facts);
  if (card !== null) ports.store.writeObjects(card.objects, false);
  const last = loadCardState(ports);
  const updates: RefUpdate[] = [{ ref, id: log.tip, expected: log.fromTip }];
  const cardRef = `${identity.namespace}state/${identity.server}`;
  if (card !== null) updates.push({ ref: cardRef, id: card.commitId, expected: last.commitId });
  const pushed = await remote.push(updates, { timeoutMs, signal, atomic: true });
  if (!pushed.ok) return await lookAfter(ports, log, { timeoutMs, signal, failure: pushed.error });
  const [report, cardReport] = [find(pushed.value, ref), find(pushed.value, cardRef)];
  if (card !== null && hasArrived(cardReport)) {
    state.relaxedTransaction(() => saveCardState(ports, { ...last, ...seenCard(card) }));
  }
  if (hasArrived(report)) {
    await adopt(ports, log);
    return { kind: "done" };
  }
  if (report?.status === "refused") {
    const reason = report.reason || "the remote refused the push";
    // It was answered, so it cannot arrive later.
    state.transaction(() => dropShortened(state, log.tip));
    noteCompactionRefusal(state, reason);
    return { kind: "refused", reason };
  }
  return { kind: "moved" };
}

const find = (reports: readonly RefReport[], ref: string): RefReport | undefined =>
  reports.find((report) => report.ref === ref);

const hasArrived = (report: RefReport | undefined): boolean =>
  report?.status === "pushed" || report?.status === "up-to-date";

async function adopt(ports: SendPorts, log: ShortenedLog): Promise<void> {
  await adoptShortened(ports, log);
  noteCompactionRefusal(ports.state, "");
}

async function lookAfter(
  ports: SendPorts,
  log: ShortenedLog,
  options: RemoteOptions & { readonly failure: RemoteFailure },
): Promise<ShortenedEnd> {
  const listed = await ports.remote.listRefs([logRef(ports)], options);
  if (!listed.ok || listed.value.refs.get(logRef(ports)) !== log.tip) {
    return { kind: "waiting", failure: options.failure };
  }
  await adopt(ports, log);
  return { kind: "done" };
}

/** Takes up a shortened log whose push was cut off and that arrived after all; true when there was one. */
export async function settleShortened(
  ports: SendPorts,
  options: RemoteOptions,
): Promise<Result<boolean, RemoteFailure>> {
  if (pendingShortened(ports.state).length === 0) return ok(false);
  const listed = await ports.remote.listRefs([logRef(ports)], options);
  if (!listed.ok) return listed;
  const tip = listed.value.refs.get(logRef(ports)) ?? "";
  return await takeUpShortened(ports, tip, options);
}

/** Whether the own log on the remote is a shortened one that had been on its way; then it is the own one from now on. */
export async function takeUpShortened(
  ports: SendPorts,
  tip: string | null,
  options: RemoteOptions,
): Promise<Result<boolean, RemoteFailure>> {
  const pending = pendingShortened(ports.state).find((one) => one.tip === tip);
  if (pending === undefined) return ok(false);
  // Its objects may have been cleaned away here since.
  const fetched = await ports.remote.fetch([`+${logRef(ports)}:${TRACKING.own}`], options);
  if (!fetched.ok) return fetched;
  await adopt(ports, pending);
  return ok(true);
}
