/**
 * Whose key counts here. The one rule is `trustOf`: everything that reads a log or a card, pins a key or acts on a
 * message asks it, so that no path takes what another one refuses.
 *
 * What the operator wants stands in `state.db`: the configuration as it is in force (one process of this server decides,
 * the others ask), and a row per server that something was said about, or that was seen and is not trusted.
 */
import type { Cryptography } from "../../base/ports/cryptography.ts";
import type { Database } from "../../base/ports/database.ts";
import type { Chain } from "./accept-batch.ts";
import { keysOfLog } from "./former-keys.ts";
import { readSetting, writeSetting } from "./identity.ts";
import { findPeer } from "./peers.ts";
import { fingerprintOf, fromOpenSsh } from "./ssh-signature.ts";

/** How strangers are met, and the keys that the configuration lists by server. */
export interface TrustPolicy {
  /** `first-sight`: the first key that is seen counts. `pinned`: only what the operator listed or added. */
  readonly mode: "first-sight" | "pinned";
  readonly keys: Readonly<Record<string, string>>;
}

const FIRST_SIGHT: TrustPolicy = { mode: "first-sight", keys: {} };
const POLICY = "trust";

/** The policy in force. */
export function trustPolicy(state: Database): TrustPolicy {
  const json = readSetting(state, POLICY);
  // Written by `setTrustPolicy`.
  return json === null ? FIRST_SIGHT : (JSON.parse(json) as TrustPolicy);
}

/** Puts a policy in force; true when it is another one than before. */
export function setTrustPolicy(state: Database, { mode, keys }: TrustPolicy): boolean {
  const json = JSON.stringify({ mode, keys: Object.fromEntries(Object.entries(keys).sort()) });
  if (json === (readSetting(state, POLICY) ?? JSON.stringify(FIRST_SIGHT))) return false;
  state.transaction(() => writeSetting(state, POLICY, json));
  return true;
}

/**
 * As `setTrustPolicy`, for a command: it may have been started with another configuration than the monitor, so it only
 * makes the policy in force stricter.
 */
export function tightenTrustPolicy(state: Database, policy: TrustPolicy): void {
  const inForce = trustPolicy(state);
  const keepsKeys = Object.entries(inForce.keys).every(([server, key]) => policy.keys[server] === key);
  if (policy.mode === "pinned" || (inForce.mode === "first-sight" && keepsKeys))
    setTrustPolicy(state, policy);
}

/** What the operator said about one server; empty where it was only seen. */
export type TrustWord = "" | "added" | "revoked" | "purged";

/** What is remembered about a server beside its pin. */
export interface TrustRow {
  readonly server: string;
  readonly word: TrustWord;
  readonly sinceWallMs: number;
  /** The key (`"ssh-ed25519 …"`) or fingerprint (`"SHA256:…"`) that was given with `added`; empty for none. */
  readonly expected: string;
  /** The commit up to which its log was seen while it was not trusted; empty when nothing waits. */
  readonly heldTip: string;
  /** Where its log stood there; null when nothing in it fits together. */
  readonly held: Chain | null;
}

type Row = {
  server: string;
  verdict: string;
  since_wall_ms: number;
  expected: string;
  held_tip: string;
  held: string;
};

const toRow = (row: Row): TrustRow => ({
  server: row.server,
  word: row.verdict as TrustWord,
  sinceWallMs: row.since_wall_ms,
  expected: row.expected,
  heldTip: row.held_tip,
  // Written by `noteHeld`.
  held: row.held === "" ? null : (JSON.parse(row.held) as Chain),
});

/** Everything that is remembered, by server. */
export const listTrust = (state: Database): TrustRow[] =>
  state.all<Row>("SELECT * FROM trust ORDER BY server").map(toRow);

/** What is remembered about one server, or null. */
export function findTrust(state: Database, server: string): TrustRow | null {
  const row = state.get<Row>("SELECT * FROM trust WHERE server = ?", server);
  return row === null ? null : toRow(row);
}

/** Why nothing of a server is taken. `other-key`: its log is not of the key that the operator named. */
export type Refusal = "revoked" | "purged" | "waiting" | "other-key";

/**
 * What counts for a server. `accepted`: what this key signs. `new`: nothing is pinned yet; the first key that is seen
 * will be, or only the `expected` key or fingerprint.
 */
export type Trust =
  | { readonly kind: "accepted"; readonly publicKey: string }
  | { readonly kind: "new"; readonly expected: string | null }
  | { readonly kind: "refused"; readonly why: Refusal; readonly expected: string | null };

/** What `trustOf` needs. */
export interface TrustPorts {
  readonly state: Database;
  readonly cryptography: Cryptography;
}

/** Decides what counts for another server. */
export function trustOf({ state, cryptography }: TrustPorts, server: string): Trust {
  const row = findTrust(state, server);
  if (row?.word === "revoked" || row?.word === "purged") {
    return { kind: "refused", why: row.word, expected: null };
  }
  const policy = trustPolicy(state);
  const listed = Object.hasOwn(policy.keys, server) ? (policy.keys[server] ?? null) : null;
  const peer = findPeer(state, server);
  const isAdded = row?.word === "added";
  if (listed !== null) {
    if (peer === null) return { kind: "new", expected: listed };
    const isKnown = keysOfLog(state, server).some((key) => fitsKey(listed, key, cryptography));
    return isKnown
      ? { kind: "accepted", publicKey: peer.publicKey }
      : { kind: "refused", why: "other-key", expected: listed };
  }
  if (policy.mode === "pinned" && !isAdded) return { kind: "refused", why: "waiting", expected: null };
  if (peer !== null) return { kind: "accepted", publicKey: peer.publicKey };
  return { kind: "new", expected: isAdded && row.expected !== "" ? row.expected : null };
}

/** Whether what an operator named, a key or a fingerprint, is this public key. */
export function fitsKey(named: string, publicKey: string, cryptography: Cryptography): boolean {
  const wanted = named.trim().startsWith("SHA256:") ? named.trim() : fingerprintOfKey(named, cryptography);
  return wanted !== null && wanted === fingerprintOfKey(publicKey, cryptography);
}

/** `"SHA256:…"` of a key in OpenSSH form, or null where it is none. */
export function fingerprintOfKey(publicKey: string, cryptography: Cryptography): string | null {
  const raw = fromOpenSsh(publicKey);
  return raw === null ? null : fingerprintOf(raw, cryptography);
}

/** Notes what the operator says about a server from now on. Inside the caller's transaction. */
export function noteTrust(
  state: Database,
  server: string,
  say: { readonly word: TrustWord; readonly expected?: string },
  nowWallMs: number,
): void {
  state.run(
    `INSERT INTO trust(server, verdict, since_wall_ms, expected) VALUES(?, ?, ?, ?) ON CONFLICT(server)
     DO UPDATE SET verdict = excluded.verdict, since_wall_ms = excluded.since_wall_ms, expected = excluded.expected`,
    server,
    say.word,
    nowWallMs,
    say.expected ?? "",
  );
}

/** Notes how far the log of a server was seen while it is not trusted. Inside the caller's transaction. */
export function noteHeld(
  state: Database,
  server: string,
  held: { readonly tip: string; readonly chain: Chain | null },
  nowWallMs: number,
): void {
  state.run(
    `INSERT INTO trust(server, since_wall_ms, held_tip, held) VALUES(?, ?, ?, ?)
     ON CONFLICT(server) DO UPDATE SET held_tip = excluded.held_tip, held = excluded.held`,
    server,
    nowWallMs,
    held.tip,
    held.chain === null ? "" : JSON.stringify(held.chain),
  );
}

/** Nothing of a server waits any more: what was there before it was trusted is history. Inside the caller's transaction. */
export function clearHeld(state: Database, server: string): void {
  state.run("UPDATE trust SET held_tip = '', held = '' WHERE server = ?", server);
  state.run("DELETE FROM trust WHERE server = ? AND verdict = ''", server);
}

/** Rows of servers whose log was seen and is not read yet, or not to be read. */
export const listHeld = (state: Database): TrustRow[] =>
  state.all<Row>("SELECT * FROM trust WHERE held_tip <> '' ORDER BY server").map(toRow);

/** Tells of which servers `trustOf` has to be asked: where nobody said anything, the first key that is seen counts. */
export function openQuestions(state: Database): (server: string) => boolean {
  const { mode, keys } = trustPolicy(state);
  const rows = new Set(listTrust(state).map((row) => row.server));
  return (server) => mode === "pinned" || rows.has(server) || Object.hasOwn(keys, server);
}
