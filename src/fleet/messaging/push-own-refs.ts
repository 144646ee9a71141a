/**
 * One push of the own refs and what the remote answered. A push that was cut off may have arrived, which is why
 * everything but a clear answer is followed by a look at what the remote really holds.
 */
import type { FleetError } from "../../base/errors.ts";
import type { RefReport, RefUpdate, RemoteFailure, RemoteOptions } from "../../base/ports/git-remote.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import { announceConflict } from "./conflict-ref.ts";
import { fetchMeta, metaLease, restoreMeta } from "./fleet-meta.ts";
import { refuseWhileFormer } from "./former-life.ts";
import type { CardMode } from "./identity.ts";
import { type SendPorts, TRACKING } from "./mailbox-ports.ts";
import { dropBrokenLog, dropOwnRefs, findVanished, isNoCommit, namedAsBroken } from "./mend-own-refs.ts";
import { noteOtherFleet } from "./other-fleet.ts";
import { loadHead, markPushed, unpushedBatches } from "./outbox.ts";
import { endOwnAlarms, HOLDS, type HoldKind, type OwnAlarmKind, raiseOwnAlarm } from "./own-alarms.ts";
import { adoptOwnCard, heldByCard } from "./own-card.ts";
import { judgeKnownTip } from "./own-place.ts";
import { buildNextCard, loadCardState, type ServerFacts, saveCardState, seenCard } from "./publish-card.ts";
import { takeUpShortened } from "./push-shortened.ts";
import type { QueueRules } from "./queue.ts";
import { holdError, recoverLog } from "./recover-log.ts";
import { restoreObjects } from "./restore-objects.ts";

/** How a flush goes about it. `card`: whether the card is published even when no entry waits. */
export interface FlushOptions extends RemoteOptions {
  readonly card: boolean;
  readonly rules: QueueRules;
  /** Called before every push; a flush makes several of them when something is refused. */
  readonly onPush?: () => void;
}

/** One flush under way. */
export interface FlushRound {
  readonly ports: SendPorts;
  readonly facts: ServerFacts;
  readonly options: FlushOptions;
  readonly deadlineMs: number;
  readonly notices: string[];
  /** Batches up to this number were there before the flush: nobody knows what became of their pushes. */
  readonly uncertain: number;
  /** So many pushes may still be made; a remote that refuses much is not asked without end. */
  pushesLeft: number;
  /** Entries that the remote confirmed so far. */
  entries: number;
}

/** What to push: the log with this tip, the card, or both together. */
export interface PushTarget {
  readonly tip: string | null;
  readonly card: boolean;
}

/**
 * How a push ended. `refused`: the remote's own words, null for a ref that it did not refuse. `changed`: a batch that
 * had been taken back is on the remote, so what was to be pushed is not there any more.
 */
export type PushEnd =
  | { readonly kind: "confirmed" }
  | { readonly kind: "refused"; readonly log: string | null; readonly card: string | null }
  | { readonly kind: "changed" }
  | { readonly kind: "waiting"; readonly failure: RemoteFailure };

/** Attempts against refs that move or are locked under us; each looks at the remote first. */
const ATTEMPTS_MAX = 6;

/**
 * Pushes until the remote has answered.
 * @throws FleetError NOT_AUTHORISED when somebody else writes the log with this server's key, or has its id
 */
export async function pushOwnRefs(round: FlushRound, target: PushTarget): Promise<PushEnd> {
  const { ports, options } = round;
  refuseWhileFormer(ports);
  const { mode } = loadCardState(ports);
  const dropped = await dropBrokenLog(ports, ownRefs(ports).log, callOptions(round));
  if (!dropped.ok) return { kind: "waiting", failure: dropped.error };
  for (let attempt = 1; ; attempt += 1) {
    // Each time: somebody may tidy the store meanwhile with no grace.
    prepareObjects(ports);
    const end = await pushOnce(round, target);
    if (end !== "again") {
      if (end.kind === "refused" && end.card !== null) keepCardMode(ports, mode);
      return end;
    }
    if (attempt >= ATTEMPTS_MAX || ports.clock.monotonicMs() >= round.deadlineMs) {
      const detail = `refs of "${ports.identity.server}" on the remote are locked or keep moving`;
      return { kind: "waiting", failure: { kind: "failed", detail } };
    }
    round.notices.push(...clearStaleLocks(ports));
    // Another process of ours, or one that was killed, may still hold the ref's lock on the remote.
    await ports.clock.sleep(20 * 2 ** attempt, options.signal);
  }
}

/** A card that is refused whichever way it comes says nothing about the way. */
function keepCardMode(ports: SendPorts, mode: CardMode): void {
  const last = loadCardState(ports);
  if (last.mode === mode) return;
  ports.state.relaxedTransaction(() => saveCardState(ports, { ...last, mode }));
}

/** Writes what waits into the store, without fsync: the exact bytes are in the database until the objects are safe. */
function prepareObjects({ state, store }: SendPorts): void {
  store.writeObjects(
    unpushedBatches(state).flatMap((batch) => batch.objects),
    false,
  );
  store.writeRef(TRACKING.own, loadHead(state)?.tip ?? null);
}

/** Locks on the own refs that a killed push left behind on a file remote; what was done, in words. */
function clearStaleLocks({ identity, remote, clock }: SendPorts): string[] {
  return ["log", "state"].flatMap((kind) => {
    const ref = `${identity.namespace}${kind}/${identity.server}`;
    return remote.clearStaleLock(ref, clock.wallMs()) ?? [];
  });
}

interface OwnRefs {
  readonly meta: string;
  readonly log: string;
  readonly card: string;
}

const ownRefs = ({ identity: { namespace, server } }: SendPorts): OwnRefs => ({
  meta: `${namespace}meta`,
  log: `${namespace}log/${server}`,
  card: `${namespace}state/${server}`,
});

/** How long a call may still take. */
function callOptions({ ports, options, deadlineMs }: FlushRound): RemoteOptions {
  return { signal: options.signal, timeoutMs: Math.max(1, deadlineMs - ports.clock.monotonicMs()) };
}

async function pushOnce(round: FlushRound, target: PushTarget): Promise<PushEnd | "again"> {
  const { ports } = round;
  const { state } = ports;
  const refs = ownRefs(ports);
  const card = target.card ? await buildNextCard(ports, round.facts) : null;
  const last = loadCardState(ports);
  // A card that is replaced needs nothing of the one before; one that stands on it needs its name to be there after a
  // power cut, too, and its bytes are nowhere else.
  if (card !== null) ports.store.writeObjects(card.objects, last.mode === "chain");
  const updates = updatesOf(ports, { tip: target.tip, card: card?.commitId ?? null });
  round.pushesLeft -= 1;
  round.options.onPush?.();
  const pushed = await ports.remote.push(updates, { ...callOptions(round), atomic: true });
  if (!pushed.ok) return await afterFailure(round, refs, pushed.error);
  const log = target.tip === null ? null : find(pushed.value, refs.log);
  const cardReport = card === null ? null : find(pushed.value, refs.card);
  state.relaxedTransaction(() => {
    if (target.tip !== null && log?.status !== undefined && hasArrived(log)) {
      round.entries += markPushed(state, target.tip, ports.clock.wallMs());
    }
    if (card !== null && hasArrived(cardReport)) saveCardState(ports, { ...last, ...seenCard(card) });
  });
  const isWhole = hasArrived(log) && hasArrived(cardReport);
  endAlarms(ports, { log: target.tip !== null && hasArrived(log), card: card !== null && isWhole });
  if (isWhole) return { kind: "confirmed" };
  const vanished = await findVanished(ports, card?.objects.map(({ id }) => id) ?? []);
  if (vanished !== null) return await restoreVanished(round, vanished);
  const refusal = { log: refusalOf(log), card: refusalOf(cardReport) };
  return await afterRefusal(round, refs, refusal);
}

/** What is pushed in one go; null for what is not. */
function updatesOf(ports: SendPorts, own: { readonly tip: string | null; readonly card: string | null }) {
  const refs = ownRefs(ports);
  const { mode, commitId } = loadCardState(ports);
  // The remote has to be the fleet's at the very moment of the push; what stands as it should costs nothing.
  const updates: RefUpdate[] = metaLease(ports);
  if (own.tip !== null) updates.push({ ref: refs.log, id: own.tip });
  const lease = mode === "chain" ? {} : { expected: commitId };
  if (own.card !== null) updates.push({ ref: refs.card, id: own.card, ...lease });
  return updates;
}

/** What arrived proves that nothing of others is in the way any more. */
function endAlarms(
  { state, clock }: SendPorts,
  arrived: { readonly log: boolean; readonly card: boolean },
): void {
  if (arrived.log) endOwnAlarms(state, ["stranger"], clock.wallMs());
  if (arrived.card) endOwnAlarms(state, HOLD_KINDS, clock.wallMs());
}

const HOLD_KINDS: readonly OwnAlarmKind[] = [...(Object.keys(HOLDS) as HoldKind[]), "card"];

/** An own ref that names nothing keeps every push out until it is gone; it is pushed again as a new one. */
async function afterFailure(
  round: FlushRound,
  refs: OwnRefs,
  failure: RemoteFailure,
): Promise<PushEnd | "again"> {
  const broken = namedAsBroken(failure.detail, [refs.log, refs.card]);
  if (broken.length === 0) return { kind: "waiting", failure };
  const dropped = await dropOwnRefs(round.ports, { refs: broken }, callOptions(round));
  if (!dropped.ok) return { kind: "waiting", failure: dropped.error };
  if (!dropped.value) return { kind: "waiting", failure };
  round.notices.push(`${broken.join(", ")} on the remote named what is not there; pushed again as new`);
  return "again";
}

/** Nothing is known against what was pushed: it was not whole here. What was built is written again, the rest fetched. */
async function restoreVanished(round: FlushRound, id: string): Promise<PushEnd | "again"> {
  restoreObjects(round.ports);
  if ((await findVanished(round.ports, [])) === null) return "again";
  return { kind: "waiting", failure: { kind: "failed", detail: `object ${id} is missing in the store` } };
}

/** What was not taken: because of the remote's policy, or because a ref is not what it was. */
async function afterRefusal(
  round: FlushRound,
  refs: OwnRefs,
  refusal: { readonly log: string | null; readonly card: string | null },
): Promise<PushEnd | "again"> {
  const { ports } = round;
  const last = loadCardState(ports);
  if (refusal.card !== null && refusal.log === null && last.mode === "replace" && last.commitId !== null) {
    // Most hosts that refuse a replacement take a card that follows the one before it.
    ports.state.relaxedTransaction(() => saveCardState(ports, { ...last, mode: "chain" }));
  } else if (refusal.log !== null || refusal.card !== null) {
    return { kind: "refused", ...refusal };
  }
  return await lookAfterPush(round, refs);
}

const find = (reports: readonly RefReport[], ref: string): RefReport | undefined =>
  reports.find((report) => report.ref === ref);

/** True for a ref that was not pushed at all. */
const hasArrived = (report: RefReport | null | undefined): boolean =>
  report === null || report?.status === "pushed" || report?.status === "up-to-date";

const refusalOf = (report: RefReport | null | undefined): string | null =>
  report?.status === "refused" ? report.reason || "the remote refused the push" : null;

async function lookAfterPush(round: FlushRound, refs: OwnRefs): Promise<PushEnd | "again"> {
  const { ports } = round;
  const options = callOptions(round);
  const listed = await ports.remote.listRefs([refs.meta, refs.log, refs.card], options);
  if (!listed.ok) return { kind: "waiting", failure: listed.error };
  const fleet = await settleMeta(round, listed.value.refs.get(refs.meta) ?? null);
  if (!fleet.ok) return { kind: "waiting", failure: fleet.error };
  const place = await judgeTip(round, listed.value.refs.get(refs.log) ?? null);
  if (!place.ok) return { kind: "waiting", failure: place.error };
  const card = listed.value.refs.get(refs.card) ?? null;
  const adopted = await adoptOwnCard(ports, { commit: card, ref: refs.card }, options);
  if (!adopted.ok) return { kind: "waiting", failure: adopted.error };
  const { server } = ports.identity;
  if (adopted.value.kind === "other") throw stop(ports, heldByCard(server, adopted.value.card));
  if (adopted.value.kind === "stranger") {
    round.notices.push(`a card of somebody else stood on the state ref of "${server}" and is replaced`);
  }
  return place.value === "changed" ? { kind: "changed" } : "again";
}

/** Whether the remote is this fleet's; where `meta` vanished it is written again. */
async function settleMeta(round: FlushRound, commit: string | null): Promise<Result<null, RemoteFailure>> {
  const { ports } = round;
  const options = callOptions(round);
  const fleet = await fetchMeta(ports, commit, options);
  if (!fleet.ok) return fleet;
  if (fleet.value === "ours") return ok(null);
  if (fleet.value === "gone") {
    round.notices.push("the remote had no meta any more, as if it was emptied; it is written again");
    return await restoreMeta(ports, options);
  }
  const other = fleet.value === "unread" ? "of another format" : fleet.value.other;
  return fail(noteOtherFleet(ports, other));
}

/**
 * Where the own log stands on the remote. `confirmed`: nothing that was built since is there. `ahead`: some of what was
 * built arrived, and counts as pushed now. `changed`: the next batch is another one now, since an older one arrived or
 * strangers' commits are in its way. `behind`: the ref vanished, or was taken back to an older commit, by somebody else.
 */
export type LogPlace = "confirmed" | "ahead" | "changed" | "behind";

/**
 * Asks the remote where the own log stands.
 * @throws FleetError NOT_AUTHORISED when somebody else writes it with this server's key, or has its id
 */
export async function findLogPlace(round: FlushRound): Promise<Result<LogPlace, RemoteFailure>> {
  const { log } = ownRefs(round.ports);
  const listed = await round.ports.remote.listRefs([log], callOptions(round));
  return listed.ok ? await judgeTip(round, listed.value.refs.get(log) ?? null) : listed;
}

/** Fetches the tip of the own log where it has to be judged. What is no commit can be no log and is deleted: null. */
async function bringTip(
  round: FlushRound,
  tip: string | null,
): Promise<Result<string | null, RemoteFailure>> {
  const { ports } = round;
  const known = judgeKnownTip(ports.state, tip);
  // Of a batch that was taken back the objects may have been cleaned away here; of a stranger's there never were any.
  const isAbandoned = known?.kind === "ours" && known.state === "abandoned";
  if (tip === null || !(known === null || isAbandoned)) return ok(tip);
  const { log } = ownRefs(ports);
  const fetched = await ports.remote.fetch([`+${log}:${TRACKING.foundLog}`], callOptions(round));
  if (!fetched.ok) return fetched;
  if (!(await isNoCommit(ports, tip))) return ok(tip);
  ports.store.writeRef(TRACKING.foundLog, null);
  const dropped = await dropOwnRefs(ports, { refs: [log], expected: tip }, callOptions(round));
  if (!dropped.ok) return dropped;
  round.notices.push(`${log} on the remote named no commit; it is pushed again as new`);
  return ok(null);
}

async function judgeTip(round: FlushRound, tip: string | null): Promise<Result<LogPlace, RemoteFailure>> {
  const { ports } = round;
  const shortened = await takeUpShortened(ports, tip, callOptions(round));
  if (!shortened.ok) return shortened;
  if (shortened.value) return ok("changed");
  const found = await bringTip(round, tip);
  if (!found.ok) return found;
  const recovery = await recoverLog(ports, found.value);
  if (recovery.kind === "held") {
    if (recovery.hold === "id-taken") {
      const told = await announceConflict(ports, round.facts, callOptions(round));
      if (!told.ok) return told;
    }
    throw stop(ports, { kind: recovery.hold, detail: recovery.detail });
  }
  round.entries += recovery.entries;
  // The remote answered, and nothing is known against it.
  if (recovery.kind === "paused") return fail({ kind: "failed", detail: recovery.detail });
  if (recovery.kind === "changed") {
    round.notices.push(
      `the log of "${ports.identity.server}" on the remote was changed by somebody; it goes on`,
    );
  } else if (recovery.kind === "behind") {
    round.notices.push(`the log of "${ports.identity.server}" was taken off the remote; it is pushed again`);
  }
  return ok(recovery.kind);
}

/** Writes down why this server may not go on, and words it for a command. */
function stop(ports: SendPorts, hold: { readonly kind: HoldKind; readonly detail: string }): FleetError {
  raiseOwnAlarm(ports.state, hold, ports.clock.wallMs());
  return holdError(ports.identity.server, hold);
}
