/** Every known server with its key and how far it is trusted, for people: `trust list`, `servers`, `status`, `doctor`. */
import { type FormerKey, formerKeys, presentSince } from "./former-keys.ts";
import type { Identity } from "./identity.ts";
import { findPeer, listPeers } from "./peers.ts";
import {
  findTrust,
  fingerprintOfKey,
  fitsKey,
  listTrust,
  type TrustPorts,
  type TrustRow,
  trustOf,
  trustPolicy,
} from "./trust.ts";

/**
 * How a server is trusted. `first-sight`, `listed` (in the configuration) and `added` (by hand) are; the others are
 * not: `waiting` for the operator, `other-key` than the one that was named, `revoked`, `purged`.
 */
export type TrustHow =
  | "own"
  | "first-sight"
  | "listed"
  | "added"
  | "waiting"
  | "other-key"
  | "revoked"
  | "purged";

/** One server. Instants are wall ms; null is unknown. */
export interface TrustEntry {
  readonly server: string;
  readonly how: TrustHow;
  /** The key that counts, or that its log claims where none does yet; null where only a fingerprint is known, or nothing. */
  readonly publicKey: string | null;
  readonly fingerprint: string | null;
  /** Since when it is so. */
  readonly sinceWallMs: number | null;
  /** The fingerprint that the operator named, where it is another one. */
  readonly expected: string | null;
  /** Keys that counted before, newest first. */
  readonly former: readonly (FormerKey & { readonly fingerprint: string | null })[];
  /** What the operator can type; null where nothing is to be done. */
  readonly advice: string | null;
}

/** Whether nothing of a server is taken. */
export const isRefused = ({ how }: Pick<TrustEntry, "how">): boolean =>
  how === "waiting" || how === "other-key" || how === "revoked" || how === "purged";

/** A recipient of which nothing is taken here, or nothing acted on, and what to do about that. */
export interface Untaken {
  readonly server: string;
  readonly why: "waiting" | "other-key" | "revoked" | "purged" | "forgotten";
  readonly advice: string;
}

/** Those among named recipients that were heard of and whose answers come to nothing here. */
export function untakenAmong(ports: TrustPorts, to: readonly string[]): Untaken[] {
  return to.flatMap((server): Untaken[] => {
    const peer = findPeer(ports.state, server);
    if (peer === null && findTrust(ports.state, server) === null) return [];
    const { how, advice } = trustEntryOf(ports, server);
    switch (how) {
      case "waiting":
      case "other-key":
        return [{ server, why: how, advice: advice ?? "fleetd trust list" }];
      case "revoked":
      case "purged":
        return [{ server, why: how, advice: `fleetd trust add ${server} takes it back` }];
      default:
        if (peer?.forgotten !== true) return [];
        return [{ server, why: "forgotten", advice: `fleetd servers remember ${server} takes it back` }];
    }
  });
}

/** This server first, then every other one by name. */
export function listTrusted(ports: TrustPorts & { readonly identity: Identity }): TrustEntry[] {
  const { state, identity } = ports;
  const names = new Set([
    ...listPeers(state).map(({ server }) => server),
    ...listTrust(state).map(({ server }) => server),
    ...Object.keys(trustPolicy(state).keys),
  ]);
  names.delete(identity.server);
  return [ownEntry(ports), ...[...names].toSorted().map((server) => trustEntryOf(ports, server))];
}

function ownEntry(ports: TrustPorts & { readonly identity: Identity }): TrustEntry {
  const { publicKey, server, createdWallMs } = ports.identity;
  return {
    server,
    how: "own",
    publicKey,
    fingerprint: fingerprintOfKey(publicKey, ports.cryptography),
    sinceWallMs: presentSince(ports.state, server, createdWallMs),
    expected: null,
    former: formerOf(ports, server),
    advice: null,
  };
}

/** How another server is trusted. */
export function trustEntryOf(ports: TrustPorts, server: string): TrustEntry {
  const { state, cryptography } = ports;
  const row = findTrust(state, server);
  const peer = findPeer(state, server);
  const how = howOf(ports, server, row);
  const expected = expectedOf(ports, server, row);
  const claimed = row?.held?.publicKey ?? null;
  const isClaim = peer === null || how === "other-key";
  const publicKey = isClaim
    ? (claimed ?? (expected?.startsWith("ssh-") === true ? expected : null))
    : peer.publicKey;
  const named = expected === null ? null : fingerprintOfNamed(expected, ports);
  const fingerprint = publicKey === null ? named : fingerprintOfKey(publicKey, cryptography);
  const since = how === "first-sight" || how === "listed" ? peer?.pinnedWallMs : row?.sinceWallMs;
  return {
    server,
    how,
    publicKey,
    fingerprint,
    sinceWallMs: since === undefined ? null : Math.max(since, presentSince(state, server, since)),
    expected: how === "other-key" ? named : null,
    former: formerOf(ports, server),
    advice: adviceFor(server, {
      how,
      fingerprint,
      isListed: Object.hasOwn(trustPolicy(state).keys, server),
    }),
  };
}

function howOf(ports: TrustPorts, server: string, row: TrustRow | null): TrustHow {
  const trust = trustOf(ports, server);
  if (trust.kind === "refused") return trust.why;
  if (trust.kind === "new" && trust.expected !== null && row !== null && row.heldTip !== "") {
    const isOther = row.held === null || !fitsKey(trust.expected, row.held.publicKey, ports.cryptography);
    if (isOther) return "other-key";
  }
  if (Object.hasOwn(trustPolicy(ports.state).keys, server)) return "listed";
  return row?.word === "added" ? "added" : "first-sight";
}

function expectedOf({ state }: TrustPorts, server: string, row: TrustRow | null): string | null {
  const { keys } = trustPolicy(state);
  if (Object.hasOwn(keys, server)) return keys[server] ?? null;
  return row === null || row.expected === "" ? null : row.expected;
}

const fingerprintOfNamed = (named: string, { cryptography }: TrustPorts): string | null =>
  named.startsWith("SHA256:") ? named : fingerprintOfKey(named, cryptography);

const formerOf = ({ state, cryptography }: TrustPorts, server: string): TrustEntry["former"] =>
  formerKeys(state, server)
    .toReversed()
    .map((key) => ({ ...key, fingerprint: fingerprintOfKey(key.publicKey, cryptography) }));

/** What the configuration says about a key, only the configuration can change. */
function adviceFor(
  server: string,
  known: { readonly how: TrustHow; readonly fingerprint: string | null; readonly isListed: boolean },
): string | null {
  const { how, fingerprint, isListed } = known;
  const key = fingerprint === null ? "KEY" : fingerprint;
  if (how === "waiting") return `fleetd trust add ${server} ${key}`;
  if (how === "other-key" && isListed)
    return `change trust.keys.${server} in the configuration to ${key}, if its owner says that this is its key`;
  if (how === "other-key")
    return `fleetd trust add ${server} ${key} --yes, if its owner says that this is its key`;
  return null;
}
