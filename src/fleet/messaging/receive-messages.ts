/**
 * One look at the remote: fetch, verify what is new, put it into the index.
 *
 * Nothing here acts on a message. What is accepted goes into `index.db` together with how far each log was read, in
 * one transaction, so a crash at any point repeats work and loses none.
 */
import { FleetError } from "../../base/errors.ts";
import type { RemoteFailure, RemoteOptions } from "../../base/ports/git-remote.ts";
import type { ReadObject } from "../../base/ports/git-store.ts";
import type { Result } from "../../base/result.ts";
import { acceptBatch, type Chain, keyClaimedBy } from "./accept-batch.ts";
import { fetchRefs, noteOddRefs } from "./fetch-refs.ts";
import { JOINING, readSetting } from "./identity.ts";
import { type ReceivePorts, TRACKING } from "./mailbox-ports.ts";
import {
  addQuarantine,
  alarmDetail,
  clearAlarm,
  insertLines,
  listProgress,
  loadProgress,
  markAllHistory,
  type Progress,
  raiseAlarm,
  saveProgress,
  serversWithAlarm,
} from "./message-index.ts";
import { LIMITS, parseServerId } from "./model.ts";
import { unpushedBatches } from "./outbox.ts";
import { findPeer, listPeers, pinPeer, setHistory } from "./peers.ts";
import { receiveCards } from "./receive-cards.ts";
import { fromOpenSsh, verifySsh } from "./ssh-signature.ts";

/** What one look brought. `acceptedLines` counts entries of others. */
export interface ReceiveReport {
  readonly acceptedLines: number;
  readonly quarantined: number;
  readonly cardsTaken: number;
  /** True when the remote does not hold what was pushed to the own ref. */
  readonly ownRefBehind: boolean;
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
  const report = await ingestStore(ports);
  if (readSetting(ports.state, JOINING) !== null) declareHistory(ports);
  return { ok: true, value: report };
}

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
  const logs = store.readRefs(TRACKING.log);
  const remoteOwn = logs.get(TRACKING.log + identity.server) ?? null;
  const own = store.readRefs("refs/own/").get(TRACKING.own) ?? null;
  let acceptedLines = 0;
  let quarantined = 0;
  const writer = createIndexWriter(ports);
  const taken: { readonly name: string; readonly tip: string }[] = [];
  if (own !== null) await ingestLog(ports, { server: identity.server, tip: own }, writer);
  noteOddRefs(ports, [...logs, ...store.readRefs(TRACKING.state)]);
  const alarmed = serversWithAlarm(ports.index, LOG_ALARMS);
  const kept = store.readRefs(TRACKING.kept);
  const others = [...logs]
    .map(([ref, tip]) => ({ server: ref.slice(TRACKING.log.length), tip }))
    .filter(({ server }) => server !== identity.server && parseServerId(server).ok)
    .values();
  // While one log waits for git or for its signatures, another one is judged.
  const takeLogs = async (): Promise<void> => {
    for (const log of others) {
      const counts = await ingestReadable(ports, { ...log, isAlarmed: alarmed.has(log.server) }, writer);
      if (counts.taken) taken.push({ name: TRACKING.kept + log.server, tip: log.tip });
      acceptedLines += counts.accepted;
      quarantined += counts.quarantined;
    }
  };
  // Settled, not the first failure: nobody may go on reading behind the back of a caller that gave up.
  const ended = await Promise.allSettled(Array.from({ length: LOGS_AT_ONCE }, takeLogs));
  writer.commit();
  for (const { name, tip } of taken) if (kept.get(name) !== tip) store.writeRef(name, tip);
  for (const one of ended) if (one.status === "rejected") throw one.reason;
  const cardsTaken = await receiveCards(ports);
  // While a push is under way the remote is behind by right; it is news only when everything counts as pushed.
  const ownRefBehind = own !== null && remoteOwn !== own && unpushedBatches(ports.state).length === 0;
  return { acceptedLines, quarantined, cardsTaken, ownRefBehind };
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
const LOG_ALARMS = [REWRITTEN, UNREADABLE];

/** A log that cannot be read (its ref names no commit, an object is damaged) is an alarm and keeps no other waiting. */
async function ingestReadable(
  ports: ReceivePorts,
  log: { readonly server: string; readonly tip: string; readonly isAlarmed: boolean },
  writer: IndexWriter,
): Promise<LogCounts> {
  const { server, isAlarmed } = log;
  try {
    const counts = await ingestLog(ports, log, writer);
    if (counts !== null && isAlarmed) for (const kind of LOG_ALARMS) clearAlarm(ports.index, server, kind);
    return counts ?? NOTHING_TAKEN;
  } catch (thrown) {
    if (!(thrown instanceof FleetError)) throw thrown;
    raiseAlarm(ports.index, { server, kind: UNREADABLE, detail: thrown.message }, ports.clock.wallMs());
    return NOTHING_TAKEN;
  }
}

/** Takes in what is new in one log; null, with an alarm, when it was rewritten. */
async function ingestLog(
  ports: ReceivePorts,
  { server, tip }: { readonly server: string; readonly tip: string },
  writer: IndexWriter,
): Promise<LogCounts | null> {
  const { index, store } = ports;
  const progress = loadProgress(index, server);
  if (progress?.tip === tip) return NOTHING_TAKEN;
  // A rewritten log was walked once to be found out; as long as its tip stays, that is known.
  if (alarmDetail(index, server, REWRITTEN) === rewrittenTo(tip)) return raiseRewritten(ports, server, tip);
  const commits = await store.listCommits(tip, progress?.tip ?? null, Number.MAX_SAFE_INTEGER);
  const first = commits[0];
  if (progress !== null && first !== undefined && first.parents[0] !== progress.tip) {
    return raiseRewritten(ports, server, tip);
  }
  // The chain is handed on from chunk to chunk: another process may move the progress in the index meanwhile.
  let chain = knownChain(ports, server, progress);
  let accepted = 0;
  let quarantined = 0;
  for (let start = 0; start < commits.length; start += CHUNK_COMMITS) {
    const chunk = commits.slice(start, start + CHUNK_COMMITS).map((commit) => commit.id);
    const judged = await ingestChunk(ports, server, { commits: chunk, chain, writer });
    // As long as nothing was accepted nobody is pinned, and the next batch may claim another key.
    chain = chain === null && judged.chain.seq === 0 ? null : judged.chain;
    accepted += judged.accepted.reduce((total, lines) => total + lines.length, 0);
    quarantined += judged.refused.length;
  }
  return { taken: true, accepted, quarantined };
}

const rewrittenTo = (tip: string): string =>
  `its log on the remote (${tip}) does not continue what is known of it; what was known is kept`;

/** A rewound log comes forward again by itself, since its owner pushes it; a rewritten one is kept as it was known. */
function raiseRewritten({ index, clock }: ReceivePorts, server: string, tip: string): null {
  index.transaction(() =>
    raiseAlarm(index, { server, kind: REWRITTEN, detail: rewrittenTo(tip) }, clock.wallMs()),
  );
  return null;
}

/** Some commits of a log, oldest first, and what is known of it before them (null: nothing). */
interface Chunk {
  readonly commits: readonly string[];
  readonly chain: Chain | null;
  readonly writer: IndexWriter;
}

/** Gathers what several chunks put into the index: one transaction for many logs writes each page of it once. */
interface IndexWriter {
  /** `bytes`: how much `write` keeps in memory until then. Writes of one log are made in the order of their adding. */
  add(bytes: number, write: () => void): void;
  commit(): void;
}

/** Chosen: some 5,000 usual entries; a transaction of as many takes 50 ms. */
const TRANSACTION_BYTES = 2 * 1024 * 1024;

function createIndexWriter({ index }: ReceivePorts): IndexWriter {
  let waiting: (() => void)[] = [];
  let waitingBytes = 0;
  const commit = (): void => {
    const writes = waiting;
    waiting = [];
    waitingBytes = 0;
    if (writes.length > 0) index.transaction(() => writes.forEach((write) => void write()));
  };
  return {
    add(bytes, write) {
      waiting.push(write);
      waitingBytes += bytes;
      if (waitingBytes >= TRANSACTION_BYTES) commit();
    },
    commit,
  };
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
    for (const lines of judged.accepted) insertLines(ports.index, server, lines, reader);
    const tip = chunk.commits.at(-1) ?? "";
    saveProgress(ports.index, server, { epoch: chain.epoch, seq: chain.seq, hash: chain.hash, tip });
  });
  return judged;
}

interface ReadBatch {
  readonly commit: string;
  readonly entries: Uint8Array | null;
  readonly signature: Uint8Array | null;
  readonly trouble: string;
}

async function readBatches(ports: ReceivePorts, commits: readonly string[]): Promise<ReadBatch[]> {
  const [entries, signatures] = await Promise.all([
    ports.store.readObjects(
      commits.map((id) => `${id}:entries.jsonl`),
      LIMITS.batchBytesMax,
    ),
    ports.store.readObjects(
      commits.map((id) => `${id}:entries.sig`),
      LIMITS.signatureBytesMax,
    ),
  ]);
  return commits.map((commit, position) => {
    const [content, signature] = [entries[position], signatures[position]];
    const trouble = troubleOf("entries.jsonl", content) ?? troubleOf("entries.sig", signature) ?? "";
    return { commit, entries: contentOf(content), signature: contentOf(signature), trouble };
  });
}

const contentOf = (object: ReadObject | undefined): Uint8Array | null =>
  object?.status === "found" && object.kind === "blob" ? object.content : null;

function troubleOf(file: string, object: ReadObject | undefined): string | null {
  if (object?.status === "too-large") return `${file} has ${object.sizeBytes} bytes`;
  return contentOf(object) === null ? `no ${file}` : null;
}

interface Judgement {
  readonly chain: Chain;
  /** The key to pin, when this was the first sight of the writer. */
  readonly pin: string | null;
  readonly accepted: Extract<ReturnType<typeof acceptBatch>, { accepted: true }>["lines"][];
  readonly refused: { place: string; reason: string }[];
}

async function judgeBatches(
  ports: ReceivePorts,
  server: string,
  { batches, known }: { readonly batches: readonly ReadBatch[]; readonly known: Chain | null },
): Promise<Judgement> {
  const publicKey = known?.publicKey ?? firstClaim(batches) ?? "";
  const signed = await Promise.all(batches.map((batch) => isSigned(ports, batch, publicKey)));
  let chain: Chain = known ?? { publicKey, epoch: "", seq: 0, hash: "" };
  const accepted: Judgement["accepted"] = [];
  const refused: Judgement["refused"] = [];
  for (const [position, batch] of batches.entries()) {
    const verdict =
      batch.entries === null || batch.trouble !== ""
        ? { accepted: false as const, reason: batch.trouble }
        : signed[position] === true
          ? acceptBatch(batch.entries, chain, {
              server,
              fleet: ports.identity.fleet,
              cryptography: ports.cryptography,
            })
          : { accepted: false as const, reason: "signature missing or wrong" };
    if (verdict.accepted) {
      chain = verdict.chain;
      accepted.push(verdict.lines);
    } else {
      refused.push({ place: batch.commit, reason: verdict.reason });
    }
  }
  return { chain, pin: known === null && chain.seq > 0 ? publicKey : null, accepted, refused };
}

/** The chain of a writer that was seen before: its pinned key, and where the index stopped reading. */
function knownChain(ports: ReceivePorts, server: string, progress: Progress | null): Chain | null {
  const place = { epoch: progress?.epoch ?? "", seq: progress?.seq ?? 0, hash: progress?.hash ?? "" };
  if (server === ports.identity.server) return { publicKey: ports.identity.publicKey, ...place };
  const peer = findPeer(ports.state, server);
  return peer === null ? null : { publicKey: peer.publicKey, ...place };
}

function firstClaim(batches: readonly ReadBatch[]): string | null {
  for (const batch of batches) {
    const claim = batch.entries === null ? null : keyClaimedBy(batch.entries);
    if (claim !== null) return claim;
  }
  return null;
}

async function isSigned(ports: ReceivePorts, batch: ReadBatch, publicKey: string): Promise<boolean> {
  const raw = fromOpenSsh(publicKey);
  if (raw === null || batch.entries === null || batch.signature === null) return false;
  const expected = { namespace: "fleetd-log", publicKey: raw, cryptography: ports.cryptography } as const;
  return await verifySsh(batch.entries, batch.signature, expected);
}
