/**
 * The other servers as `state.db` remembers them: the key that was pinned on first sight, how far their messages were
 * handled here, and where history ends (what was there before this server joined is readable but never handled).
 */
import type { Database } from "../../base/ports/database.ts";
import type { Cursor } from "./model.ts";

/** What must survive about one writer. `handled.seq` 0: nothing yet. */
export interface Peer {
  readonly server: string;
  /** `"ssh-ed25519 <base64>"`. */
  readonly publicKey: string;
  readonly pinnedWallMs: number;
  readonly handled: Cursor;
  readonly history: { readonly epoch: string; readonly seq: number };
  readonly cardN: number;
  readonly forgotten: boolean;
  /** Since when it is left out of broadcasts and groups, and nothing of it is acted on; null: it is not. */
  readonly forgottenWallMs: number | null;
  /** Whether its refs were deleted from here: nothing that bears its id is taken until the operator trusts it again. */
  readonly purged: boolean;
}

type PeerRow = {
  server: string;
  public_key: string;
  pinned_wall_ms: number;
  epoch: string;
  seq: number;
  hash: string;
  history_epoch: string;
  history_seq: number;
  card_n: number;
  forgotten_wall_ms: number | null;
  purged_wall_ms: number | null;
};

const toPeer = (row: PeerRow): Peer => ({
  server: row.server,
  publicKey: row.public_key,
  pinnedWallMs: row.pinned_wall_ms,
  handled: { epoch: row.epoch, seq: row.seq, hash: row.hash },
  history: { epoch: row.history_epoch, seq: row.history_seq },
  cardN: row.card_n,
  forgotten: row.forgotten_wall_ms !== null,
  forgottenWallMs: row.forgotten_wall_ms,
  purged: row.purged_wall_ms !== null,
});

/** All peers by name; this server itself is not one. */
export const listPeers = (state: Database): Peer[] =>
  state.all<PeerRow>("SELECT * FROM peers ORDER BY server").map(toPeer);

/** The servers of a group, without those that are left out; the group may bear its `@`. */
export const membersOf = (state: Database, group: string): string[] =>
  state
    .all<{ server: string }>(
      `SELECT server FROM peers WHERE forgotten_wall_ms IS NULL
       AND server NOT IN (SELECT server FROM trust WHERE verdict IN ('revoked', 'purged'))
       AND EXISTS (SELECT 1 FROM json_each(peers.groups) AS one WHERE one.value = ?) ORDER BY server`,
      group.replace(/^@/, ""),
    )
    .map(({ server }) => server);

/**
 * Recipients that nobody here has heard of: servers, and groups without a member; they may join later. A server of which
 * nothing is taken was heard of as well.
 */
export function unknownAmong(
  here: { readonly state: Database; readonly identity: { readonly server: string } },
  to: readonly string[],
): string[] {
  const isKnown = (server: string): boolean =>
    server === here.identity.server || findPeer(here.state, server) !== null || isRefused(here.state, server);
  const isReached = (one: string): boolean =>
    one.startsWith("@") ? membersOf(here.state, one).length > 0 : isKnown(one);
  return to.filter((one) => one !== "all" && !isReached(one));
}

const isRefused = (state: Database, server: string): boolean =>
  state.get(
    "SELECT 1 FROM trust WHERE server = ? AND (held_tip <> '' OR verdict IN ('revoked', 'purged'))",
    server,
  ) !== null;

/** One peer, or null while it is unknown. */
export function findPeer(state: Database, server: string): Peer | null {
  const row = state.get<PeerRow>("SELECT * FROM peers WHERE server = ?", server);
  return row === null ? null : toPeer(row);
}

/**
 * Pins the key of a server seen for the first time; an existing pin is kept, and none is made for an id whose key the
 * operator revoked, or that was purged. Inside the caller's transaction.
 */
export function pinPeer(state: Database, server: string, publicKey: string, nowWallMs: number): void {
  state.run(
    `INSERT INTO peers(server, public_key, pinned_wall_ms) SELECT ?, ?, ?
     WHERE NOT EXISTS (SELECT 1 FROM trust WHERE server = ? AND verdict IN ('revoked', 'purged'))
     ON CONFLICT(server) DO NOTHING`,
    server,
    publicKey,
    nowWallMs,
    server,
  );
}

/** Moves the handled cursor of a peer, never back within an epoch. Inside the caller's transaction. */
export function setHandled(state: Database, server: string, { epoch, seq, hash }: Cursor): void {
  state.run(
    "UPDATE peers SET epoch = ?, seq = ?, hash = ? WHERE server = ? AND NOT (epoch = ? AND seq > ?)",
    epoch,
    seq,
    hash,
    server,
    epoch,
    seq,
  );
}

/** Declares everything of a peer up to `cursor` history: handled without ever being answered. */
export function setHistory(state: Database, server: string, cursor: Cursor): void {
  const { epoch, seq, hash } = cursor;
  // Where history ends the operator decides, also further back.
  state.run("UPDATE peers SET epoch = ?, seq = ?, hash = ? WHERE server = ?", epoch, seq, hash, server);
  state.run(
    "UPDATE peers SET history_epoch = ?, history_seq = ? WHERE server = ?",
    cursor.epoch,
    cursor.seq,
    server,
  );
}

/** Remembers the number of the last card taken, so that an older card is never taken again. */
export function setCardNumber(state: Database, server: string, n: number): void {
  state.run("UPDATE peers SET card_n = ? WHERE server = ? AND card_n < ?", n, server, n);
}

/** How far back it is remembered when a server read the own log, in entries. Chosen: rows of some bytes each. */
const PASSED_ENTRIES_MAX = 5000;

/** Remembers when a server first said, by its own clock, that it had read so far. Inside the caller's transaction. */
export function notePassed(state: Database, server: string, passed: Cursor, at: string): void {
  const { epoch, seq } = passed;
  state.run(
    "INSERT OR IGNORE INTO passed(server, epoch, seq, at) VALUES(?, ?, ?, ?)",
    server,
    epoch,
    seq,
    at,
  );
  state.run(
    "DELETE FROM passed WHERE server = ? AND epoch = ? AND seq < ?",
    server,
    epoch,
    seq - PASSED_ENTRIES_MAX,
  );
}

/** When a server first said that it had read this entry of the own log, or null where that is not remembered. */
export function passedAt(
  state: Database,
  server: string,
  entry: { readonly epoch: string; readonly seq: number },
): string | null {
  const sql = "SELECT at FROM passed WHERE server = ? AND epoch = ? AND seq >= ? ORDER BY seq LIMIT 1";
  return state.get<{ at: string }>(sql, server, entry.epoch, entry.seq)?.at ?? null;
}

/** Remembers of which groups a server's card says that it is in them. Inside the caller's transaction. */
export function setGroups(state: Database, server: string, groups: readonly string[]): void {
  const json = JSON.stringify(groups);
  state.run("UPDATE peers SET groups = ? WHERE server = ? AND groups <> ?", json, server, json);
}

/** Leaves a server out of broadcasts and groups (or takes it back in). False when it is unknown. */
export function setForgotten(state: Database, server: string, nowWallMs: number | null): boolean {
  return state.run("UPDATE peers SET forgotten_wall_ms = ? WHERE server = ?", nowWallMs, server) === 1;
}

/** Remembers that the refs of a forgotten server were deleted; its key stays pinned. Inside the caller's transaction. */
export const setPurged = (state: Database, server: string, nowWallMs: number): void =>
  void state.run("UPDATE peers SET purged_wall_ms = ? WHERE server = ?", nowWallMs, server);

/**
 * Takes a forgotten or purged server back: what it says from `from` on is acted on again, what it said before is history.
 * Inside the caller's transaction. False when it is unknown.
 */
export function readmitPeer(state: Database, server: string, from: Cursor | null): boolean {
  if (from !== null) setHistory(state, server, from);
  const sql = "UPDATE peers SET forgotten_wall_ms = NULL, purged_wall_ms = NULL WHERE server = ?";
  return state.run(sql, server) === 1;
}
