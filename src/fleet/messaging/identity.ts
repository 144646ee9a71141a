import { readStoredJson } from "../../base/errors.ts";
import type { Database } from "../../base/ports/database.ts";
import type { ObjectFormat } from "../../base/ports/git-store.ts";

/** Who this server is and where its fleet lives: fixed by `init`, kept in `state.db`. */
export interface Identity {
  readonly server: string;
  /** The fleet's id, a UUID. */
  readonly fleet: string;
  /** Where refs live on the remote: `"refs/fleet/"`, or `"refs/heads/fleet/"` where the host refuses others. */
  readonly namespace: string;
  readonly format: ObjectFormat;
  readonly remoteUrl: string;
  /** `"ssh-ed25519 <base64>"`. */
  readonly publicKey: string;
  /** Epoch of the own log, 16 hex digits. */
  readonly epoch: string;
  /** Wall clock of `init`, ms. */
  readonly createdWallMs: number;
}

/** Whether the host lets a card be replaced, or every card has to follow the one before it. */
export type CardMode = "replace" | "chain";

/** Set from `init` until the first look at the remote: what that look finds is history. */
export const JOINING = "joining";

/** One value of the settings table, or null. */
export const readSetting = (state: Database, key: string): string | null =>
  state.get<{ value: string }>("SELECT value FROM settings WHERE key = ?", key)?.value ?? null;

/** Sets one value of the settings table; the caller decides on the transaction. */
export function writeSetting(state: Database, key: string, value: string): void {
  state.run(
    "INSERT INTO settings(key, value) VALUES(?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value",
    key,
    value,
  );
}

/** The identity that `init` stored, or null before it. */
export function loadIdentity(state: Database): Identity | null {
  const json = readSetting(state, "identity");
  // Written by `saveIdentity` below into a database that only this user can write.
  return json === null ? null : (readStoredJson(json, "the identity in state.db") as Identity);
}

/**
 * The identity, whose key and epoch are asked for anew every time: another process of this server may change the key
 * while this one runs.
 */
export function liveIdentity(state: Database, identity: Identity): Identity {
  return {
    ...identity,
    get publicKey() {
      return loadIdentity(state)?.publicKey ?? identity.publicKey;
    },
    get epoch() {
      return loadIdentity(state)?.epoch ?? identity.epoch;
    },
  };
}

/** Stores the identity; inside the caller's transaction. */
export const saveIdentity = (state: Database, identity: Identity): void =>
  writeSetting(state, "identity", JSON.stringify(identity));
