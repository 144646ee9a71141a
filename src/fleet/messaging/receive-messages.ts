/**
 * One look at the remote: fetch, verify what is new, put it into the index.
 *
 * Nothing here acts on a message. What is accepted goes into `index.db` together with how far each log was read, in
 * one transaction, so a crash at any point repeats work and loses none.
 */
import { FleetError } from "../../base/errors.ts";
import type { RemoteFailure, RemoteOptions } from "../../base/ports/git-remote.ts";
import type { GitStore } from "../../base/ports/git-store.ts";
import type { Result } from "../../base/result.ts";
import { fetchRefs, noteOddRefs } from "./fetch-refs.ts";
import { judgeMeta } from "./fleet-meta.ts";
import { listFormer } from "./former-logs.ts";
import { holdBack, keysOfKept, OTHER_KEY, type Refused, refusalOf, settleHeld } from "./hold-back.ts";
import { JOINING, readSetting } from "./identity.ts";
import { clearAlarm, endAlarms, isLasting, raiseAlarm, serversWithAlarm } from "./index-troubles.ts";
import { createIndexWriter, type IndexWriter } from "./index-writer.ts";
import {
  GAP,
  GAP_TOLD_MS,
  ingestLog,
  type LogCounts,
  NOTHING_TAKEN,
  REWRITTEN,
  UNREADABLE,
} from "./ingest-log.ts";
import type { Log } from "./log-chunks.ts";
import { type ReceivePorts, TRACKING } from "./mailbox-ports.ts";
import { listProgress, markAllHistory } from "./message-index.ts";
import { noteOtherFleet, noteOwnFleet } from "./other-fleet.ts";
import { hasUnpushed } from "./outbox.ts";
import { listPeers, setHistory } from "./peers.ts";
import { receiveCards } from "./receive-cards.ts";
import { confirmedBatch } from "./take-back.ts";
import { openQuestions } from "./trust.ts";

/** Commits of the own refs and of `meta` on the remote. */
export interface OwnRefs {
  readonly tip: string | null;
  readonly card: string | null;
  readonly meta: string | null;
}

/** What one look brought. `acceptedLines` counts entries of others. */
export interface ReceiveReport {
  readonly acceptedLines: number;
  readonly quarantined: number;
  readonly cardsTaken: number;
  /** True when the remote does not hold what was pushed to the own ref. */
  readonly ownRefBehind: boolean;
  /** True when the remote is another fleet's: nothing of it was taken. */
  readonly otherFleet: boolean;
  /** The own refs as the last fetch found them; null for what is not there. */
  readonly own: OwnRefs;
}

/** Logs that are read at the same time. Chosen: a second one fills the waits of the first, and memory stays bounded. */
const LOGS_AT_ONCE = 4;

/** Fetches the other servers' refs and takes in what they hold. */
export async function receiveMessages(
  ports: ReceivePorts,
  options: RemoteOptions,
): Promise<Result<ReceiveReport, RemoteFailure>> {
  const fetched = await fetchRefs(ports, options);
  if (!fetched.ok) return fetched;
  const fleet = await judgeMeta(ports, remoteMeta(ports));
  if (typeof fleet !== "string") {
    noteOtherFleet(ports, fleet.other);
    return { ok: true, value: NOTHING_RECEIVED };
  }
  noteOwnFleet(ports);
  const report = await ingestStore(ports);
  if (readSetting(ports.state, JOINING) !== null) declareHistory(ports);
  return { ok: true, value: report };
}

const remoteMeta = ({ store }: ReceivePorts): string | null =>
  store.readRefs("refs/remote/").get(TRACKING.meta) ?? null;

const NOTHING_RECEIVED: ReceiveReport = {
  acceptedLines: 0,
  quarantined: 0,
  cardsTaken: 0,
  ownRefBehind: false,
  otherFleet: true,
  own: { tip: null, card: null, meta: null },
};

/** What was there before this server joined is readable and is never handled. */
function declareHistory({ state, index }: ReceivePorts): void {
  const progress = listProgress(index);
  index.transaction(() => markAllHistory(index));
  state.transaction(() => {
    for (const peer of listPeers(state)) {
      const cursor = progress.get(peer.server);
      if (cursor !== undefined) setHistory(state, peer.server, cursor);
    }
    state.run("DELETE FROM settings WHERE key = ?", JOINING);
  });
}

/** Takes in what the store holds, without the network: after a fetch, or to make the index anew. */
export async function ingestStore(ports: ReceivePorts): Promise<ReceiveReport> {
  const { identity, store } = ports;
  // What was fetched last may be another fleet's; what was accepted before is of this one and stays.
  const meta = remoteMeta(ports);
  const otherFleet = typeof (await judgeMeta(ports, meta)) !== "string";
  const logs = otherFleet ? new Map<string, string>() : store.readRefs(TRACKING.log);
  const remoteOwn = logs.get(TRACKING.log + identity.server) ?? null;
  // What the remote did not confirm may still be taken back, so it is not in the index yet.
  const own = confirmedBatch(ports.state)?.tip ?? null;
  let acceptedLines = 0;
  let quarantined = 0;
  const writer = createIndexWriter(ports.index);
  const taken: { readonly name: string; readonly tip: string }[] = [];
  endAlarms(ports.index, GAP, ports.clock.wallMs() - GAP_TOLD_MS);
  const unread = await ingestMissing(ports, writer);
  const alarmed = serversWithAlarm(ports.index, LOG_ALARMS);
  if (own !== null && !unread.has(identity.server)) {
    const log = { server: identity.server, tip: own, isAlarmed: alarmed.has(identity.server) };
    await ingestReadable(ports, log, writer);
  }
  const kept = store.readRefs(TRACKING.kept);
  const cards = otherFleet ? new Map<string, string>() : store.readRefs(TRACKING.state);
  noteOddRefs(ports, [...logs, ...cards]);
  const purged = notePurged(ports, logs);
  const isRead = ([ref]: readonly [string, string]): boolean => {
    const server = ref.slice(TRACKING.log.length);
    return server !== identity.server && !purged.has(server) && !unread.has(server);
  };
  const others = [...logs].filter(isRead).values();
  const isQuestioned = openQuestions(ports.state);
  // While one log waits for git or for its signatures, another one is judged.
  const takeLogs = async (): Promise<void> => {
    for (const [ref, tip] of others) {
      const server = ref.slice(TRACKING.log.length);
      const log = { server, tip, isAlarmed: alarmed.has(server), isQuestioned: isQuestioned(server) };
      const counts = (await ingestReadable(ports, log, writer)) ?? NOTHING_TAKEN;
      if (counts.taken) taken.push({ name: TRACKING.kept + server, tip });
      acceptedLines += counts.accepted;
      quarantined += counts.quarantined;
    }
  };
  // Settled, not the first failure: nobody may go on reading behind the back of a caller that gave up.
  const ended = await Promise.allSettled(Array.from({ length: LOGS_AT_ONCE }, takeLogs));
  writer.commit();
  for (const { name, tip } of taken) if (kept.get(name) !== tip) store.writeRef(name, tip);
  for (const one of ended) if (one.status === "rejected") throw one.reason;
  settleHeld(ports);
  const cardsTaken = otherFleet ? 0 : await receiveCards(ports);
  // While a push is under way the remote is behind by right; it is news only when everything counts as pushed.
  const ownRefBehind = !otherFleet && own !== null && remoteOwn !== own && !hasUnpushed(ports.state);
  return {
    acceptedLines,
    quarantined,
    cardsTaken,
    ownRefBehind,
    otherFleet,
    own: { tip: remoteOwn, card: cards.get(TRACKING.state + identity.server) ?? null, meta },
  };
}

/** The servers whose refs were deleted from here; one of them that is on the remote again is an alarm, and not read. */
function notePurged({ state, index, clock }: ReceivePorts, logs: ReadonlyMap<string, string>): Set<string> {
  const purged = new Set(listPeers(state).flatMap((peer) => (peer.purged ? [peer.server] : [])));
  const alarmed = serversWithAlarm(index, [RETURNED]);
  const returned = [...purged].filter((server) => logs.has(TRACKING.log + server));
  for (const server of alarmed) {
    if (!returned.includes(server)) index.transaction(() => clearAlarm(index, server, RETURNED));
  }
  for (const server of returned) {
    const detail = "it is on the remote again after its refs were deleted; nothing of it is taken";
    if (isLasting(index, server, RETURNED)) continue;
    index.transaction(() => raiseAlarm(index, { server, kind: RETURNED, detail }, clock.wallMs()));
  }
  return purged;
}

/**
 * Takes in logs that were read before and are not in the index, as they were when they were read, oldest first: an index
 * that is made anew knows what the old one knew, even if somebody took it off the remote or its owner removed it. Answers
 * the servers of which one cannot be read: what followed must not be taken for what comes next.
 */
async function ingestMissing(ports: ReceivePorts, writer: IndexWriter): Promise<ReadonlySet<string>> {
  const unread = new Set<string>();
  for (const log of await missingLogs(ports)) {
    if (unread.has(log.server)) continue;
    const counts = await ingestReadable(ports, { ...log, isKept: true, isAlarmed: false }, writer);
    if (counts === null) unread.add(log.server);
    // The next one of this server goes on from there, so its progress has to be in the index.
    writer.commit();
  }
  return unread;
}

async function missingLogs({ identity, state, index, store }: ReceivePorts): Promise<Log[]> {
  const progress = listProgress(index);
  // One that could not be read is gone on with where it was, once it can be.
  const alarmed = serversWithAlarm(index, [UNREADABLE]);
  const servers = [identity.server, ...listPeers(state).map((peer) => peer.server)];
  const missing = servers.filter((server) => !progress.has(server) || alarmed.has(server));
  if (missing.length === 0) return [];
  const kept = store.readRefs(TRACKING.kept);
  const logs: Log[] = [];
  for (const server of missing) {
    const last = kept.get(TRACKING.kept + server);
    const tips = [...new Set([...listFormer(store, server), ...(last === undefined ? [] : [last])])];
    const place = progress.get(server)?.tip;
    const start = place === undefined ? 0 : await findPlace(store, tips, place);
    logs.push(...tips.slice(start).map((tip) => ({ server, tip })));
  }
  return logs;
}

/** Which of the logs that end with `tips` goes on behind the commit `place`; their number where none does. */
async function findPlace(store: GitStore, tips: readonly string[], place: string): Promise<number> {
  if (tips.includes(place)) return tips.indexOf(place);
  for (const [position, tip] of tips.entries()) {
    try {
      const [next] = await store.listCommits(tip, place, 1);
      if (next?.parents[0] === place) return position;
    } catch (thrown) {
      // Nobody can tell what comes after it, so nothing does until it can be read.
      if (thrown instanceof FleetError) return position;
      throw thrown;
    }
  }
  return tips.length;
}

const RETURNED = "returned";
/** Alarms about a log as a whole; the next good look at it ends them. */
const LOG_ALARMS = [REWRITTEN, UNREADABLE, OTHER_KEY];

/** A log that is looked at; `isKept`: as it was accepted before. */
interface SeenLog extends Log {
  readonly isAlarmed: boolean;
  readonly isKept?: boolean;
  readonly isQuestioned?: boolean;
}

/** A log that cannot be read (its ref names no commit, an object is damaged) is an alarm and keeps no other waiting: null. */
async function ingestReadable(
  ports: ReceivePorts,
  log: SeenLog,
  writer: IndexWriter,
): Promise<LogCounts | null> {
  const { index, clock } = ports;
  const { server, tip, isAlarmed } = log;
  try {
    const refusal = log.isQuestioned === true ? await refusalOf(ports, log) : null;
    const keys = log.isKept === true ? { keys: await keysOfKept(ports, log) } : {};
    const counts =
      refusal === null
        ? await ingestLog(ports, { server, tip, ...keys }, writer)
        : await putAside(ports, log, refusal);
    if (counts !== null && isAlarmed) {
      index.transaction(() => LOG_ALARMS.forEach((kind) => void clearAlarm(index, server, kind)));
    }
    return counts ?? NOTHING_TAKEN;
  } catch (thrown) {
    if (!(thrown instanceof FleetError)) throw thrown;
    const alarm = { server, kind: UNREADABLE, detail: thrown.message };
    index.transaction(() => raiseAlarm(index, alarm, clock.wallMs()));
    return null;
  }
}

/** Looks at a log that is not trusted, without taking anything; null while there is an alarm about it. */
async function putAside(ports: ReceivePorts, log: Log, refusal: Refused): Promise<LogCounts | null> {
  const quarantined = await holdBack(ports, log, refusal);
  return refusal.why === "other-key" ? null : { ...NOTHING_TAKEN, quarantined };
}
