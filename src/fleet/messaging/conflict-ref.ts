/**
 * Telling the holder of an id that somebody else tried to use it: the newcomer leaves a small commit under
 * `conflict/<id>/<fingerprint of its key>` and pushes nothing else.
 */
import { toUtf8 } from "../../base/bytes.ts";
import { toInstant } from "../../base/instant.ts";
import type { RemoteFailure, RemoteOptions } from "../../base/ports/git-remote.ts";
import type { GitStore } from "../../base/ports/git-store.ts";
import { ok, type Result } from "../../base/result.ts";
import { toObjects } from "./build-batch.ts";
import { type SendPorts, TRACKING } from "./mailbox-ports.ts";
import { FORMAT } from "./model.ts";
import { fingerprintOf, fromOpenSsh } from "./ssh-signature.ts";

const FINGERPRINT = /^[0-9a-f]{64}$/;

/** The fingerprint of a key as hex: the digest that `ssh-keygen -l` shows in base64. */
export function fingerprintHex(publicKey: string, cryptography: SendPorts["cryptography"]): string {
  const shown = fingerprintOf(fromOpenSsh(publicKey) ?? new Uint8Array(32), cryptography);
  return Uint8Array.fromBase64(shown.replace(/^SHA256:/, "")).toHex();
}

/** The same digest as people compare it. */
export const shownFingerprint = (hex: string): string =>
  `SHA256:${Uint8Array.fromHex(hex).toBase64().replace(/=+$/, "")}`;

/** Leaves the note; where it stands already that is as good. */
export async function announceConflict(
  ports: SendPorts,
  facts: { readonly version: string },
  options: RemoteOptions,
): Promise<Result<null, RemoteFailure>> {
  const { identity, store, cryptography, clock, remote } = ports;
  const { server, namespace, publicKey: public_key } = identity;
  const nowMs = clock.wallMs();
  const note = { v: FORMAT, server, public_key, at: toInstant(nowMs), version: facts.version };
  const files = { "conflict.json": toUtf8(`${JSON.stringify(note)}\n`) };
  const commit = toObjects(files, { format: store.format, cryptography }, (tree) => ({
    tree,
    parent: null,
    server,
    committedMs: nowMs,
    message: `${server}: this id is used by another key`,
  }));
  store.writeObjects(commit.all, false);
  const ref = `${namespace}conflict/${server}/${fingerprintHex(public_key, cryptography)}`;
  const pushed = await remote.push([{ ref, id: commit.commitId, expected: null }], {
    ...options,
    atomic: false,
  });
  return pushed.ok ? ok(null) : pushed;
}

/** Who tried to use this server's id, as the last look found it: fingerprints as hex with the commits of their notes. */
export function listConflicts(store: Pick<GitStore, "readRefs">): Map<string, string> {
  const found = [...store.readRefs(TRACKING.conflict)].map(
    ([name, commit]) => [name.slice(TRACKING.conflict.length), commit] as const,
  );
  return new Map(found.filter(([fingerprint]) => FINGERPRINT.test(fingerprint)));
}
