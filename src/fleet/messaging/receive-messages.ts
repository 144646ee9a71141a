/**
 * One look at the remote: fetch, verify what is new, put it into the index.
 *
 * Nothing here acts on a message. What is accepted goes into `index.db` together with how far each log was read, in
 * one transaction per chunk, so a crash at any point repeats work and loses none.
 */
import type { RemoteFailure, RemoteOptions } from "../../base/ports/git-remote.ts";
import type { ReadObject } from "../../base/ports/git-store.ts";
import type { Result } from "../../base/result.ts";
import { acceptBatch, type BatchVerdict, type Chain, keyClaimedBy } from "./accept-batch.ts";
import { JOINING, readSetting } from "./identity.ts";
import { type ReceivePorts, TRACKING } from "./mailbox-ports.ts";
import {
  addQuarantine,
  clearAlarm,
  insertLines,
  isRaised,
  listProgress,
  loadProgress,
  markAllHistory,
  type Progress,
  raiseAlarm,
  saveProgress,
} from "./message-index.ts";
import { LIMITS, parseServerId } from "./model.ts";
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
  if (own !== null) await ingestLog(ports, identity.server, own);
  for (const [server, tip] of missingLogs(ports)) await ingestLog(ports, server, tip);
  for (const [ref, tip] of logs) {
    const server = ref.slice(TRACKING.log.length);
    if (server === identity.server) continue;
    const counts = await ingestLog(ports, server, tip);
    acceptedLines += counts.accepted;
    quarantined += counts.quarantined;
  }
  const cardsTaken = await receiveCards(ports);
  return { acceptedLines, quarantined, cardsTaken, ownRefBehind: own !== null && remoteOwn !== own };
}

/**
 * Logs that were read before and are not in the index, as they were when they were read: an index that is made anew
 * knows what the old one knew, even if somebody took it off the remote.
 */
function missingLogs({ state, index, store }: ReceivePorts): [server: string, tip: string][] {
  const progress = listProgress(index);
  const missing = listPeers(state).filter((peer) => !progress.has(peer.server));
  if (missing.length === 0) return [];
  const kept = store.readRefs(TRACKING.kept);
  return missing.flatMap(({ server }) => {
    const tip = kept.get(TRACKING.kept + server);
    return tip === undefined ? [] : [[server, tip]];
  });
}

/** A poll is one `git fetch`; where listing costs no process it tells which refs moved, and only those are fetched. */
async function fetchRefs(
  ports: ReceivePorts,
  options: RemoteOptions,
): Promise<Result<unknown, RemoteFailure>> {
  const { remote, identity, store } = ports;
  const log = `${identity.namespace}log/`;
  const state = `${identity.namespace}state/`;
  const all = [`+${log}*:${TRACKING.log}*`, `+${state}*:${TRACKING.state}*`];
  if (!(await remote.listsCheaply())) return await remote.fetch(all, options);
  const listed = await remote.listRefs([log, state], options);
  if (!listed.ok) return listed;
  const known = new Map([...store.readRefs(TRACKING.log), ...store.readRefs(TRACKING.state)]);
  const vanished = [...known.keys()].some(
    (name) => !listed.value.refs.has(name.replace("refs/fleet/", identity.namespace)),
  );
  if (vanished) return await remote.fetch(all, options);
  const moved = [...listed.value.refs].flatMap(([name, id]) => {
    const local = name.replace(identity.namespace, "refs/fleet/");
    return known.get(local) === id ? [] : [`+${name}:${local}`];
  });
  return moved.length === 0 ? listed : await remote.fetch(moved, options);
}

interface LogCounts {
  readonly accepted: number;
  readonly quarantined: number;
}

async function ingestLog(ports: ReceivePorts, server: string, tip: string): Promise<LogCounts> {
  const { index, store, clock } = ports;
  const nothing = { accepted: 0, quarantined: 0 };
  if (!parseServerId(server).ok) return nothing;
  const progress = loadProgress(index, server);
  const commits = progress?.tip === tip ? [] : await listUnread(ports, { server, tip, progress });
  if (commits === null) {
    raiseAlarm(index, rewrittenAlarm(server, tip, progress), clock.wallMs());
    return nothing;
  }
  clearAlarm(index, server, "rewritten");
  if (progress?.tip === tip) return nothing;
  if (progress !== null && commits.length === 0) saveProgress(index, server, { ...progress, tip });
  let accepted = 0;
  let quarantined = 0;
  for (let start = 0; start < commits.length; start += CHUNK_COMMITS) {
    const chunk = commits.slice(start, start + CHUNK_COMMITS);
    const counts = await ingestChunk(ports, server, chunk);
    accepted += counts.accepted;
    quarantined += counts.quarantined;
  }
  if (server !== ports.identity.server) store.writeRef(TRACKING.kept + server, tip);
  return { accepted, quarantined };
}

const rewrittenAlarm = (server: string, tip: string, progress: Progress | null) => {
  const detail = `its log at ${tip} no longer continues entry ${progress?.seq ?? 0} at ${progress?.tip ?? ""}`;
  return { server, kind: "rewritten", detail };
};

/**
 * The commits of a log that were not read yet, oldest first; null when it does not continue what is known. A log may
 * also go on in other commits, as when a stranger's were taken off it: then all it says has to come to what is known.
 */
async function listUnread(
  ports: ReceivePorts,
  log: { readonly server: string; readonly tip: string; readonly progress: Progress | null },
): Promise<readonly string[] | null> {
  const { server, tip, progress } = log;
  const steps = await ports.store.listCommits(tip, progress?.tip ?? null, Number.MAX_SAFE_INTEGER);
  const commits = steps.map((step) => step.id);
  // Of a log of which nothing was believed nothing is known.
  if (progress === null || progress.seq === 0 || steps[0]?.parents[0] === progress.tip) return commits;
  if (isRaised(ports.index, rewrittenAlarm(server, tip, progress))) return null;
  let chain = { publicKey: knownChain(ports, server)?.publicKey ?? "", epoch: "", seq: 0, hash: "" };
  for (let start = 0; start < commits.length; start += CHUNK_COMMITS) {
    const batches = await readBatches(ports, commits.slice(start, start + CHUNK_COMMITS));
    const signed = await Promise.all(batches.map((batch) => isSigned(ports, batch, chain.publicKey)));
    for (const [position, batch] of batches.entries()) {
      const verdict = judgeBatch(ports, batch, { server, chain, isSigned: signed[position] === true });
      if (!verdict.accepted) continue;
      chain = verdict.chain;
      if (chain.hash === progress.hash) return commits.slice(start + position + 1);
    }
  }
  return null;
}

async function ingestChunk(
  ports: ReceivePorts,
  server: string,
  commits: readonly string[],
): Promise<LogCounts> {
  const batches = await readBatches(ports, commits);
  const judged = await judgeBatches(ports, server, batches);
  const nowWallMs = ports.clock.wallMs();
  const pin = judged.pin;
  if (pin !== null && server !== ports.identity.server) {
    ports.state.transaction(() => pinPeer(ports.state, server, pin, nowWallMs));
  }
  const history = findPeer(ports.state, server)?.history ?? { epoch: "", seq: 0 };
  const reader = { server: ports.identity.server, groups: ports.groups, history, nowWallMs };
  ports.index.transaction(() => {
    for (const one of judged.refused) addQuarantine(ports.index, { server, ...one }, nowWallMs);
    for (const lines of judged.accepted) insertLines(ports.index, server, lines, reader);
    saveProgress(ports.index, server, { ...judged.chain, tip: commits.at(-1) ?? "" });
  });
  const accepted = judged.accepted.reduce((total, lines) => total + lines.length, 0);
  return { accepted, quarantined: judged.refused.length };
}

interface ReadBatch {
  readonly commit: string;
  readonly entries: Uint8Array | null;
  readonly signature: Uint8Array | null;
  readonly trouble: string;
}

async function readBatches(ports: ReceivePorts, commits: readonly string[]): Promise<ReadBatch[]> {
  const entries = await ports.store.readObjects(
    commits.map((id) => `${id}:entries.jsonl`),
    LIMITS.batchBytesMax,
  );
  const signatures = await ports.store.readObjects(
    commits.map((id) => `${id}:entries.sig`),
    LIMITS.signatureBytesMax,
  );
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
  batches: readonly ReadBatch[],
): Promise<Judgement> {
  const known = knownChain(ports, server);
  const publicKey = known?.publicKey ?? firstClaim(batches) ?? "";
  const signed = await Promise.all(batches.map((batch) => isSigned(ports, batch, publicKey)));
  let chain: Chain = known ?? { publicKey, epoch: "", seq: 0, hash: "" };
  const accepted: Judgement["accepted"] = [];
  const refused: Judgement["refused"] = [];
  for (const [position, batch] of batches.entries()) {
    const verdict = judgeBatch(ports, batch, { server, chain, isSigned: signed[position] === true });
    if (verdict.accepted) {
      chain = verdict.chain;
      accepted.push(verdict.lines);
    } else {
      refused.push({ place: batch.commit, reason: verdict.reason });
    }
  }
  return { chain, pin: known === null && chain.seq > 0 ? publicKey : null, accepted, refused };
}

function judgeBatch(
  ports: ReceivePorts,
  batch: ReadBatch,
  at: { readonly server: string; readonly chain: Chain; readonly isSigned: boolean },
): BatchVerdict {
  if (batch.entries === null || batch.trouble !== "") return { accepted: false, reason: batch.trouble };
  if (!at.isSigned) return { accepted: false, reason: "signature missing or wrong" };
  const { identity, cryptography } = ports;
  return acceptBatch(batch.entries, at.chain, { server: at.server, fleet: identity.fleet, cryptography });
}

/** The chain of a writer that was seen before: its pinned key, and where the index stopped reading. */
function knownChain(ports: ReceivePorts, server: string): Chain | null {
  const progress = loadProgress(ports.index, server);
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
