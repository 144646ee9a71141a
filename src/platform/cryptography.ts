import type { Cryptography, SigningKey } from "../base/ports/cryptography.ts";

/*
 * WebCrypto, not node:crypto: loading the latter costs a start of the executable about 3.5 ms, the former nothing
 * (40 paired starts each). The price is that signing is asynchronous.
 */
const ED25519 = "Ed25519";

/** Imported public keys by their base64: a fleet has few keys and checks each many times. */
const importedKeys = new Map<string, CryptoKey>();
const IMPORTED_KEYS_MAX = 4096;

/** Hashes by Bun, signatures by WebCrypto. */
export const systemCryptography: Cryptography = {
  hash: (algorithm, bytes) => Bun.CryptoHasher.hash(algorithm, bytes) as unknown as Uint8Array,
  async verifyEd25519(publicKey, bytes, signature) {
    if (publicKey.length !== 32 || signature.length !== 64) return false;
    const key = await importPublicKey(publicKey);
    return key !== null && (await crypto.subtle.verify(ED25519, key, toPlain(signature), toPlain(bytes)));
  },
  randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
  uuidV7: (wallMs) => Bun.randomUUIDv7("hex", wallMs),
};

/** A new private key as PKCS8 bytes. */
export async function generatePkcs8(): Promise<Uint8Array> {
  const pair = (await crypto.subtle.generateKey(ED25519, true, ["sign", "verify"])) as CryptoKeyPair;
  return new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey));
}

/** The signing key in PKCS8 bytes. Rejects with WebCrypto's error when they are not an Ed25519 key. */
export async function importSigningKey(pkcs8: Uint8Array): Promise<SigningKey> {
  const key = await crypto.subtle.importKey("pkcs8", toPlain(pkcs8), ED25519, true, ["sign"]);
  // The public half is not in a version 1 PKCS8 file; the JWK export computes it.
  const jwk = await crypto.subtle.exportKey("jwk", key);
  const publicKey = Uint8Array.fromBase64(jwk.x ?? "", { alphabet: "base64url" });
  return {
    publicKey,
    sign: async (bytes) => new Uint8Array(await crypto.subtle.sign(ED25519, key, toPlain(bytes))),
  };
}

async function importPublicKey(publicKey: Uint8Array): Promise<CryptoKey | null> {
  const name = publicKey.toBase64();
  const known = importedKeys.get(name);
  if (known !== undefined) return known;
  try {
    const key = await crypto.subtle.importKey("raw", toPlain(publicKey), ED25519, false, ["verify"]);
    if (importedKeys.size >= IMPORTED_KEYS_MAX) importedKeys.clear();
    importedKeys.set(name, key);
    return key;
  } catch {
    // 32 bytes that are no point of the curve: no signature can be good for such a key.
    return null;
  }
}

/** WebCrypto's types want an array that is not shared memory; ours never is. */
const toPlain = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => bytes as Uint8Array<ArrayBuffer>;
