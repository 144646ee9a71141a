/**
 * A log as a reader finds it in the store: batches are read, their signatures checked, and the chain judged. Nothing is
 * written here.
 */
import type { ReadObject } from "../../base/ports/git-store.ts";
import {
  type AcceptedLine,
  acceptBatch,
  type BatchVerdict,
  type Chain,
  keyClaimedBy,
} from "./accept-batch.ts";
import { presentKey } from "./former-keys.ts";
import type { ReceivePorts } from "./mailbox-ports.ts";
import type { Progress } from "./message-index.ts";
import { LIMITS } from "./model.ts";
import { isProven } from "./rotation.ts";
import { createSshVerifier, fromOpenSsh } from "./ssh-signature.ts";

/** One commit of a log; `trouble` says what is missing or too large, empty when nothing is. */
export interface ReadBatch {
  readonly commit: string;
  readonly entries: Uint8Array | null;
  readonly signature: Uint8Array | null;
  readonly trouble: string;
}

/** What reading and judging need. */
export type JudgePorts = Pick<ReceivePorts, "identity" | "cryptography" | "store">;

/** Reads the two files of each commit, sizes before contents. */
export async function readBatches(ports: JudgePorts, commits: readonly string[]): Promise<ReadBatch[]> {
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

/** What was made of some batches in a row. */
export interface Judgement {
  readonly chain: Chain;
  /** The key to pin, when this was the first sight of the writer. */
  readonly pin: string | null;
  /** Keys that handed the log over to another one, in order. */
  readonly handovers: readonly Handover[];
  readonly accepted: readonly AcceptedBatch[];
  readonly refused: readonly { readonly place: string; readonly reason: string }[];
}

/** A key that another one took the place of; `hash` is the line that said so. */
export interface Handover {
  readonly previous: string;
  readonly next: string;
  readonly hash: string;
}

/** One accepted batch, with the chain as it stands after it. */
export interface AcceptedBatch {
  readonly commit: string;
  readonly chain: Chain;
  readonly lines: readonly AcceptedLine[];
}

/** Judges batches in the order of the log. `known` null: of a writer that nobody pinned yet. */
export async function judgeBatches(
  ports: JudgePorts,
  server: string,
  { batches, known }: { readonly batches: readonly ReadBatch[]; readonly known: Chain | null },
): Promise<Judgement> {
  const publicKey = known?.publicKey ?? firstClaim(batches) ?? "";
  let signed = await checkSignatures(ports, batches, publicKey);
  let chain: Chain = known ?? { publicKey, epoch: "", seq: 0, hash: "" };
  const accepted: AcceptedBatch[] = [];
  const refused: { place: string; reason: string }[] = [];
  const handovers: Handover[] = [];
  for (const [position, batch] of batches.entries()) {
    const at = { server, chain, isSigned: signed[position] === true };
    const verdict = await requireProof(ports, judgeBatch(ports, batch, at), at);
    if (!verdict.accepted) {
      refused.push({ place: batch.commit, reason: verdict.reason });
      continue;
    }
    const previous = chain.publicKey;
    chain = verdict.chain;
    accepted.push({ commit: batch.commit, chain, lines: verdict.lines });
    if (chain.publicKey === previous) continue;
    handovers.push({ previous, next: chain.publicKey, hash: chain.hash });
    const rest = await checkSignatures(ports, batches.slice(position + 1), chain.publicKey);
    signed = [...signed.slice(0, position + 1), ...rest];
  }
  const pin = known === null && chain.seq > 0 ? publicKey : null;
  return { chain, pin, handovers, accepted, refused };
}

/** A batch that hands the log over to another key counts only with that key's proof. */
async function requireProof(
  { cryptography }: JudgePorts,
  verdict: BatchVerdict,
  { server, chain }: { readonly server: string; readonly chain: Chain },
): Promise<BatchVerdict> {
  if (!verdict.accepted || chain.seq === 0 || verdict.chain.publicKey === chain.publicKey) return verdict;
  const parsed = verdict.lines[0]?.parsed;
  const entry = parsed?.status === "entry" && parsed.entry.type === "key" ? parsed.entry : null;
  const from = { server, previous: chain.publicKey, cryptography };
  if (entry !== null && (await isProven(entry, from))) return verdict;
  return { accepted: false, reason: "key entry does not prove that its writer has the new key" };
}

function judgeBatch(
  ports: JudgePorts,
  batch: ReadBatch,
  at: { readonly server: string; readonly chain: Chain; readonly isSigned: boolean },
): BatchVerdict {
  if (batch.entries === null || batch.trouble !== "") return { accepted: false, reason: batch.trouble };
  if (!at.isSigned) return { accepted: false, reason: "signature missing or wrong" };
  const { identity, cryptography } = ports;
  return acceptBatch(batch.entries, at.chain, { server: at.server, fleet: identity.fleet, cryptography });
}

/** The chain of a writer that was seen before: the key that counts there, and where the index stopped reading. */
export function knownChain(ports: ReceivePorts, server: string, progress: Progress | null): Chain | null {
  const { epoch, seq, hash } = progress ?? { epoch: "", seq: 0, hash: "" };
  const present = presentKey(ports.state, server);
  return present === null ? null : { publicKey: progress?.publicKey || present, epoch, seq, hash };
}

/** The key that the first batch with any claim names as the one of its log, or null. */
export function firstClaim(batches: readonly ReadBatch[]): string | null {
  for (const batch of batches) {
    const claim = batch.entries === null ? null : keyClaimedBy(batch.entries);
    if (claim !== null) return claim;
  }
  return null;
}

/** Whether each batch is signed with `publicKey`. They are asked for all at once: the checks run beside each other. */
async function checkSignatures(
  ports: JudgePorts,
  batches: readonly ReadBatch[],
  publicKey: string,
): Promise<readonly boolean[]> {
  const raw = fromOpenSsh(publicKey);
  if (raw === null) return batches.map(() => false);
  const { cryptography } = ports;
  const isSigned = createSshVerifier({ namespace: "fleetd-log", publicKey: raw, cryptography });
  return await Promise.all(
    batches.map(({ entries, signature }) =>
      entries === null || signature === null ? false : isSigned(entries, signature),
    ),
  );
}
