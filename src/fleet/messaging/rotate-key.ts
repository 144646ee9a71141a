/**
 * Changing the own key, on the side of the writer.
 *
 * The one transaction in `rotateKey` is the moment of the change: before it nothing has happened, after it the batch
 * that hands the log over is stored with its exact bytes and everything built later is signed by the new key. Until the
 * remote has confirmed that batch it may be taken back and built again, which only the old key can sign: so both are
 * kept until then, and which one signs is a question of where in the log a batch goes.
 */
import { FleetError } from "../../base/errors.ts";
import { toInstant } from "../../base/instant.ts";
import type { SigningKey } from "../../base/ports/cryptography.ts";
import type { Database } from "../../base/ports/database.ts";
import { buildBatch, type EntryDraft, type LogHead } from "./build-batch.ts";
import { addFormerKey } from "./former-keys.ts";
import { type Identity, loadIdentity, readSetting, saveIdentity, writeSetting } from "./identity.ts";
import type { SendPorts } from "./mailbox-ports.ts";
import { FORMAT } from "./model.ts";
import { enqueue, loadHead, outboxItem, recordBatch } from "./outbox.ts";
import { proveKey } from "./rotation.ts";
import { toOpenSsh } from "./ssh-signature.ts";
import { confirmedBatch } from "./take-back.ts";

/** A change of the own key that the remote has not confirmed yet. Keys are `"ssh-ed25519 <base64>"`. */
export interface PendingRotation {
  /** The id of the entry that hands the log over. */
  readonly id: string;
  readonly previous: string;
  readonly next: string;
  /** The epoch that the new key begins. */
  readonly epoch: string;
}

const ROTATION = "rotation";

/** The change of the own key that is under way, or null. */
export function pendingRotation(state: Database): PendingRotation | null {
  const json = readSetting(state, ROTATION);
  // Written by `rotateKey`.
  return json === null ? null : (JSON.parse(json) as PendingRotation);
}

/** Whether the remote has confirmed a change of the own key, so that the old key signs nothing any more. */
export const isRotated = (state: Database, { id }: PendingRotation): boolean =>
  outboxItem(state, id)?.state === "pushed";

/** Ends a change that was confirmed. Inside the caller's transaction. */
export const forgetRotation = (state: Database): void => {
  state.run("DELETE FROM settings WHERE key = ?", ROTATION);
};

/** The key that signs what follows `head` in the own log, and the card that speaks of it. */
export function keyAt(ports: Pick<SendPorts, "state" | "identity">, head: LogHead | null): string {
  const pending = pendingRotation(ports.state);
  if (pending === null || isRotated(ports.state, pending)) return ports.identity.publicKey;
  // A log that has not begun has no commit, whatever epoch it will get.
  const isAfter = head !== null && head.tip !== null && head.epoch === pending.epoch;
  return isAfter ? pending.next : pending.previous;
}

/**
 * The private half of `keyAt`.
 * @throws FleetError CONFIG when it is not on this machine
 */
export async function signerAt(ports: SendPorts, head: LogHead | null): Promise<SigningKey> {
  const publicKey = keyAt(ports, head);
  if (ports.keyOf === undefined || toOpenSsh(ports.key.publicKey) === publicKey) return ports.key;
  return await ports.keyOf(publicKey);
}

/**
 * Why the own key cannot be changed now; null where it can. Until the remote has the first batch, that one may be built
 * again, and only the key that it names may sign it.
 */
export function rotationRefusal({
  state,
  identity,
}: Pick<SendPorts, "state" | "identity">): FleetError | null {
  const pending = pendingRotation(state);
  const isPending = pending !== null && !isRotated(state, pending);
  if (!isPending && confirmedBatch(state) !== null) return null;
  return notYet(
    identity,
    isPending ? "the last change is not on the remote yet" : "its log has not begun there",
  );
}

const notYet = ({ server }: Identity, found: string): FleetError =>
  new FleetError("NOT_YET", `Cannot change the key of "${server}": ${found}`, {
    hint: "Try again once everything queued was pushed; fleetd queue shows what waits",
  });

/**
 * Changes the own key to `next`: stores the batch that hands the log over, and from this moment on everything built is
 * signed by `next`. The caller holds the flush lock, has `next` safely on the disk, and everything queued is built.
 * @throws FleetError NOT_YET while the change before is under way, or the log has not begun on the remote
 */
export async function rotateKey(ports: SendPorts, next: SigningKey): Promise<PendingRotation> {
  const { state, clock, cryptography, identity } = ports;
  const head = loadHead(state);
  const refusal = rotationRefusal(ports);
  if (refusal !== null) throw refusal;
  if (head === null || pendingRotation(state) !== null)
    throw notYet(identity, "the last change is not settled yet");
  const { fleet, server, publicKey: previous } = identity;
  const epoch = cryptography.randomBytes(8).toHex();
  const publicKey = toOpenSsh(next.publicKey);
  const proof = await proveKey({ fleet, server, epoch, previous }, { cryptography, key: next });
  const nowMs = clock.wallMs();
  const draft: EntryDraft = {
    id: cryptography.uuidV7(nowMs),
    at: toInstant(nowMs),
    body: { type: "key", fleet, epoch, public_key: publicKey, format: FORMAT, proof },
  };
  const key = await signerAt(ports, head);
  const batch = await buildBatch([draft], head, nowMs, {
    server,
    format: ports.store.format,
    cryptography,
    key,
  });
  const rotation = { id: draft.id, previous, next: publicKey, epoch };
  state.transaction(() => {
    enqueue(state, draft, nowMs);
    if (!recordBatch(state, batch, head, nowMs)) throw new Error("Broken invariant: the log moved");
    const former = { publicKey: previous, hash: batch.head.hash, firstWallMs: identity.createdWallMs };
    addFormerKey(state, server, former, nowMs);
    saveIdentity(state, { ...(loadIdentity(state) ?? identity), publicKey, epoch } satisfies Identity);
    writeSetting(state, ROTATION, JSON.stringify(rotation));
  });
  return rotation;
}
