/**
 * Hashes as everywhere; signatures either real ones, made without waiting, or a deterministic stand-in that only a
 * holder of the secret can make. Randomness comes from the run's seed.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { concatBytes, equalBytes } from "../../src/base/bytes.ts";
import type { Cryptography, SigningKey } from "../../src/base/ports/cryptography.ts";
import { systemCryptography } from "../../src/platform/cryptography.ts";
import type { Chance } from "./chance.ts";
import type { Life } from "./life.ts";

const { hash } = systemCryptography;

/** How keys are made and signatures checked, for all servers of a run. */
export interface Signatures {
  readonly createKey: (seed: Uint8Array) => SigningKey;
  readonly verify: (publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array) => boolean;
}

/** A PKCS8 file of an Ed25519 key is this, and then the 32 bytes of its seed (RFC 8410). */
const PKCS8_START = Uint8Array.fromHex("302e020100300506032b657004220420");
/** As `PKCS8_START`, in front of the 32 bytes of a public key. */
const SPKI_START = Uint8Array.fromHex("302a300506032b6570032100");

/** Ed25519. */
export function realSignatures(): Signatures {
  const keys = new Map<string, KeyObject>();
  const publicKeyOf = (raw: Uint8Array): KeyObject => {
    const name = raw.toHex();
    const key = keys.get(name) ?? createPublicKey({ key: der(SPKI_START, raw), format: "der", type: "spki" });
    keys.set(name, key);
    return key;
  };
  return {
    createKey: (seed) => {
      const key = createPrivateKey({ key: der(PKCS8_START, seed), format: "der", type: "pkcs8" });
      const spki = createPublicKey(key).export({ format: "der", type: "spki" });
      const publicKey = new Uint8Array(spki.subarray(SPKI_START.length));
      return { publicKey, sign: (bytes) => Promise.resolve(new Uint8Array(sign(null, bytes, key))) };
    },
    verify: (publicKey, bytes, signature) =>
      publicKey.length === 32 &&
      signature.length === 64 &&
      verify(null, bytes, publicKeyOf(publicKey), signature),
  };
}

const der = (start: Uint8Array, raw: Uint8Array): Buffer => Buffer.concat([start, raw]);

/** A hash over a secret that belongs to the public key: 2 instead of 100 µs for a check. */
export function pretendedSignatures(): Signatures {
  const secrets = new Map<string, Uint8Array>();
  const stamp = (secret: Uint8Array, bytes: Uint8Array): Uint8Array =>
    hash("sha512", concatBytes([secret, bytes]));
  return {
    createKey: (seed) => {
      const secret = hash("sha256", concatBytes([Uint8Array.of(1), seed]));
      const publicKey = hash("sha256", concatBytes([Uint8Array.of(2), seed]));
      secrets.set(publicKey.toHex(), secret);
      return { publicKey, sign: (bytes) => Promise.resolve(stamp(secret, bytes)) };
    },
    verify: (publicKey, bytes, signature) => {
      const secret = secrets.get(publicKey.toHex());
      return secret !== undefined && equalBytes(stamp(secret, bytes), signature);
    },
  };
}

/** The cryptography of one life. `chance` is the machine's: what it drew before a crash is not drawn again. */
export function simCryptography(life: Life, signatures: Signatures, chance: Chance): Cryptography {
  let lastMs = 0;
  let counter = 0;
  return {
    hash,
    randomBytes: (count) => chance.bytes(count),
    // biome-ignore lint/suspicious/useAwait: a check is asynchronous for whoever asks, and a process may die of it.
    async verifyEd25519(publicKey, bytes, signature) {
      life.call();
      return signatures.verify(publicKey, bytes, signature);
    },
    uuidV7(wallMs) {
      const ms = Math.max(wallMs, lastMs);
      counter = ms === lastMs ? counter + 1 : 0;
      lastMs = ms;
      const time = ms.toString(16).padStart(12, "0");
      const order = (0x7000 + (counter & 0xfff)).toString(16);
      const rest = chance.bytes(8);
      rest[0] = ((rest[0] ?? 0) & 0x3f) | 0x80;
      const tail = rest.toHex();
      return `${time.slice(0, 8)}-${time.slice(8)}-${order}-${tail.slice(0, 4)}-${tail.slice(4)}`;
    },
  };
}

/** A key that its process uses: it may die of it. */
export const keyOfLife = (life: Life, key: SigningKey): SigningKey => ({
  publicKey: key.publicKey,
  sign: (bytes) => {
    life.call();
    return key.sign(bytes);
  },
});
