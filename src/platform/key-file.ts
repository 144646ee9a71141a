import { chmodSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { causedBy, isMachineBroken, messageOf } from "../base/errors.ts";
import type { SigningKey } from "../base/ports/cryptography.ts";
import { findAccessProblem } from "./access.ts";
import { generatePkcs8, importSigningKey } from "./cryptography.ts";
import { exists, keepAs, replaceFile } from "./files.ts";
import { hasCode, ioError, isDenied } from "./io-error.ts";
import { syncFolder, writeSynced } from "./sync.ts";

/** Makes a new private key in `path` (PKCS8, PEM, 0600). An existing file is never overwritten. @throws FleetError CANNOT_CREATE */
export async function createKeyFile(path: string): Promise<SigningKey> {
  const pkcs8 = await generatePkcs8();
  const lines = pkcs8.toBase64().replace(/.{64}(?=.)/g, "$&\n");
  try {
    const text = `-----BEGIN PRIVATE KEY-----\n${lines}\n-----END PRIVATE KEY-----\n`;
    // What is signed with it is on the remote soon, and nobody else could ever go on with that log.
    writeSynced(path, text, { mode: 0o600, exclusive: true });
    chmodSync(path, 0o600);
    syncFolder(dirname(path));
  } catch (thrown) {
    const access = findAccessProblem(path);
    const words = access?.evidence ?? messageOf(thrown);
    throw causedBy("CANNOT_CREATE", `Cannot create key "${path}": ${words}`, thrown, access?.fix);
  }
  return await importSigningKey(pkcs8);
}

/** What to do about a private key that is gone or another one. */
export const KEY_HINT =
  "Put the key back from a backup (mode 0600); without it this server needs a new id: fleetd init --server ID";

/** Reads the private key in `path`. @throws FleetError CONFIG when it is missing or no Ed25519 key, IO */
export async function readKeyFile(path: string): Promise<SigningKey> {
  try {
    return await importSigningKey(readPkcs8(path));
  } catch (thrown) {
    if (isMachineBroken(thrown)) throw ioError(`Cannot read key "${path}"`, thrown);
    const message = `Cannot use key "${path}": ${whyNoKey(thrown)}, need a PKCS8 Ed25519 key`;
    throw causedBy("CONFIG", message, thrown, KEY_HINT);
  }
}

function readPkcs8(path: string): Uint8Array<ArrayBuffer> {
  const base64 = readFileSync(path, "utf8").replace(/-----[A-Z ]+-----/g, "");
  return Uint8Array.fromBase64(base64.replace(/\s+/g, ""));
}

/** The identifier of Ed25519 as it stands in every PKCS8 key of it: 1.3.101.112. */
const ED25519 = "06032b6570";

/**
 * Why the private key in `path` cannot be used, as far as a look at the file tells; null where it can. Whether it is the
 * right one is not asked.
 */
export function findKeyProblem(path: string): string | null {
  try {
    return readPkcs8(path).toHex().includes(ED25519) ? null : "it is no PKCS8 Ed25519 key";
  } catch (thrown) {
    return whyNoKey(thrown);
  }
}

function whyNoKey(thrown: unknown): string {
  if (hasCode(thrown, "ENOENT", "ENOTDIR")) return "it is missing";
  if (hasCode(thrown, "EISDIR")) return "it is a folder";
  if (isDenied(thrown)) return "permission denied";
  return messageOf(thrown);
}

/** Writes the public half beside the key as `<path>.pub`, in OpenSSH form with the server's id as comment. */
export const writePublicKey = (path: string, openSsh: string, server: string): void =>
  replaceFile(`${path}.pub`, `${openSsh} ${server}\n`, 0o644);

/** A key that is to replace the one at `path`, and the one that it replaced. */
export const nextKeyPath = (path: string): string => `${path}.next`;
export const oldKeyPath = (path: string): string => `${path}.old`;

/**
 * Puts the next key in the place of the key at `path`, which stays as the old one. Whatever it is cut off at, doing it
 * again finishes it, and at every point both keys have a name. @throws FleetError IO
 */
export function installNextKey(path: string): void {
  const [next, old] = [nextKeyPath(path), oldKeyPath(path)];
  try {
    if (!exists(old)) keepAs(path, old);
    syncFolder(dirname(path));
    renameSync(next, path);
    syncFolder(dirname(path));
  } catch (thrown) {
    throw causedBy("IO", `Cannot put "${next}" in the place of "${path}": ${messageOf(thrown)}`, thrown);
  }
}

/** Removes a key file for good; a missing one is fine. @throws FleetError IO */
export function removeKeyFile(path: string): void {
  try {
    rmSync(path, { force: true });
    syncFolder(dirname(path));
  } catch (thrown) {
    throw causedBy("IO", `Cannot remove key "${path}": ${messageOf(thrown)}`, thrown);
  }
}
