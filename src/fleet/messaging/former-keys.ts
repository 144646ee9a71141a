/**
 * Keys that counted before: of this server and of others. A key that handed its log over to the next one is part of the
 * log's history, and who reads the log from its start needs it; a key that the operator replaced is not.
 */
import type { Database } from "../../base/ports/database.ts";
import { loadIdentity } from "./identity.ts";
import type { Handover } from "./judge-log.ts";
import { findPeer } from "./peers.ts";

/** A key that counted until `untilWallMs`. `replaced`: by the operator here, not by a line of its log. */
export interface FormerKey {
  readonly publicKey: string;
  readonly how: "rotated" | "replaced";
  readonly sinceWallMs: number;
  readonly untilWallMs: number;
}

type Row = { public_key: string; hash: string; since_wall_ms: number; until_wall_ms: number };

/** The keys that counted for `server` before the present one, oldest first. */
export const formerKeys = (state: Database, server: string): FormerKey[] =>
  state
    .all<Row>(
      "SELECT public_key, hash, since_wall_ms, until_wall_ms FROM former_keys WHERE server = ? ORDER BY position",
      server,
    )
    .map((row) => ({
      publicKey: row.public_key,
      how: row.hash === "" ? "replaced" : "rotated",
      sinceWallMs: row.since_wall_ms,
      untilWallMs: row.until_wall_ms,
    }));

/** The key that counts now: of this server itself, or the pinned one of another; null of a server nobody pinned. */
export function presentKey(state: Database, server: string): string | null {
  const own = loadIdentity(state);
  return own?.server === server ? own.publicKey : (findPeer(state, server)?.publicKey ?? null);
}

/** The keys of the log as it is now, oldest first: each handed it over to the next, and the last one counts. */
export const keysOfLog = (state: Database, server: string): readonly string[] =>
  keysOfLogs(state, server).at(-1) ?? [];

/**
 * The keys of every log that a server had here, as `keysOfLog`: each ended when the operator replaced its last key. None
 * of a server that nobody pinned.
 */
export function keysOfLogs(state: Database, server: string): readonly (readonly string[])[] {
  const present = presentKey(state, server);
  if (present === null) return [];
  let keys: string[] = [];
  const logs = [keys];
  for (const { publicKey, how } of formerKeys(state, server)) {
    keys.push(publicKey);
    if (how === "rotated") continue;
    keys = [];
    logs.push(keys);
  }
  keys.push(present);
  return logs;
}

/** Since when (wall ms) the present key of a server counts, given when its first one did. */
export const presentSince = (state: Database, server: string, firstWallMs: number): number =>
  formerKeys(state, server).at(-1)?.untilWallMs ?? firstWallMs;

/** Remembers a key that does not count any more. `hash` empty: the operator replaced it. Inside the caller's transaction. */
export function addFormerKey(
  state: Database,
  server: string,
  key: { readonly publicKey: string; readonly hash: string; readonly firstWallMs: number },
  nowWallMs: number,
): void {
  state.run(
    `INSERT OR IGNORE INTO former_keys(server, public_key, since_wall_ms, until_wall_ms, hash)
     VALUES(?, ?, ?, ?, ?)`,
    server,
    key.publicKey,
    presentSince(state, server, key.firstWallMs),
    nowWallMs,
    key.hash,
  );
}

/**
 * Lets the key that counts for a peer follow what its log says. What is known already changes nothing: an index made
 * anew reads the same lines again. Inside the caller's transaction.
 */
export function followHandovers(
  state: Database,
  server: string,
  handovers: readonly Handover[],
  nowWallMs: number,
): void {
  for (const { previous, next, hash } of handovers) {
    const peer = findPeer(state, server);
    if (peer === null || peer.publicKey !== previous) continue;
    addFormerKey(state, server, { publicKey: previous, hash, firstWallMs: peer.pinnedWallMs }, nowWallMs);
    state.run("UPDATE peers SET public_key = ? WHERE server = ?", next, server);
  }
}
