/**
 * One look at the remote: fetch, verify what is new, put it into the index.
 *
 * Nothing here acts on a message. What is accepted goes into `index.db` together with how far each log was read, in
 * one transaction, so a crash at any point repeats work and loses none.
 */
import { FleetError } from "../../base/errors.ts";
import type { Database } from "../../base/ports/database.ts";
import type { RemoteFailure, RemoteOptions } from "../../base/ports/git-remote.ts";
import type { Result } from "../../base/result.ts";
import type { Chain } from "./accept-batch.ts";
import { CHUNK_COMMITS, findUnread, type Log } from "./accept-compacted.ts";
import { fetchRefs, noteOddRefs } from "./fetch-refs.ts";
import { judgeMeta } from "./fleet-meta.ts";
import { keepFormer, listFormer } from "./former-logs.ts";
import { JOINING, readSetting } from "./identity.ts";
import { createIndexWriter, type IndexWriter } from "./index-writer.ts";
import { type Judgement, judgeBatches, readBatches } from "./judge-log.ts";
import { type ReceivePorts, TRACKING } from "./mailbox-ports.ts";
import {
  addQuarantine,
  clearAlarm,
  endAlarms,
  insertLines,
  isLasting,
  isRaised,
  listProgress,
  loadProgress,
  markAllHistory,
  type Progress,
  raiseAlarm,
  saveProgress,
  serversWithAlarm,
} from "./message-index.ts";
import { parseServerId } from "./model.ts";
import { noteOtherFleet, noteOwnFleet } from "./other-fleet.ts";
import { hasUnpushed } from "./outbox.ts";
import { findPeer, listPeers, pinPeer, setHistory } from "./peers.ts";
import { receiveCards } from "./receive-cards.ts";
import { confirmedBatch } from "./take-back.ts";

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
  for (const log of missingLogs(ports)) {
    await ingestReadable(ports, { ...log, isAlarmed: false }, writer);
    // The next one of this server goes on from there, so its progress has to be in the index.
    writer.commit();
  }
  if (own !== null) await ingestLog(ports, { server: identity.server, tip: own }, writer);
  const kept = store.readRefs(TRACKING.kept);
  const cards = otherFleet ? new Map<string, string>() : store.readRefs(TRACKING.state);
  noteOddRefs(ports, [...logs, ...cards]);
  const purged = notePurged(ports, logs);
  const isRead = ([ref]: readonly [string, string]): boolean =>
    ref !== TRACKING.log + identity.server && !purged.has(ref.slice(TRACKING.log.length));
  const others = [...logs].filter(isRead).values();
  const alarmed = serversWithAlarm(ports.index, LOG_ALARMS);
  // While one log waits for git or for its signatures, another one is judged.
  const takeLogs = async (): Promise<void> => {
    for (const [ref, tip] of others) {
      const server = ref.slice(TRACKING.log.length);
      const counts = await ingestReadable(ports, { server, tip, isAlarmed: alarmed.has(server) }, writer);
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
 * Logs that were read before and are not in the index, as they were when they were read, oldest first: an index that is
 * made anew knows what the old one knew, even if somebody took it off the remote or its owner removed it.
 */
function missingLogs({ identity, state, index, store }: ReceivePorts): Log[] {
  const progress = listProgress(index);
  const servers = [identity.server, ...listPeers(state).map((peer) => peer.server)];
  const missing = servers.filter((server) => !progress.has(server));
  if (missing.length === 0) return [];
  const kept = store.readRefs(TRACKING.kept);
  return missing.flatMap((server) => {
    const last = kept.get(TRACKING.kept + server);
    const tips = new Set([...listFormer(store, server), ...(last === undefined ? [] : [last])]);
    return [...tips].map((tip) => ({ server, tip }));
  });
}

interface LogCounts {
  /** Whether the log was read to its tip just now. */
  readonly taken: boolean;
  readonly accepted: number;
  readonly quarantined: number;
}

const NOTHING_TAKEN: LogCounts = { taken: false, accepted: 0, quarantined: 0 };
const REWRITTEN = "rewritten";
const UNREADABLE = "unreadable";
const GAP = "gap";
const RETURNED = "returned";
/** Alarms about a log as a whole; the next good look at it ends them. */
const LOG_ALARMS = [REWRITTEN, UNREADABLE];

/** A log that cannot be read (its ref names no commit, an object is damaged) is an alarm and keeps no other waiting. */
async function ingestReadable(
  ports: ReceivePorts,
  log: Log & { readonly isAlarmed: boolean },
  writer: IndexWriter,
): Promise<LogCounts> {
  const { index, clock } = ports;
  const { server, isAlarmed } = log;
  try {
    const counts = await ingestLog(ports, log, writer);
    if (counts !== null && isAlarmed) {
      index.transaction(() => LOG_ALARMS.forEach((kind) => void clearAlarm(index, server, kind)));
    }
    return counts ?? NOTHING_TAKEN;
  } catch (thrown) {
    if (!(thrown instanceof FleetError)) throw thrown;
    const alarm = { server, kind: UNREADABLE, detail: thrown.message };
    index.transaction(() => raiseAlarm(index, alarm, clock.wallMs()));
    return NOTHING_TAKEN;
  }
}

/** Takes in what is new in one log; null, with an alarm, when it was rewritten. */
async function ingestLog(ports: ReceivePorts, log: Log, writer: IndexWriter): Promise<LogCounts | null> {
  const { index, clock } = ports;
  const { server, tip } = log;
  const progress = loadProgress(index, server);
  if (progress?.tip === tip || !parseServerId(server).ok) return NOTHING_TAKEN;
  // Found out once; as long as the tip stays, that is known.
  const isKnown = isRaised(index, rewrittenAlarm(log, progress));
  const unread = isKnown ? null : await findUnread(ports, log, progress);
  if (unread === null) {
    index.transaction(() => raiseAlarm(index, rewrittenAlarm(log, progress), clock.wallMs()));
    return null;
  }
  const { commits } = unread;
  // First of all: from the next line on nothing else may hold what the shortened log leaves out.
  if (unread.isShortened && progress !== null) keepFormer(ports.store, server, progress.tip);
  if (unread.missed > 0) writer.add(0, () => raiseGap(index, log, { ...unread, nowWallMs: clock.wallMs() }));
  if (progress !== null && commits.length === 0) {
    writer.add(0, () => saveProgress(index, server, { ...progress, tip }));
  }
  // The chain is handed on from chunk to chunk: another process may move the progress in the index meanwhile.
  let { chain } = unread;
  let accepted = 0;
  let quarantined = 0;
  for (let start = 0; start < commits.length; start += CHUNK_COMMITS) {
    const chunk = commits.slice(start, start + CHUNK_COMMITS);
    const judged = await ingestChunk(ports, server, { commits: chunk, chain, writer });
    // As long as nothing was accepted nobody is pinned, and the next batch may claim another key.
    chain = chain === null && judged.chain.seq === 0 ? null : judged.chain;
    accepted += judged.accepted.reduce((total, batch) => total + batch.lines.length, 0);
    quarantined += judged.refused.length;
  }
  return { taken: true, accepted, quarantined };
}

/** What nobody can bring back is told for so long. Chosen, not measured. */
const GAP_TOLD_MS = 7 * 24 * 3_600_000;

function raiseGap(index: Database, { server }: Log, gap: { missed: number; nowWallMs: number }): void {
  const detail = `${gap.missed} of its entries were removed from its log before this server had read them`;
  // Listed from the second time on; this one is no chance.
  for (let time = 0; time < 2; time += 1) raiseAlarm(index, { server, kind: GAP, detail }, gap.nowWallMs);
}

const rewrittenAlarm = ({ server, tip }: Log, progress: Progress | null) => {
  const detail = `its log at ${tip} does not continue entry ${progress?.seq ?? 0} at ${progress?.tip ?? ""}`;
  return { server, kind: REWRITTEN, detail };
};

/** Some commits of a log, oldest first, and what is known of it before them (null: nothing). */
interface Chunk {
  readonly commits: readonly string[];
  readonly chain: Chain | null;
  readonly writer: IndexWriter;
}

async function ingestChunk(ports: ReceivePorts, server: string, chunk: Chunk): Promise<Judgement> {
  const batches = await readBatches(ports, chunk.commits);
  const judged = await judgeBatches(ports, server, { batches, known: chunk.chain });
  const nowWallMs = ports.clock.wallMs();
  const pin = judged.pin;
  if (pin !== null && server !== ports.identity.server) {
    ports.state.transaction(() => pinPeer(ports.state, server, pin, nowWallMs));
  }
  const history = findPeer(ports.state, server)?.history ?? { epoch: "", seq: 0 };
  const reader = { server: ports.identity.server, groups: ports.groups, history, nowWallMs };
  const { chain } = judged;
  const bytes = batches.reduce((total, batch) => total + (batch.entries?.length ?? 0), 0);
  chunk.writer.add(bytes, () => {
    for (const one of judged.refused) addQuarantine(ports.index, { server, ...one }, nowWallMs);
    for (const batch of judged.accepted) insertLines(ports.index, server, batch.lines, reader);
    const tip = chunk.commits.at(-1) ?? "";
    saveProgress(ports.index, server, { epoch: chain.epoch, seq: chain.seq, hash: chain.hash, tip });
  });
  return judged;
}
