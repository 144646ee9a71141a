/**
 * Wiring of one server's mailbox: its files, databases, object store, key and remote. The daemon opens it once, a
 * command without a daemon opens just what it needs, so every part is opened at its first use.
 */
import { FleetError } from "../base/errors.ts";
import type { SigningKey } from "../base/ports/cryptography.ts";
import type { Database } from "../base/ports/database.ts";
import type { GitRemote } from "../base/ports/git-remote.ts";
import type { GitStore } from "../base/ports/git-store.ts";
import type { NetworkCheck } from "../base/ports/network-check.ts";
import { type Identity, liveIdentity, loadIdentity } from "../fleet/messaging/identity.ts";
import type { ReceivePorts, SendPorts } from "../fleet/messaging/mailbox-ports.ts";
import { prepareIndex, prepareState } from "../fleet/messaging/mailbox-tables.ts";
import { ownGroups } from "../fleet/messaging/own-groups.ts";
import { requireWholeState } from "../platform/check-database.ts";
import { systemClock } from "../platform/clock.ts";
import { systemCryptography } from "../platform/cryptography.ts";
import { systemGitEnvironment } from "../platform/git/git-environment.ts";
import { openGitRemote } from "../platform/git/git-remote.ts";
import { openGitStore } from "../platform/git/local-git-store.ts";
import { openNetworkCheck } from "../platform/network-check.ts";
import type { ServerPaths } from "../platform/paths.ts";
import { attachedName, openDatabase } from "../platform/sqlite-database.ts";
import { readOwnKey } from "./own-keys.ts";
import { RenewableIndex } from "./renewable-index.ts";

/** An opened server. `close` ends its helper processes and databases. */
export interface Mailbox {
  readonly paths: ServerPaths;
  readonly identity: Identity;
  readonly state: Database;
  /** The index, with the state database attached as `mine`. */
  index(): RenewableIndex;
  store(): GitStore;
  remote(): GitRemote;
  /** The way to that remote, looked at without git. */
  networkCheck(): NetworkCheck;
  sendPorts(): Promise<SendPorts>;
  receivePorts(): ReceivePorts;
  /** Ends what reads the store; the next question to it starts anew. To be called when its files were replaced. */
  closeStore(): Promise<void>;
  close(): Promise<void>;
}

/** Opens the server whose files are at `paths`. @throws FleetError CONFIG when nothing was made there yet */
export function openMailbox(paths: ServerPaths): Mailbox {
  const state = openState(paths, false);
  const stored = loadIdentity(state);
  if (stored === null) {
    state.close();
    throw new FleetError("CONFIG", `Cannot use "${paths.folder}": its "fleetd init" did not finish`, {
      hint: `Remove the folder and run "fleetd init" again`,
    });
  }
  const identity = liveIdentity(state, stored);
  const index = lazy(() => openIndex(paths));
  const store = lazy(() => openGitStore(paths.store, identity.format));
  const source = lazy(() => ({
    url: identity.remoteUrl,
    storeFolder: paths.store,
    environment: systemGitEnvironment(),
  }));
  const remote = lazy(() => openGitRemote(source.get()));
  const keys = new Map<string, Promise<SigningKey>>();
  const keyOf = (publicKey: string): Promise<SigningKey> => {
    const known = keys.get(publicKey) ?? readOwnKey(paths.key, publicKey);
    keys.set(publicKey, known);
    // One that is missing may be put back while a daemon runs.
    known.catch(() => keys.delete(publicKey));
    return known;
  };
  const shared = { identity, state, clock: systemClock, cryptography: systemCryptography };
  return {
    paths,
    identity,
    state,
    index: index.get,
    store: store.get,
    remote: remote.get,
    networkCheck: () => openNetworkCheck(source.get()),
    async sendPorts() {
      const key = await keyOf(identity.publicKey);
      return { ...shared, store: store.get(), remote: remote.get(), key, keyOf };
    },
    receivePorts: () => ({
      ...shared,
      index: index.get(),
      store: store.get(),
      remote: remote.get(),
      // Asked anew by each look, since a reload may change it while this object is in use.
      get groups() {
        return ownGroups(state);
      },
    }),
    closeStore: async () => await store.opened()?.close(),
    async close() {
      await store.opened()?.close();
      index.opened()?.close();
      state.close();
    },
  };
}

/**
 * Opens `state.db`, making it when asked.
 * @throws FleetError IO, also for a file that was emptied: its tables would be made anew as if nothing had been promised
 */
export function openState(paths: ServerPaths, create: boolean): Database {
  if (!create) requireWholeState(paths.state);
  const state = openDatabase(paths.state, { create, durability: "full" });
  prepareState(state);
  return state;
}

/** Opens `index.db`, making it where it is missing or damaged: it can always be made again. @throws FleetError IO */
export const openIndex = (paths: ServerPaths): RenewableIndex =>
  new RenewableIndex(paths, () => openIndexFile(paths));

function openIndexFile(paths: ServerPaths): Database {
  const index = openDatabase(paths.index, { create: true, durability: "process", replaceable: true });
  prepareIndex(index);
  index.run("ATTACH DATABASE ? AS mine", attachedName(paths.state));
  return index;
}

function lazy<T>(open: () => T): { get: () => T; opened: () => T | null } {
  let value: { readonly it: T } | null = null;
  return {
    get() {
      value ??= { it: open() };
      return value.it;
    },
    opened: () => value?.it ?? null,
  };
}
