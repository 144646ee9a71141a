/**
 * What a reader believes of somebody else's log. Pure: bytes and a verdict of the signature come in.
 *
 * The chain of `seq` and `prev` decides. A batch whose signature is good and that continues the chain is accepted;
 * anything else is quarantined *as a batch* and the walk goes on, so a stranger who pushes rubbish on top of a log
 * cannot silence its owner: the owner's next batch continues the chain that we know.
 */
import type { Cryptography } from "../../base/ports/cryptography.ts";
import { hashLine } from "./build-batch.ts";
import { type ParsedLine, parseLine } from "./entry-line.ts";
import { type CompactedBody, type Cursor, type Entry, type Envelope, type KeyBody, LIMITS } from "./model.ts";

/** What is known of one writer: its key, and how far its chain was accepted (`seq` 0 before anything). */
export interface Chain extends Cursor {
  readonly publicKey: string;
}

/** One line that was accepted into the chain, with how it reads. */
export interface AcceptedLine {
  readonly seq: number;
  readonly epoch: string;
  /** `"sha256:<hex>"` of the line. */
  readonly hash: string;
  readonly text: Uint8Array;
  readonly parsed: ParsedLine;
}

export type BatchVerdict =
  | { readonly accepted: true; readonly chain: Chain; readonly lines: readonly AcceptedLine[] }
  | { readonly accepted: false; readonly reason: string };

/** Splits the bytes of `entries.jsonl` into lines without their LF; every line must end in one. */
export function splitLines(bytes: Uint8Array): readonly Uint8Array[] | null {
  const lines: Uint8Array[] = [];
  let start = 0;
  while (start < bytes.length) {
    const end = bytes.indexOf(0x0a, start);
    if (end === -1 || lines.length >= LIMITS.batchLinesMax) return null;
    lines.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return lines.length === 0 ? null : lines;
}

/** The public key that a log's very first batch claims (`"ssh-ed25519 …"`), or null when it starts with none. */
export function keyClaimedBy(bytes: Uint8Array): string | null {
  const first = splitLines(bytes)?.[0];
  const parsed = first === undefined ? null : parseLine(first);
  if (parsed?.status !== "entry") return null;
  return keyEntryOf(parsed.entry)?.public_key ?? null;
}

/**
 * Judges one batch of `server` whose signature was found good for `chain.publicKey`. Where the chain has another key
 * after it, the batch is a rotation, and the caller has yet to see whether the new key's proof is good.
 */
export function acceptBatch(
  bytes: Uint8Array,
  chain: Chain,
  from: { readonly server: string; readonly fleet: string; readonly cryptography: Cryptography },
): BatchVerdict {
  const lines = splitLines(bytes);
  if (lines === null) return refuse("batch is empty, over 1,000 lines, or cut off");
  let current = chain;
  const accepted: AcceptedLine[] = [];
  for (const text of lines) {
    const parsed = parseLine(text);
    const step = stepChain(parsed, text, current, { ...from, isAlone: lines.length === 1 });
    if (!step.accepted) return step;
    current = step.chain;
    accepted.push({ seq: current.seq, epoch: current.epoch, hash: current.hash, text, parsed });
  }
  return { accepted: true, chain: current, lines: accepted };
}

type Step = { accepted: true; chain: Chain } | { accepted: false; reason: string };
type Origin = { server: string; fleet: string; cryptography: Cryptography; isAlone: boolean };

function stepChain(parsed: ParsedLine, text: Uint8Array, chain: Chain, from: Origin): Step {
  const hash = hashLine(text, from.cryptography);
  const place = parsed.status === "entry" ? parsed.entry : parsed.place;
  if (place !== null && place.from !== from.server)
    return refuse(`entry is from "${place.from}", the log is of "${from.server}"`);
  if (parsed.status === "entry") {
    const { entry } = parsed;
    if (entry.type === "key") return stepToEpoch(entry, { ...from, chain, hash });
    if (entry.type === "compacted") return stepToCompacted(entry, { chain, fleet: from.fleet });
    if (chain.seq === 0) return refuse("log does not start with a key");
  } else if (chain.seq === 0) {
    return refuse(parsed.reason);
  }
  // A line that cannot be read still takes its place. Where it says which, that has to be the next one: else anybody
  // could push a batch of such lines again and leave the owner's next batch without a continuation. One that says
  // nothing is believed for its signature; no writer of this format makes such lines.
  const seq = chain.seq + 1;
  if (place !== null && place.seq !== seq) return refuse(`seq is ${place.seq}, expected ${seq}`);
  if (place !== null && place.prev !== chain.hash)
    return refuse(`prev of seq ${seq} does not match the line before it`);
  return { accepted: true, chain: { ...chain, seq, hash } };
}

/** A key entry begins an epoch. One that names another key hands the log over to it; its proof is still to be checked. */
function stepToEpoch(entry: Envelope & KeyBody, at: Origin & { chain: Chain; hash: string }): Step {
  const { chain, hash, fleet } = at;
  if (entry.fleet !== fleet) return refuse(`key entry is for fleet ${entry.fleet}`);
  const isRotation = entry.public_key !== chain.publicKey;
  if (isRotation && (chain.seq === 0 || entry.proof === undefined))
    return refuse("key entry names another key than the pinned one");
  if (isRotation && !at.isAlone) return refuse("key entry with a new key is not alone in its batch");
  if (entry.seq !== 1) return refuse(`key entry has seq ${entry.seq}, expected 1`);
  const prev = chain.seq === 0 ? null : chain.hash;
  if (entry.prev !== prev) return refuse("prev of a key entry does not match the line before it");
  if (entry.epoch === chain.epoch) return refuse("key entry repeats its epoch");
  const { epoch, public_key: publicKey } = entry;
  return { accepted: true, chain: { publicKey, epoch, seq: 1, hash } };
}

/** A compacted root is taken where nothing is known yet; over a known chain it is for the owner of the cursor to judge. */
function stepToCompacted(entry: Envelope & CompactedBody, at: { chain: Chain; fleet: string }): Step {
  const key = keyEntryOf(entry);
  if (at.chain.seq !== 0) return refuse("log was compacted below what is known of it");
  if (key === null || key.fleet !== at.fleet) return refuse("compacted log names another fleet");
  // What is carried along counts as its writer's word, so a writer may carry its own only.
  const foreign = [...entry.keys, ...entry.receipts].find((one) => one.from !== entry.from);
  if (foreign !== undefined) return refuse(`compacted log carries an entry of "${foreign.from}"`);
  if (key.public_key !== at.chain.publicKey)
    return refuse("compacted log names another key than the pinned one");
  return { accepted: true, chain: { ...at.chain, epoch: key.epoch, seq: entry.seq, hash: entry.hash } };
}

function keyEntryOf(entry: Entry): (Envelope & KeyBody) | null {
  if (entry.type === "key") return entry;
  if (entry.type !== "compacted") return null;
  const last = entry.keys.at(-1);
  return last?.type === "key" ? last : null;
}

const refuse = (reason: string): { accepted: false; reason: string } => ({ accepted: false, reason });
