/** What the operator says about the key of another server: decided here, and written in one transaction each. */
import type { Database } from "../../base/ports/database.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import type { Chain } from "./accept-batch.ts";
import { addFormerKey } from "./former-keys.ts";
import { keepFormer } from "./former-logs.ts";
import { currentProgress, traceLog } from "./hold-back.ts";
import { clearAlarm } from "./index-troubles.ts";
import { type ReceivePorts, TRACKING } from "./mailbox-ports.ts";
import { findPeer, readmitPeer, setForgotten, setPurged } from "./peers.ts";
import { findTrust, fingerprintOfKey, fitsKey, noteHeld, noteTrust, trustOf, trustPolicy } from "./trust.ts";

/** What a server's log shows on the remote, as far as it was fetched: its key, and every key it had. */
export interface ShownKey {
  readonly tip: string;
  readonly chain: Chain | null;
  readonly keys: readonly string[];
}

/** Walks the log of a server as it was fetched last; null where there is none. */
export async function shownKey(ports: ReceivePorts, server: string): Promise<ShownKey | null> {
  const tip = ports.store.readRefs(TRACKING.log).get(TRACKING.log + server);
  return tip === undefined ? null : { tip, ...(await traceLog(ports, { server, tip })) };
}

/** What `trust add` comes to. Keys are `"ssh-ed25519 …"`; `key` may be a fingerprint where a server was never seen. */
export type AddPlan =
  /** The key counts already, or will as soon as it is seen; what stood against it is taken back. */
  | { readonly kind: "confirm" | "expect"; readonly key: string }
  /** Another key counts until now. */
  | { readonly kind: "replace"; readonly key: string; readonly previous: string };

/** Decides what it means to trust `named` (null: whatever is shown) as the key of `server`. */
export function planAdd(
  ports: ReceivePorts,
  server: string,
  wanted: { readonly named: string | null; readonly shown: ShownKey | null },
): Result<AddPlan> {
  const { named, shown } = wanted;
  const { state } = ports;
  const seen = shown?.chain?.publicKey ?? null;
  const conflict = conflictOf(ports, server, { named, seen });
  if (conflict !== null) return fail(conflict);
  const pinned = findPeer(state, server)?.publicKey ?? null;
  const key = seen ?? (named !== null && isWhole(named) ? named : null);
  if (pinned === null) {
    const expected = key ?? named;
    if (expected !== null) return ok({ kind: "expect", key: expected });
    return fail("no key of it was ever seen, need its key or fingerprint");
  }
  if (key === null) return planUnseen(ports, pinned, named);
  // A log that was not read lately may have come to its present key from the pinned one by itself.
  const isSame = key === pinned || (key === seen && shown?.keys.includes(pinned) === true);
  return ok(isSame ? { kind: "confirm", key } : { kind: "replace", key, previous: pinned });
}

function planUnseen(ports: ReceivePorts, pinned: string, named: string | null): Result<AddPlan> {
  if (named === null || fitsKey(named, pinned, ports.cryptography))
    return ok({ kind: "confirm", key: pinned });
  return fail(`its key is ${printOf(ports, pinned)} until now, need the whole new key`);
}

const isWhole = (named: string): boolean => !named.startsWith("SHA256:");

/** What speaks against a key that was named: the remote or the configuration says another one. */
function conflictOf(
  ports: ReceivePorts,
  server: string,
  { named, seen }: { readonly named: string | null; readonly seen: string | null },
): string | null {
  const { state, cryptography } = ports;
  if (named !== null && seen !== null && !fitsKey(named, seen, cryptography)) {
    return `the remote shows ${printOf(ports, seen)} for it, and ${printOf(ports, named)} was given`;
  }
  const { keys } = trustPolicy(state);
  const listed = Object.hasOwn(keys, server) ? keys[server] : undefined;
  const key = seen ?? named;
  if (listed === undefined || key === null || key === listed || isSameNamed(listed, key, ports)) return null;
  return `the configuration lists ${printOf(ports, listed)} for it; change trust.keys.${server} there`;
}

/** A key as people compare it; a fingerprint is one already. */
const printOf = ({ cryptography }: ReceivePorts, key: string): string =>
  fingerprintOfKey(key, cryptography) ?? key;

const isSameNamed = (one: string, other: string, ports: ReceivePorts): boolean =>
  printOf(ports, one) === printOf(ports, other);

/** Writes what was planned. What the log holds up to now is history; reading it is left to the next look. */
export function applyAdd(
  ports: ReceivePorts,
  server: string,
  { plan, shown }: { readonly plan: AddPlan; readonly shown: ShownKey | null },
): void {
  const { state, index, clock } = ports;
  const nowWallMs = clock.wallMs();
  const isReplaced = plan.kind === "replace";
  if (isReplaced) setKeptAside(ports, server);
  const peer = findPeer(state, server);
  const isPurged = peer?.purged === true;
  state.transaction(() => {
    const wasRefused = trustOf(ports, server).kind === "refused";
    const isHeld = (findTrust(state, server)?.heldTip ?? "") !== "";
    noteTrust(state, server, { word: "added", expected: plan.key }, nowWallMs);
    // Of a server that was left out nothing was acted on, and nothing of that time is now.
    if (peer?.forgotten === true) readmitPeer(state, server, currentProgress(ports, server));
    if (isReplaced) replacePin(ports, server, plan, nowWallMs);
    if ((isReplaced || isPurged) && shown !== null) noteHeld(state, server, shown, nowWallMs);
    if (!isReplaced && !isPurged && wasRefused && !isHeld) holdProgress(ports, server, nowWallMs);
  });
  if (isPurged) index.transaction(() => clearAlarm(index, server, "returned"));
  if (!isReplaced) return;
  index.transaction(() => {
    for (const kind of ["rewritten", "hidden"]) clearAlarm(index, server, kind);
    index.run("DELETE FROM quarantine WHERE server = ?", server);
  });
}

function replacePin(
  { state }: ReceivePorts,
  server: string,
  { key, previous }: { readonly key: string; readonly previous: string },
  nowWallMs: number,
): void {
  const firstWallMs = findPeer(state, server)?.pinnedWallMs ?? nowWallMs;
  addFormerKey(state, server, { publicKey: previous, hash: "", firstWallMs }, nowWallMs);
  // The numbers of cards begin anew with the server; how far its messages were handled stays true of the old log.
  state.run(
    "UPDATE peers SET public_key = ?, pinned_wall_ms = ?, card_n = 0 WHERE server = ?",
    key,
    nowWallMs,
    server,
  );
}

/** What was accepted and not acted on while a server was not trusted is history like the rest. */
function holdProgress(ports: ReceivePorts, server: string, nowWallMs: number): void {
  const progress = currentProgress(ports, server);
  const publicKey = findPeer(ports.state, server)?.publicKey;
  if (progress === null || publicKey === undefined) return;
  const { tip, epoch, seq, hash } = progress;
  noteHeld(ports.state, server, { tip, chain: { publicKey, epoch, seq, hash } }, nowWallMs);
}

/** The log that was accepted until now stays in the store, and out of the way of the new one. */
function setKeptAside({ store }: ReceivePorts, server: string): void {
  const name = TRACKING.kept + server;
  const tip = store.readRefs(TRACKING.kept).get(name);
  if (tip === undefined) return;
  keepFormer(store, server, tip);
  store.writeRef(name, null);
}

/** Whether anything is known of a server: else taking its trust away is a typing error. */
export function isKnownHere(ports: ReceivePorts, server: string): boolean {
  const { state, store } = ports;
  return (
    findPeer(state, server) !== null ||
    findTrust(state, server) !== null ||
    Object.hasOwn(trustPolicy(state).keys, server) ||
    store.readRefs(TRACKING.log).has(TRACKING.log + server)
  );
}

/**
 * Nothing that bears the id of a server whose refs were deleted is taken from now on, until it is trusted again. Its key
 * stays pinned, and what it sent stays readable. Inside the caller's transaction.
 */
export function purgeTrust(state: Database, server: string, nowWallMs: number): void {
  setForgotten(state, server, nowWallMs);
  setPurged(state, server, nowWallMs);
  noteTrust(state, server, { word: "purged" }, nowWallMs);
}

/** From now on nothing of a server is accepted, and what of it waits for a handler is put aside. */
export function revokeTrust(ports: ReceivePorts, server: string): void {
  const { state, clock } = ports;
  const nowWallMs = clock.wallMs();
  state.transaction(() => {
    noteTrust(state, server, { word: "revoked" }, nowWallMs);
    state.run(
      `UPDATE runs SET state = 'parked', reason = 'its sender is not trusted any more', ended_wall_ms = ?
       WHERE message_from = ? AND state = 'queued'`,
      nowWallMs,
      server,
    );
  });
}
