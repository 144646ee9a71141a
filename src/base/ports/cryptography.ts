/** Hashes and Ed25519 over bytes. Keys are raw: 32 bytes public, signatures 64 bytes. */
export interface Cryptography {
  hash(algorithm: "sha1" | "sha256" | "sha512", bytes: Uint8Array): Uint8Array;
  /** False for anything that is not a valid signature, keys and signatures of a wrong length included. */
  verifyEd25519(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): Promise<boolean>;
  randomBytes(count: number): Uint8Array;
  /** A UUIDv7 for the instant `wallMs`; later calls in one process sort later. */
  uuidV7(wallMs: number): string;
}

/** A private key that never leaves the adapter. */
export interface SigningKey {
  /** 32 bytes, raw Ed25519. */
  readonly publicKey: Uint8Array;
  /** 64 bytes, raw Ed25519 over `bytes`. */
  sign(bytes: Uint8Array): Promise<Uint8Array>;
}
