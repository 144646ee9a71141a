/**
 * SSHSIG: the signature format of `ssh-keygen -Y` (OpenSSH's PROTOCOL.sshsig), for Ed25519 and SHA-512 only.
 *
 * What is signed is not the file but a small structure that names the namespace and the file's hash, so a signature
 * for a log can never pass for a signature of a card.
 */
import { concatBytes, equalBytes, fromBase64, fromUtf8, toUtf8 } from "../../base/bytes.ts";
import type { Cryptography, SigningKey } from "../../base/ports/cryptography.ts";

/** What a signature is for: the entries of a log, a card, or that a new key is its writer's own. */
export type SignatureNamespace = "fleetd-log" | "fleetd-card" | "fleetd-key";

const MAGIC = toUtf8("SSHSIG");
const KEY_TYPE = "ssh-ed25519";
const HASH = "sha512";
const HASH_BYTES = 64;
const SIGNATURE_BYTES = 64;
const BEGIN = "-----BEGIN SSH SIGNATURE-----";
const END = "-----END SSH SIGNATURE-----";

/** The armored signature of `bytes`, as `ssh-keygen -Y sign -n <namespace>` would write it. */
export async function signSsh(
  bytes: Uint8Array,
  namespace: SignatureNamespace,
  tools: { readonly cryptography: Cryptography; readonly key: SigningKey },
): Promise<Uint8Array> {
  const signed = concatBytes([startOfSigned(namespace), tools.cryptography.hash(HASH, bytes)]);
  const signature = await tools.key.sign(signed);
  const blob = concatBytes([startOfBlob(tools.key.publicKey, namespace), signature]);
  const base64 = blob.toBase64().replace(/.{70}(?=.)/g, "$&\n");
  return toUtf8(`${BEGIN}\n${base64}\n${END}\n`);
}

/** What a signature has to be: for this, by the holder of this raw Ed25519 key. */
export interface ExpectedSignature {
  readonly namespace: SignatureNamespace;
  readonly publicKey: Uint8Array;
  readonly cryptography: Cryptography;
}

/** Whether `armored` is a signature of `bytes` for `namespace` made with the raw Ed25519 `publicKey`. */
export const verifySsh = (
  bytes: Uint8Array,
  armored: Uint8Array,
  expected: ExpectedSignature,
): Promise<boolean> => createSshVerifier(expected)(bytes, armored);

/** As `verifySsh`, for many signatures of one key. */
export function createSshVerifier(
  expected: ExpectedSignature,
): (bytes: Uint8Array, armored: Uint8Array) => Promise<boolean> {
  const { namespace, publicKey, cryptography } = expected;
  const start = startOfBlob(publicKey, namespace);
  const startSigned = startOfSigned(namespace);
  return async (bytes, armored) => {
    const blob = blobIn(armored);
    if (blob === null) return false;
    // Everybody writes these bytes in front of the signature; whoever wrote others is read field by field.
    const isUsual =
      blob.length === start.length + SIGNATURE_BYTES && equalBytes(blob.subarray(0, start.length), start);
    const signature = isUsual ? blob.subarray(start.length) : signatureIn(blob, expected);
    if (signature === null) return false;
    const signed = concatBytes([startSigned, cryptography.hash(HASH, bytes)]);
    return await cryptography.verifyEd25519(publicKey, signed, signature);
  };
}

/** The raw signature in a blob that names the expected key and namespace, or null. */
function signatureIn(blob: Uint8Array, { namespace, publicKey }: ExpectedSignature): Uint8Array | null {
  const parsed = parseBlob(blob);
  if (parsed === null || parsed.namespace !== namespace) return null;
  return equalBytes(parsed.publicKey, publicKey) ? parsed.signature : null;
}

/** The OpenSSH form `"ssh-ed25519 <base64>"` of a raw public key. */
export const toOpenSsh = (publicKey: Uint8Array): string =>
  `${KEY_TYPE} ${publicKeyBlob(publicKey).toBase64()}`;

/** The raw 32 bytes of an OpenSSH public key, or null when it is not an Ed25519 key. A comment is ignored. */
export function fromOpenSsh(text: string): Uint8Array | null {
  const [type, base64] = text.trim().split(/\s+/);
  const blob = type === KEY_TYPE && base64 !== undefined ? fromBase64(base64) : null;
  return blob === null ? null : publicKeyOf(blob);
}

/** The fingerprint that `ssh-keygen -l` prints: `"SHA256:<base64 without padding>"`. */
export function fingerprintOf(publicKey: Uint8Array, cryptography: Cryptography): string {
  const digest = cryptography.hash("sha256", publicKeyBlob(publicKey));
  return `SHA256:${digest.toBase64({ omitPadding: true })}`;
}

const publicKeyBlob = (publicKey: Uint8Array): Uint8Array =>
  concatBytes([sshString(toUtf8(KEY_TYPE)), sshString(publicKey)]);

function publicKeyOf(blob: Uint8Array): Uint8Array | null {
  const reader = createReader(blob);
  const type = reader.string();
  const key = reader.string();
  if (type === null || key === null || !reader.isAtEnd()) return null;
  return fromUtf8(type) === KEY_TYPE && key.length === 32 ? key : null;
}

/** What is signed, but for the hash at its end: the same for every file. */
const startOfSigned = (namespace: SignatureNamespace): Uint8Array =>
  concatBytes([
    MAGIC,
    sshString(toUtf8(namespace)),
    sshString(new Uint8Array(0)),
    sshString(toUtf8(HASH)),
    uint32(HASH_BYTES),
  ]);

/** What `ssh-keygen` writes in front of the 64 bytes of an Ed25519 signature. */
function startOfBlob(publicKey: Uint8Array, namespace: SignatureNamespace): Uint8Array {
  const keyType = sshString(toUtf8(KEY_TYPE));
  return concatBytes([
    MAGIC,
    uint32(1),
    sshString(publicKeyBlob(publicKey)),
    sshString(toUtf8(namespace)),
    sshString(new Uint8Array(0)),
    sshString(toUtf8(HASH)),
    uint32(keyType.length + 4 + SIGNATURE_BYTES),
    keyType,
    uint32(SIGNATURE_BYTES),
  ]);
}

interface ParsedSignature {
  readonly publicKey: Uint8Array;
  readonly namespace: string;
  readonly signature: Uint8Array;
}

function blobIn(armored: Uint8Array): Uint8Array | null {
  const text = fromUtf8(armored)?.trim();
  if (text === undefined || !text.startsWith(BEGIN) || !text.endsWith(END)) return null;
  return fromBase64(text.slice(BEGIN.length, -END.length));
}

function parseBlob(blob: Uint8Array): ParsedSignature | null {
  if (!equalBytes(blob.subarray(0, MAGIC.length), MAGIC)) return null;
  const reader = createReader(blob.subarray(MAGIC.length));
  if (reader.uint32() !== 1) return null;
  const [key, namespace, reserved, hash, signature] = [
    reader.string(),
    reader.string(),
    reader.string(),
    reader.string(),
    reader.string(),
  ];
  if (key === null || namespace === null || reserved === null || hash === null || signature === null)
    return null;
  if (!reader.isAtEnd() || fromUtf8(hash) !== HASH) return null;
  const publicKey = publicKeyOf(key);
  const raw = rawSignatureOf(signature);
  const name = fromUtf8(namespace);
  return publicKey === null || raw === null || name === null
    ? null
    : { publicKey, namespace: name, signature: raw };
}

function rawSignatureOf(blob: Uint8Array): Uint8Array | null {
  const reader = createReader(blob);
  const type = reader.string();
  const signature = reader.string();
  if (type === null || signature === null || !reader.isAtEnd() || fromUtf8(type) !== KEY_TYPE) return null;
  return signature.length === SIGNATURE_BYTES ? signature : null;
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

const sshString = (bytes: Uint8Array): Uint8Array => concatBytes([uint32(bytes.length), bytes]);

/** Reads the SSH wire encoding; every method answers null past the end. */
function createReader(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let offset = 0;
  const uint32At = (): number | null => {
    if (offset + 4 > bytes.length) return null;
    const value = view.getUint32(offset);
    offset += 4;
    return value;
  };
  return {
    uint32: uint32At,
    string(): Uint8Array | null {
      const length = uint32At();
      if (length === null || offset + length > bytes.length) return null;
      offset += length;
      return bytes.subarray(offset - length, offset);
    },
    isAtEnd: (): boolean => offset === bytes.length,
  };
}
