/**
 * Making the shortened log: a new root that says what was removed, and behind it the kept batches with their own blobs and
 * signatures in commits with new parents.
 *
 * Whatever goes into it was verified just before, from the root to the tip, as a reader will do it; a store that lost
 * something to a bad disk or to somebody's `gc --prune=now` gives no shortened log. Every object is on the disk before
 * the log is pushed, since the commits it is made of are nowhere else.
 */
import { concatBytes, fromUtf8, toUtf8 } from "../../base/bytes.ts";
import { FleetError } from "../../base/errors.ts";
import { toInstant } from "../../base/instant.ts";
import type { CommitStep, GitObject } from "../../base/ports/git-store.ts";
import { type Chain, splitLines } from "./accept-batch.ts";
import { hashLine, toObjects } from "./build-batch.ts";
import { hasPassed } from "./card.ts";
import type { CompactionPlan } from "./compaction-plan.ts";
import type { ShortenedLog } from "./compaction-state.ts";
import { encodeLine, parseLine } from "./entry-line.ts";
import { toGitObject } from "./git-encoding.ts";
import { judgeBatches, readBatches } from "./judge-log.ts";
import { type ReceivePorts, type SendPorts, TRACKING } from "./mailbox-ports.ts";
import { type CompactedBody, type Entry, FORMAT, type KeyBody, type ReceiptEntry } from "./model.ts";
import { findPeer } from "./peers.ts";
import { signSsh } from "./ssh-signature.ts";
import { findCard } from "./stored-cards.ts";

/** What shortening needs beyond sending: how far others have read is in the index. */
export type CompactPorts = SendPorts & Pick<ReceivePorts, "index">;

/**
 * A shortened log that is in the store, safe on the disk. `removed`: entries that are not in it and were in the old one;
 * `chain`: how it ends.
 */
export interface BuiltLog extends ShortenedLog {
  readonly removed: number;
  readonly chain: Chain;
}

/** Batches that are read, judged and written together. Chosen: a few MB of usual batches, and some ms of this thread. */
const CHUNK_COMMITS = 64;

const COMMIT_BYTES_MAX = 1024 * 1024;

/** Builds what a plan says. @throws FleetError IO when something in the store is missing or is not what was signed */
export async function buildShortened(ports: CompactPorts, plan: CompactionPlan): Promise<BuiltLog> {
  const { store } = ports;
  const past = await readPast(ports, plan);
  const root = await buildRoot(ports, plan, past);
  store.writeObjects(root.objects, true);
  const key = past.keys.at(-1);
  const chain: Chain = {
    publicKey: key?.public_key ?? "",
    epoch: plan.cutHead.epoch,
    seq: plan.cutHead.seq,
    hash: plan.cutHead.hash,
  };
  const kept = await store.listCommits(plan.tip, plan.cut, Number.MAX_SAFE_INTEGER);
  if (kept[0]?.parents[0] !== plan.cut) throw damaged(plan.cut, "the log does not go on from there");
  const end = await copyCommits(ports, kept, { parent: root.commitId, chain });
  if (end.chain.hash !== plan.head.hash) throw damaged(plan.tip, "its chain ends elsewhere than it should");
  store.writeRef(TRACKING.shortened, end.parent);
  return { tip: end.parent, fromTip: plan.tip, cut: plan.cut, removed: past.fresh, chain: end.chain };
}

/** What was pushed after a shortened log was built goes behind it; null when it does not continue what was shortened. */
export async function extendShortened(
  ports: CompactPorts,
  built: BuiltLog,
  tip: string,
): Promise<BuiltLog | null> {
  if (tip === built.fromTip) return built;
  const added = await ports.store.listCommits(tip, built.fromTip, Number.MAX_SAFE_INTEGER);
  if (added[0]?.parents[0] !== built.fromTip) return null;
  const end = await copyCommits(ports, added, { parent: built.tip, chain: built.chain });
  ports.store.writeRef(TRACKING.shortened, end.parent);
  return { ...built, tip: end.parent, fromTip: tip, chain: end.chain };
}

/** What goes with a plan. `removed`: entries that only this plan takes away. */
export async function countRemoved(
  ports: CompactPorts,
  plan: CompactionPlan,
): Promise<{ readonly removed: number; readonly receipts: number }> {
  const { fresh, receipts } = await readPast(ports, plan);
  return { removed: fresh, receipts: receipts.length };
}

interface Past {
  readonly keys: readonly (Entry & KeyBody)[];
  readonly receipts: readonly Entry[];
  /** Entries removed since the log began, and of those how many only now. */
  readonly count: number;
  readonly fresh: number;
}

/** Reads what goes: its keys, the receipts that may still be waited for, and how many entries there are. */
async function readPast(ports: CompactPorts, plan: CompactionPlan): Promise<Past> {
  const steps = await ports.store.listCommits(plan.cut, null, Number.MAX_SAFE_INTEGER);
  const gathered = new Gatherer(ports);
  for (let start = 0; start < steps.length; start += CHUNK_COMMITS) {
    const chunk = steps.slice(start, start + CHUNK_COMMITS).map((step) => step.id);
    for (const { commit, entries } of await readBatches(ports, chunk)) {
      const lines = entries === null ? null : splitLines(entries);
      if (lines === null) throw damaged(commit, "its entries cannot be read");
      for (const line of lines) gathered.take(line);
    }
  }
  const past = gathered.result();
  if (gathered.hash !== plan.cutHead.hash)
    throw damaged(plan.cut, "it does not end with the entry it should");
  if (past.keys.length === 0) throw damaged(plan.cut, "there is no key before it");
  return past;
}

/** Receipts that a shortened log carries along, at most. Chosen: 350 bytes each, a sixth of what a line may have. */
const RECEIPTS_MAX = 1000;

/** A message's line says so before anything its sender chose: by far the most lines, and nothing of them is needed. */
const MESSAGE =
  /^\{"v":1,"id":"[0-9a-f-]{36}","seq":\d+,"prev":(?:null|"sha256:[0-9a-f]{64}"),"type":"message"/;
const MESSAGE_BYTES = 200;

class Gatherer {
  /** Of the last line that was taken. */
  hash = "";
  readonly #ports: CompactPorts;
  readonly #keys: (Entry & KeyBody)[] = [];
  #receipts: Entry[] = [];
  #count = 0;
  #before = 0;
  #epoch = "";
  #seq = 0;

  constructor(ports: CompactPorts) {
    this.#ports = ports;
  }

  take(line: Uint8Array): void {
    this.hash = hashLine(line, this.#ports.cryptography);
    this.#count += 1;
    this.#seq += 1;
    if (MESSAGE.test(fromUtf8(line.subarray(0, MESSAGE_BYTES)) ?? "")) return;
    const parsed = parseLine(line);
    if (parsed.status !== "entry") return;
    // As it was: parsing strictly may put fields into another order.
    const entry = JSON.parse(fromUtf8(line) ?? "") as Entry;
    if (entry.type === "key") this.#takeKey(entry as Entry & KeyBody);
    if (entry.type === "receipt" && this.#isOpen(entry as ReceiptEntry, this.#seq))
      this.#receipts.push(entry);
    if (entry.type === "compacted") this.#takeRoot(entry, entry.seq);
  }

  result(): Past {
    const receipts = this.#receipts.slice(-RECEIPTS_MAX);
    return { keys: this.#keys, receipts, count: this.#count, fresh: this.#count - this.#before };
  }

  #takeKey(entry: Entry & KeyBody): void {
    this.#keys.push(entry);
    this.#epoch = entry.epoch;
    this.#seq = 1;
  }

  /** A log that was shortened before: its root is no entry of its own. */
  #takeRoot(root: CompactedBody, seq: number): void {
    for (const key of root.keys) this.#takeKey(key as Entry & KeyBody);
    this.hash = root.hash;
    this.#count = root.count;
    this.#before = root.count;
    this.#seq = seq;
    // Their own places are not known any more: whoever has read as far as the old root has them.
    this.#receipts = root.receipts.filter((one) => this.#isOpen(one as ReceiptEntry, seq));
  }

  /** Whether the sender of the message may still wait for this receipt: it did not say that it has read so far. */
  #isOpen(receipt: ReceiptEntry, seq: number): boolean {
    const { state, index, identity } = this.#ports;
    const peer = findPeer(state, receipt.message_from);
    if (peer === null || peer.forgotten) return false;
    const cursor = findCard(index, receipt.message_from)?.card.cursors[identity.server];
    return !hasPassed(cursor, { epoch: this.#epoch, seq });
  }
}

async function buildRoot(ports: CompactPorts, plan: CompactionPlan, past: Past) {
  const { identity, clock, cryptography, key, store } = ports;
  const nowMs = clock.wallMs();
  const { seq, hash, committedMs } = plan.cutHead;
  const { keys, receipts, count } = past;
  // A reader checks the root with the key it carries, which has to be the one it is signed with.
  if (keys.at(-1)?.public_key !== identity.publicKey) throw keyChanged();
  const line = encodeLine({
    v: FORMAT,
    id: cryptography.uuidV7(nowMs),
    seq,
    prev: null,
    type: "compacted",
    from: identity.server,
    at: toInstant(nowMs),
    hash,
    count,
    keys,
    receipts,
  });
  const signature = await signSsh(line, "fleetd-log", { cryptography, key });
  const tools = { format: store.format, cryptography };
  const built = toObjects({ "entries.jsonl": line, "entries.sig": signature }, tools, (tree) => ({
    tree,
    parent: null,
    server: identity.server,
    // No date of a commit precedes its parent's, and those of the kept ones stay.
    committedMs,
    message: `${identity.server} compacted ${count} entries`,
  }));
  return { objects: built.all, commitId: built.commitId };
}

interface Copied {
  readonly parent: string;
  readonly chain: Chain;
}

/** Writes each commit once more, the first on top of `parent`, and judges what it holds as a reader would. */
async function copyCommits(ports: CompactPorts, steps: readonly CommitStep[], from: Copied): Promise<Copied> {
  const { store, identity } = ports;
  let { parent, chain } = from;
  for (let start = 0; start < steps.length; start += CHUNK_COMMITS) {
    const chunk = steps.slice(start, start + CHUNK_COMMITS).map((step) => step.id);
    const batches = await readBatches(ports, chunk);
    const judged = await judgeBatches(ports, identity.server, { batches, known: chain });
    const [refused] = judged.refused;
    if (refused !== undefined) throw damaged(refused.place, refused.reason);
    ({ chain } = judged);
    const commits = await store.readObjects(chunk, COMMIT_BYTES_MAX);
    const written: GitObject[] = [];
    for (const [place, commit] of commits.entries()) {
      if (commit.status !== "found") throw damaged(chunk[place] ?? "", "its commit cannot be read");
      const content = withParent(commit.content, parent);
      const copy = toGitObject("commit", content, { format: store.format, cryptography: ports.cryptography });
      written.push(copy);
      parent = copy.id;
    }
    store.writeObjects(written, true);
  }
  return { parent, chain };
}

const LF = 0x0a;
const PARENT = toUtf8("parent ");

/** The content of a commit, with this one parent instead of those it has. */
export function withParent(commit: Uint8Array, parent: string): Uint8Array {
  const treeEnd = commit.indexOf(LF) + 1;
  let rest = treeEnd;
  while (PARENT.every((byte, place) => commit[rest + place] === byte)) rest = commit.indexOf(LF, rest) + 1;
  return concatBytes([commit.subarray(0, treeEnd), toUtf8(`parent ${parent}\n`), commit.subarray(rest)]);
}

const damaged = (commit: string, what: string): FleetError =>
  new FleetError("IO", `Cannot shorten the log: ${commit.slice(0, 12)} in the store is damaged: ${what}`, {
    hint: "fleetd doctor --fix fetches again what is damaged",
  });

const keyChanged = (): FleetError =>
  new FleetError("NOT_YET", "Cannot shorten the log: its key was changed in what has to stay of it", {
    hint: "It can be shortened when the change of the key is old enough to go",
  });
