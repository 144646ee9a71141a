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
import { fetchRefs, noteOddRefs } from "./fetch-refs.ts";
import { judgeMeta } from "./fleet-meta.ts";
import { followHandovers } from "./former-keys.ts";
import {
  currentProgress,
  holdBack,
  OTHER_KEY,
  type Refused,
  refusalOf,
  settleHeld,
  startOfReading,
} from "./hold-back.ts";
import { JOINING, readSetting } from "./identity.ts";
import { createIndexWriter, type IndexWriter } from "./index-writer.ts";
import { type Judgement, judgeBatches, readBatches } from "./judge-log.ts";
import { type ReceivePorts, TRACKING } from "./mailbox-ports.ts";
import {
  addQuarantine,
  clearAlarm,
  insertLines,
  isRaised,
  listProgress,
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
import { openQuestions } from "./trust.ts";

/** What one look brought. `acceptedLines` counts entries of others. */
export interface ReceiveReport {
  readonly acceptedLines: number;
  readonly quarantined: number;
  readonly cardsTaken: number;
  /** True when the remote does not hold what was pushed to the own ref. */
  readonly ownRefBehind: boolean;
  /** True when the remote is another fleet's: nothing of it was taken. */
  readonly otherFleet: boolean;
}

/** Batches that are read, verified and committed together. Chosen: bounds memory at a few MB of usual batches. */
const CHUNK_COMMITS = 400;

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
  const otherFleet = typeof (await judgeMeta(ports, remoteMeta(ports))) !== "string";
  const logs = otherFleet ? new Map<string, string>() : store.readRefs(TRACKING.log);
  const remoteOwn = logs.get(TRACKING.log + identity.server) ?? null;
  // What the remote did not confirm may still be taken back, so it is not in the index yet.
  const own = confirmedBatch(ports.state)?.tip ?? null;
  let acceptedLines = 0;
  let quarantined = 0;
  const writer = createIndexWriter(ports.index);
  const taken: { readonly name: string; readonly tip: string }[] = [];
  if (own !== null) await ingestLog(ports, { server: identity.server, tip: own }, writer);
  for (const log of missingLogs(ports)) await ingestLog(ports, log, writer);
  // Those logs are read on from there below, so their progress has to be in the index.
  writer.commit();
  const kept = store.readRefs(TRACKING.kept);
  if (!otherFleet) noteOddRefs(ports, [...logs, ...store.readRefs(TRACKING.state)]);
  const others = [...logs].filter(([ref]) => ref !== TRACKING.log + identity.server).values();
  const alarmed = serversWithAlarm(ports.index, LOG_ALARMS);
  const isQuestioned = openQuestions(ports.state);
  // While one log waits for git or for its signatures, another one is judged.
  const takeLogs = async (): Promise<void> => {
    for (const [ref, tip] of others) {
      const server = ref.slice(TRACKING.log.length);
      const log = { server, tip, isAlarmed: alarmed.has(server), isQuestioned: isQuestioned(server) };
      const counts = await ingestReadable(ports, log, writer);
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
  return { acceptedLines, quarantined, cardsTaken, ownRefBehind, otherFleet };
}

/**
 * Logs that were read before and are not in the index, as they were when they were read: an index that is made anew
 * knows what the old one knew, even if somebody took it off the remote.
 */
function missingLogs({ state, index, store }: ReceivePorts): Log[] {
  const progress = listProgress(index);
  const missing = listPeers(state).filter((peer) => !progress.has(peer.server));
  if (missing.length === 0) return [];
  const kept = store.readRefs(TRACKING.kept);
  return missing.flatMap(({ server }) => {
    const tip = kept.get(TRACKING.kept + server);
    return tip === undefined ? [] : [{ server, tip }];
  });
}

/** One server's log, and the commit it ends with. */
interface Log {
  readonly server: string;
  readonly tip: string;
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
/** Alarms about a log as a whole; the next good look at it ends them. */
const LOG_ALARMS = [REWRITTEN, UNREADABLE, OTHER_KEY];

/** A log that cannot be read (its ref names no commit, an object is damaged) is an alarm and keeps no other waiting. */
async function ingestReadable(
  ports: ReceivePorts,
  log: Log & { readonly isAlarmed: boolean; readonly isQuestioned: boolean },
  writer: IndexWriter,
): Promise<LogCounts> {
  const { index, clock } = ports;
  const { server, isAlarmed } = log;
  try {
    const refusal = log.isQuestioned ? await refusalOf(ports, log) : null;
    const counts =
      refusal === null ? await ingestLog(ports, log, writer) : await putAside(ports, log, refusal);
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

/** Looks at a log that is not trusted, without taking anything; null while there is an alarm about it. */
async function putAside(ports: ReceivePorts, log: Log, refusal: Refused): Promise<LogCounts | null> {
  const quarantined = await holdBack(ports, log, refusal);
  return refusal.why === "other-key" ? null : { ...NOTHING_TAKEN, quarantined };
}

/** Takes in what is new in one log; null, with an alarm, when it was rewritten. */
async function ingestLog(ports: ReceivePorts, log: Log, writer: IndexWriter): Promise<LogCounts | null> {
  const { index, clock } = ports;
  const { server, tip } = log;
  const progress = currentProgress(ports, server);
  if (progress?.tip === tip || !parseServerId(server).ok) return NOTHING_TAKEN;
  const commits = await listUnread(ports, log, progress);
  // The chain is handed on from chunk to chunk: another process may move the progress in the index meanwhile.
  let chain = commits === null ? "astray" : await startOfReading(ports, server, { commits, progress });
  if (commits === null || chain === "astray") {
    index.transaction(() => raiseAlarm(index, rewrittenAlarm(log, progress), clock.wallMs()));
    return null;
  }
  if (progress !== null && commits.length === 0) {
    writer.add(0, () => saveProgress(index, server, { ...progress, tip }));
  }
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
  const epoch = findPeer(ports.state, server)?.history.epoch ?? "";
  if ((progress?.seq ?? 0) === 0 && epoch !== "") {
    writer.add(0, () => markOlderHistory(index, server, epoch));
  }
  return { taken: true, accepted, quarantined };
}

/** Epochs before the one in which history ends are history as a whole; lines only know their own epoch. */
function markOlderHistory(index: Database, server: string, epoch: string): void {
  const sql = `UPDATE entries SET history = 1 WHERE writer = ? AND history = 0 AND position <
    (SELECT min(position) FROM entries WHERE writer = ? AND epoch = ?)`;
  index.run(sql, server, server, epoch);
}

const rewrittenAlarm = ({ server, tip }: Log, progress: Progress | null) => {
  const detail = `its log at ${tip} does not continue entry ${progress?.seq ?? 0} at ${progress?.tip ?? ""}`;
  return { server, kind: REWRITTEN, detail };
};

/**
 * The commits of a log that were not read yet, oldest first; null when it does not continue what is known. A log may
 * also go on in other commits, as when a stranger's were taken off it: then all it says has to come to what is known.
 */
async function listUnread(
  ports: ReceivePorts,
  log: Log,
  progress: Progress | null,
): Promise<readonly string[] | null> {
  const { server, tip } = log;
  // Found out once; as long as the tip stays, that is known.
  if (isRaised(ports.index, rewrittenAlarm(log, progress))) return null;
  const steps = await ports.store.listCommits(tip, progress?.tip ?? null, Number.MAX_SAFE_INTEGER);
  const commits = steps.map((step) => step.id);
  // Of a log of which nothing was believed nothing is known.
  if (progress === null || progress.seq === 0 || steps[0]?.parents[0] === progress.tip) return commits;
  const first = await startOfReading(ports, server, { commits, progress: null });
  if (first === null || first === "astray") return null;
  let known: Chain = first;
  for (let start = 0; start < commits.length; start += CHUNK_COMMITS) {
    const batches = await readBatches(ports, commits.slice(start, start + CHUNK_COMMITS));
    const judged = await judgeBatches(ports, server, { batches, known });
    const found = judged.accepted.find(({ chain }) => chain.hash === progress.hash);
    if (found !== undefined) return commits.slice(commits.indexOf(found.commit) + 1);
    known = judged.chain;
  }
  return null;
}

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
  if ((pin !== null || judged.handovers.length > 0) && server !== ports.identity.server) {
    ports.state.transaction(() => {
      if (pin !== null) pinPeer(ports.state, server, pin, nowWallMs);
      followHandovers(ports.state, server, judged.handovers, nowWallMs);
    });
    // Its operator's "no" came while it was read.
    if (findPeer(ports.state, server) === null) return judged;
  }
  const history = findPeer(ports.state, server)?.history ?? { epoch: "", seq: 0 };
  const reader = { server: ports.identity.server, groups: ports.groups, history, nowWallMs };
  const { chain } = judged;
  const bytes = batches.reduce((total, batch) => total + (batch.entries?.length ?? 0), 0);
  chunk.writer.add(bytes, () => {
    for (const one of judged.refused) addQuarantine(ports.index, { server, ...one }, nowWallMs);
    for (const batch of judged.accepted) insertLines(ports.index, server, batch.lines, reader);
    const tip = chunk.commits.at(-1) ?? "";
    const { epoch, seq, hash } = chain;
    // A key that nothing was accepted from is only a claim.
    const publicKey = seq === 0 ? "" : chain.publicKey;
    saveProgress(ports.index, server, { epoch, seq, hash, tip, publicKey });
  });
  return judged;
}
