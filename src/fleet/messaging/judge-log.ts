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
import type { ReceivePorts } from "./mailbox-ports.ts";
import type { Progress } from "./message-index.ts";
import { LIMITS } from "./model.ts";
import { findPeer } from "./peers.ts";
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
  readonly accepted: readonly AcceptedBatch[];
  readonly refused: readonly { readonly place: string; readonly reason: string }[];
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
  const signed = await checkSignatures(ports, batches, publicKey);
  let chain: Chain = known ?? { publicKey, epoch: "", seq: 0, hash: "" };
  const accepted: AcceptedBatch[] = [];
  const refused: { place: string; reason: string }[] = [];
  for (const [position, batch] of batches.entries()) {
    const verdict = judgeBatch(ports, batch, { server, chain, isSigned: signed[position] === true });
    if (verdict.accepted) {
      chain = verdict.chain;
      accepted.push({ commit: batch.commit, chain, lines: verdict.lines });
    } else {
      refused.push({ place: batch.commit, reason: verdict.reason });
    }
  }
  return { chain, pin: known === null && chain.seq > 0 ? publicKey : null, accepted, refused };
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

/** The chain of a writer that was seen before: its pinned key, and where the index stopped reading. */
export function knownChain(ports: ReceivePorts, server: string, progress: Progress | null): Chain | null {
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
