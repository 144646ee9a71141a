/**
 * The private keys of one server as files. Usually there is one, `key`. While the own key is being changed there may be
 * two more: `key.next`, made before the change and put in the place of `key` after it, and `key.old`, which signs again
 * what may have to be built again, and is removed once the remote has confirmed the change.
 *
 * `state.db` decides which of them counts, so whatever a crash leaves of these files, `settleOwnKeys` puts them right.
 */
import { errorCodeOf, FleetError } from "../base/errors.ts";
import type { SigningKey } from "../base/ports/cryptography.ts";
import type { Database } from "../base/ports/database.ts";
import { buildQueued } from "../fleet/messaging/build-queued.ts";
import { loadIdentity } from "../fleet/messaging/identity.ts";
import {
  forgetRotation,
  isRotated,
  type PendingRotation,
  pendingRotation,
  rotateKey,
} from "../fleet/messaging/rotate-key.ts";
import { toOpenSsh } from "../fleet/messaging/ssh-signature.ts";
import { systemClock } from "../platform/clock.ts";
import { exists } from "../platform/files.ts";
import {
  createKeyFile,
  installNextKey,
  KEY_HINT,
  nextKeyPath,
  oldKeyPath,
  readKeyFile,
  removeKeyFile,
  writePublicKey,
} from "../platform/key-file.ts";
import type { ServerPaths } from "../platform/paths.ts";
import { tryLock } from "../platform/process-lock.ts";
import { keepIdentityCopy } from "./identity-copy.ts";
import type { Mailbox } from "./open-mailbox.ts";

/** Every file that may hold a private key of a server. */
export const keyFiles = (path: string): readonly string[] => [path, nextKeyPath(path), oldKeyPath(path)];

/** Reads the own private key with this public half, whichever file it is in. @throws FleetError CONFIG */
export async function readOwnKey(path: string, publicKey: string): Promise<SigningKey> {
  const first = await readKeyFile(path);
  if (toOpenSsh(first.publicKey) === publicKey) return first;
  for (const other of keyFiles(path).slice(1).filter(exists)) {
    const key = await readKeyFile(other);
    if (toOpenSsh(key.publicKey) === publicKey) return key;
  }
  throw new FleetError(
    "CONFIG",
    `Cannot use key "${path}": it is another key than the one that the fleet knows of this server`,
    { hint: KEY_HINT },
  );
}

/** What is left to be done with the files; `nothing` nearly always. */
export type KeyTask = "nothing" | "discard" | "install" | "retire";

/**
 * What the files need: a next key that never became the own one is discarded, one that did is installed, and the old
 * one goes when the change is confirmed.
 */
export async function nextKeyTask({ key }: Pick<ServerPaths, "key">, state: Database): Promise<KeyTask> {
  if (exists(nextKeyPath(key))) {
    const own = loadIdentity(state)?.publicKey;
    const next = await readKeyFile(nextKeyPath(key)).catch((thrown: unknown) => {
      // After the change it is the only copy of the own key: what cannot be read right now is not thrown away.
      if (errorCodeOf(thrown) !== "CONFIG" || pendingRotation(state)?.next === own) throw thrown;
      return null;
    });
    return next !== null && toOpenSsh(next.publicKey) === own ? "install" : "discard";
  }
  const pending = pendingRotation(state);
  return pending !== null && isRotated(state, pending) ? "retire" : "nothing";
}

/** Finishes a change of the own key as far as it can be. The caller holds the flush lock. @throws FleetError IO, CONFIG */
export async function settleOwnKeys(paths: ServerPaths, state: Database): Promise<void> {
  for (;;) {
    switch (await nextKeyTask(paths, state)) {
      case "nothing":
        return;
      case "discard":
        removeKeyFile(nextKeyPath(paths.key));
        break;
      case "install": {
        const identity = loadIdentity(state);
        if (identity !== null) keepIdentityCopy(paths.folder, identity);
        installNextKey(paths.key);
        if (identity !== null) writePublicKey(paths.key, identity.publicKey, identity.server);
        break;
      }
      case "retire":
        removeKeyFile(oldKeyPath(paths.key));
        state.transaction(() => forgetRotation(state));
    }
  }
}

/** `settleOwnKeys` where something is left to be done and nobody else is at it; asked after every push, so it is cheap. */
export async function settleKeysWhenDue({ paths, state }: Mailbox): Promise<void> {
  if (pendingRotation(state) === null && !exists(nextKeyPath(paths.key))) return;
  const lock = tryLock(paths.flushLock);
  if (lock === null) return;
  try {
    await settleOwnKeys(paths, state);
  } finally {
    lock.release();
  }
}

/** The moments at which a change of the key may be cut off, in their order. */
export type RotationStep = "made" | "changed" | "installed";

/** How often a command looks whether the process that pushes right now is done, and for how long. */
const LOOK_EVERY_MS = 20;
const LOCK_WITHIN_MS = 30_000;

/**
 * Changes the own key. What waits is built first, with the key under which it was promised. Nothing is pushed here.
 * @throws FleetError NOT_YET while the change before is under way, UNAVAILABLE while somebody pushes without end
 */
export async function changeOwnKey(
  mailbox: Mailbox,
  options: { readonly signal: AbortSignal; readonly onStep?: (step: RotationStep) => void },
): Promise<PendingRotation> {
  const { paths, state } = mailbox;
  const lock = await takeFlushLock(paths, options.signal);
  try {
    await settleOwnKeys(paths, state);
    const ports = await mailbox.sendPorts();
    await buildQueued(ports);
    const next = await createKeyFile(nextKeyPath(paths.key));
    options.onStep?.("made");
    let rotation: PendingRotation;
    try {
      rotation = await rotateKey(ports, next);
    } finally {
      // Whatever became of it, the files follow what state.db says.
      options.onStep?.("changed");
      await settleOwnKeys(paths, state);
    }
    options.onStep?.("installed");
    return rotation;
  } finally {
    lock.release();
  }
}

async function takeFlushLock(paths: ServerPaths, signal: AbortSignal) {
  const deadlineMs = systemClock.monotonicMs() + LOCK_WITHIN_MS;
  for (;;) {
    const lock = tryLock(paths.flushLock);
    if (lock !== null) return lock;
    if (systemClock.monotonicMs() >= deadlineMs) {
      throw new FleetError(
        "UNAVAILABLE",
        "Cannot change the key: another process of this server is pushing",
        {
          hint: "Try again when the remote answers",
        },
      );
    }
    await systemClock.sleep(LOOK_EVERY_MS, signal);
  }
}
