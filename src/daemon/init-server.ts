/**
 * Making a server: key, store, state, its place in the fleet.
 *
 * Everything is made in a folder of its own beside the final one and moved there in one step *before* the first push,
 * so that a killed `init` leaves either nothing or a server that can go on, and never a name on the remote whose key
 * is lost.
 */

import { renameSync } from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { FleetError } from "../base/errors.ts";
import type { GitRemote } from "../base/ports/git-remote.ts";
import { type FlushOutcome, flushOutbox } from "../fleet/messaging/flush-outbox.ts";
import { loadIdentity } from "../fleet/messaging/identity.ts";
import { type JoinReport, joinFleet, toRemoteError } from "../fleet/messaging/join-fleet.ts";
import { noteLook } from "../fleet/messaging/last-look.ts";
import { setOwnGroups } from "../fleet/messaging/own-groups.ts";
import { receiveMessages } from "../fleet/messaging/receive-messages.ts";
import { toOpenSsh } from "../fleet/messaging/ssh-signature.ts";
import { setTrustPolicy } from "../fleet/messaging/trust.ts";
import type { ServerSettings } from "../fleet/settings/model.ts";
import { systemClock } from "../platform/clock.ts";
import { systemCryptography } from "../platform/cryptography.ts";
import { exists, makePrivateFolder, removeTree } from "../platform/files.ts";
import { createEmbeddedRemote } from "../platform/git/bare-repository.ts";
import { systemGitEnvironment } from "../platform/git/git-environment.ts";
import { openGitRemote } from "../platform/git/git-remote.ts";
import { createGitStore } from "../platform/git/local-git-store.ts";
import { probeGit } from "../platform/git/probe-git.ts";
import { createKeyFile, writePublicKey } from "../platform/key-file.ts";
import { embeddedRemotePath, type ServerPaths, serverFolders, serverPaths } from "../platform/paths.ts";
import { tryLock } from "../platform/process-lock.ts";
import { syncFolder } from "../platform/sync.ts";
import { keepIdentityCopy } from "./identity-copy.ts";
import { findLeftovers } from "./leftovers.ts";
import { openMailbox, openState } from "./open-mailbox.ts";
import { serverFacts } from "./server-facts.ts";

/** A remote is asked a few times during `init`; each question may take this long. */
const REMOTE_TIMEOUT_MS = 30_000;

/** What to make. `remote` null: an embedded one on this machine. */
export interface InitRequest {
  readonly root: string;
  readonly server: string;
  readonly remote: string | null;
  readonly version: string;
  /** What its card says of it. */
  readonly settings: Pick<ServerSettings, "groups" | "labels" | "queue" | "retry" | "trust">;
  readonly signal: AbortSignal;
}

/** What was made. `waiting`: the reason why the first push has not arrived yet. */
export interface InitReport extends JoinReport {
  readonly paths: ServerPaths;
  readonly embedded: boolean;
  readonly displayUrl: string;
  readonly waiting: string | null;
  readonly serversFound: number;
}

/**
 * Makes the server and pushes its key and card.
 * @throws FleetError UNAVAILABLE, NOT_AUTHORISED, BAD_INPUT, CANNOT_CREATE; nothing is left behind then
 */
export async function initServer(request: InitRequest): Promise<InitReport> {
  const gitVersion = await probeGit(systemGitEnvironment());
  const paths = serverPaths(request.root, request.server);
  makePrivateFolder(request.root);
  for (const path of findLeftovers(request.root)) removeTree(path);
  const staging = serverPaths(request.root, `.new-${request.server}-${process.pid}`);
  try {
    const url =
      request.remote === null ? ensureEmbeddedRemote(request.root, gitVersion) : toRemoteUrl(request.remote);
    makePrivateFolder(staging.folder);
    const joined = await stage(request, staging, url);
    moveInPlace(staging, paths);
    return { ...joined, ...(await announce(paths, request)), paths, embedded: request.remote === null };
  } finally {
    removeTree(staging.folder);
  }
}

/** A path is made absolute, since a daemon starts elsewhere; anything else is git's to understand. */
export function toRemoteUrl(remote: string): string {
  const isUrl = /^[a-z][a-z0-9+.-]*:\/\//i.test(remote);
  const isScp = /^[^/\\]+:/.test(remote) && !/^[a-z]:[\\/]/i.test(remote);
  return isUrl || isScp || isAbsolute(remote) ? remote : resolve(remote);
}

function ensureEmbeddedRemote(root: string, gitVersion: string): string {
  const folder = embeddedRemotePath(root);
  const lock = tryLock(`${folder}.lock`);
  if (lock === null)
    throw new FleetError("UNAVAILABLE", `Cannot make "${folder}": another init is making it`);
  try {
    if (exists(join(folder, "HEAD"))) return folder;
    requireNobodyUses(root, folder);
    createEmbeddedRemote(folder, "sha1", gitVersion);
    return folder;
  } finally {
    lock.release();
  }
}

/** A remote that is missing while servers here share it was moved away: a new one would be another fleet in its place. */
function requireNobodyUses(root: string, folder: string): void {
  const users = serverFolders(root).filter((server) => {
    const state = openState(serverPaths(root, server), false);
    try {
      return loadIdentity(state)?.remoteUrl === folder;
    } finally {
      state.close();
    }
  });
  if (users.length === 0) return;
  throw new FleetError(
    "CANNOT_CREATE",
    `Cannot create "${folder}": it is missing, and ${users.map((server) => `"${server}"`).join(", ")} share a fleet in it`,
    { hint: "Put it back, or name another remote with --remote URL" },
  );
}

async function stage(
  request: InitRequest,
  staging: ServerPaths,
  url: string,
): Promise<JoinReport & { displayUrl: string }> {
  const options = { timeoutMs: REMOTE_TIMEOUT_MS, signal: request.signal };
  const remote = openGitRemote({ url, storeFolder: staging.store, environment: systemGitEnvironment() });
  const store = await createMatchingStore(staging, remote, options);
  const key = await createKeyFile(staging.key);
  writePublicKey(staging.key, toOpenSsh(key.publicKey), request.server);
  const state = openState(staging, true);
  try {
    const ports = { state, store, remote, key, clock: systemClock, cryptography: systemCryptography };
    const joined = await joinFleet(ports, { server: request.server, remoteUrl: url }, options);
    keepIdentityCopy(staging.folder, joined.identity);
    return { ...joined, displayUrl: remote.displayUrl };
  } finally {
    await store.close();
    state.close();
  }
}

async function createMatchingStore(
  staging: ServerPaths,
  remote: GitRemote,
  options: { timeoutMs: number; signal: AbortSignal },
) {
  const store = createGitStore(staging.store, "sha1");
  const listed = await remote.listRefs(["refs/fleet/", "refs/heads/"], options);
  const needed = listed.ok
    ? (listed.value.format ?? "sha1")
    : listed.error.kind === "format-mismatch"
      ? "sha256"
      : null;
  if (needed === "sha1") return store;
  await store.close();
  if (needed === null && !listed.ok) throw toRemoteError("read", remote, listed.error);
  removeTree(staging.store);
  return createGitStore(staging.store, "sha256");
}

function moveInPlace(staging: ServerPaths, paths: ServerPaths): void {
  if (exists(paths.folder)) {
    throw new FleetError("CANNOT_CREATE", `Cannot create "${paths.folder}": there is a folder already`);
  }
  renameSync(staging.folder, paths.folder);
  syncFolder(dirname(paths.folder));
}

function whyNotPushed(outcome: FlushOutcome): string | null {
  if (outcome.status === "pushed") return null;
  return outcome.status === "waiting" ? outcome.failure.detail : outcome.reason;
}

async function announce(
  paths: ServerPaths,
  request: InitRequest,
): Promise<Pick<InitReport, "waiting" | "serversFound">> {
  const mailbox = openMailbox(paths);
  try {
    const options = { timeoutMs: REMOTE_TIMEOUT_MS, signal: request.signal };
    setOwnGroups(mailbox.state, request.settings.groups);
    setTrustPolicy(mailbox.state, request.settings.trust);
    const receivePorts = mailbox.receivePorts();
    const received = await receiveMessages(receivePorts, options);
    const serversFound = receivePorts.store.readRefs("refs/fleet/log/").size;
    if (!received.ok) return { waiting: received.error.detail, serversFound };
    noteLook(mailbox.state, systemClock.wallMs());
    const facts = serverFacts(request.version, request.settings, null);
    const outcome = await flushOutbox(await mailbox.sendPorts(), facts, {
      ...options,
      card: true,
      rules: request.settings,
    });
    return { waiting: whyNotPushed(outcome), serversFound };
  } finally {
    await mailbox.close();
  }
}
