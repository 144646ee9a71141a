import { chmodSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { causedBy, isMachineBroken, messageOf } from "../base/errors.ts";
import type { SigningKey } from "../base/ports/cryptography.ts";
import { generatePkcs8, importSigningKey } from "./cryptography.ts";
import { replaceFile } from "./files.ts";
import { ioError } from "./io-error.ts";
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
    throw causedBy("CANNOT_CREATE", `Cannot create key "${path}": ${messageOf(thrown)}`, thrown);
  }
  return await importSigningKey(pkcs8);
}

/** Reads the private key in `path`. @throws FleetError CONFIG when it is missing or no Ed25519 key, IO */
export async function readKeyFile(path: string): Promise<SigningKey> {
  try {
    const base64 = readFileSync(path, "utf8").replace(/-----[A-Z ]+-----/g, "");
    return await importSigningKey(Uint8Array.fromBase64(base64.replace(/\s+/g, "")));
  } catch (thrown) {
    if (isMachineBroken(thrown)) throw ioError(`Cannot read key "${path}"`, thrown);
    throw causedBy(
      "CONFIG",
      `Cannot use key "${path}": ${messageOf(thrown)}, need a PKCS8 Ed25519 key`,
      thrown,
    );
  }
}

/** Writes the public half beside the key as `<path>.pub`, in OpenSSH form with the server's id as comment. */
export const writePublicKey = (path: string, openSsh: string, server: string): void =>
  replaceFile(`${path}.pub`, `${openSsh} ${server}\n`, 0o644);
