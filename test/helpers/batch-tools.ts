import type { SigningKey } from "../../src/base/ports/cryptography.ts";
import type { ObjectFormat } from "../../src/base/ports/git-store.ts";
import type { BatchTools, EntryDraft, LogHead } from "../../src/fleet/messaging/build-batch.ts";
import type { EntryBody, KeyBody, MessageBody } from "../../src/fleet/messaging/model.ts";
import { toOpenSsh } from "../../src/fleet/messaging/ssh-signature.ts";
import { importSigningKey, systemCryptography } from "../../src/platform/cryptography.ts";

/** The bytes before the 32 of the seed in a PKCS8 file of an Ed25519 key (RFC 8410). */
const PKCS8_PREFIX = Uint8Array.fromHex("302e020100300506032b657004220420");

/** The Ed25519 key whose seed is the 32 bytes `seed(0)`, `seed(1)`, …: the same in every run. */
export const keyFromSeed = (seed: (index: number) => number): Promise<SigningKey> =>
  importSigningKey(
    new Uint8Array([...PKCS8_PREFIX, ...Array.from({ length: 32 }, (_, index) => seed(index))]),
  );

/** 24 July 2026, the wall clock of these tests in ms. */
export const NOW_MS = 1_784_900_000_000;
export const NOW = "2026-07-24T13:33:20.000Z";
export const FLEET = "019e1a2b-0000-7000-8000-0000000000f1";
export const EPOCH = "00000000000000e1";

/** What a server needs to build batches; the seed of its key is 0, 1, … 31 unless given. */
export async function batchTools(
  options: { server?: string; format?: ObjectFormat; key?: SigningKey } = {},
): Promise<BatchTools> {
  return {
    server: options.server ?? "code1",
    format: options.format ?? "sha1",
    cryptography: systemCryptography,
    key: options.key ?? (await keyFromSeed((index) => index)),
  };
}

/** The head of a log nobody has written to. */
export const emptyHead: LogHead = { epoch: EPOCH, seq: 0, hash: "", tip: null, committedMs: 0 };

/** A UUIDv7 that shows its number. */
export const idOf = (number: number): string =>
  `019e1a2b-0000-7000-8000-${number.toString(16).padStart(12, "0")}`;

export const draftOf = (number: number, body: EntryBody): EntryDraft => ({ id: idOf(number), at: NOW, body });

export const keyBody = (key: SigningKey, changes: Partial<KeyBody> = {}): KeyBody => ({
  type: "key",
  fleet: FLEET,
  epoch: EPOCH,
  public_key: toOpenSsh(key.publicKey),
  format: 1,
  ...changes,
});

export const messageBody = (changes: Partial<MessageBody> = {}): MessageBody => ({
  type: "message",
  to: ["code2"],
  subject: "Status",
  body: "How are you?",
  ...changes,
});
