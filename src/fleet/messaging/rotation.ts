/**
 * One key follows another: a `key` entry that names the next key, alone in a batch that the key before it signed.
 *
 * The signature of the batch says that the holder of the old key wants it so, the `proof` in the line that the new one
 * is in the same hands: without it a server could name somebody else's key and pass what that one signs for its own.
 */
import { toUtf8 } from "../../base/bytes.ts";
import type { Cryptography, SigningKey } from "../../base/ports/cryptography.ts";
import type { KeyBody } from "./model.ts";
import { fromOpenSsh, signSsh, toOpenSsh, verifySsh } from "./ssh-signature.ts";

/** Which key follows which, where. Keys are `"ssh-ed25519 <base64>"`. */
export interface Succession {
  readonly fleet: string;
  readonly server: string;
  /** The epoch that the new key begins. */
  readonly epoch: string;
  readonly previous: string;
  readonly next: string;
}

/** What the new key signs: compact JSON, as for derived ids. It names its place, so it cannot be used in another one. */
const statementOf = ({ fleet, server, epoch, previous, next }: Succession): Uint8Array =>
  toUtf8(JSON.stringify(["fleetd", "rotate", fleet, server, epoch, previous, next]));

/** The proof for a `key` entry that hands a log over to `key`. */
export async function proveKey(
  succession: Omit<Succession, "next">,
  tools: { readonly cryptography: Cryptography; readonly key: SigningKey },
): Promise<string> {
  const statement = statementOf({ ...succession, next: toOpenSsh(tools.key.publicKey) });
  return new TextDecoder().decode(await signSsh(statement, "fleetd-key", tools));
}

/** Whether the `proof` of a `key` entry was made with the key that it names, for this place. */
export async function isProven(
  entry: Pick<KeyBody, "fleet" | "epoch" | "public_key" | "proof">,
  from: { readonly server: string; readonly previous: string; readonly cryptography: Cryptography },
): Promise<boolean> {
  const publicKey = fromOpenSsh(entry.public_key);
  if (publicKey === null || entry.proof === undefined) return false;
  const { fleet, epoch, public_key: next } = entry;
  const statement = statementOf({ fleet, server: from.server, epoch, previous: from.previous, next });
  const expected = { namespace: "fleetd-key", publicKey, cryptography: from.cryptography } as const;
  return await verifySsh(statement, toUtf8(entry.proof), expected);
}
