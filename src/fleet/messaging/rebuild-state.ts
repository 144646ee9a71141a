/**
 * What a state that was lost in part is made of again: the own log as the remote holds it says what was sent, answered,
 * handled and read; the own card says how far others were looked at; everything else that is there and of which nothing
 * certain is known counts as history, which is readable and never answered.
 */
import { toInstant } from "../../base/instant.ts";
import type { Database } from "../../base/ports/database.ts";
import { adoptLog, remember } from "./adopt-log.ts";
import { type Card, forgottenBy, parseCard } from "./card.ts";
import { addFormerKey } from "./former-keys.ts";
import { type ReceivePorts, type SendPorts, TRACKING } from "./mailbox-ports.ts";
import { listProgress } from "./message-index.ts";
import { type Cursor, FORMAT } from "./model.ts";
import { enqueueFirst, loadHead } from "./outbox.ts";
import { type OwnBatch, walkFromStart } from "./own-walk.ts";
import { listPeers, setHandled, setHistory } from "./peers.ts";
import { loadCardState, saveCardState } from "./publish-card.ts";
import { readCard } from "./receive-cards.ts";
import { ownBatchState } from "./take-back.ts";

/** The own log as the store has it from the remote, and the own card. */
export interface OwnPast {
  readonly tip: string | null;
  readonly batches: readonly OwnBatch[];
  readonly card: { readonly commit: string; readonly card: Card } | null;
}

/** Reads what the remote holds of this server. The store has to have been fetched. */
export async function readOwnPast(ports: ReceivePorts): Promise<OwnPast> {
  const { identity, store } = ports;
  const tip = store.readRefs(TRACKING.log).get(TRACKING.log + identity.server) ?? null;
  const commits = tip === null ? [] : await store.listCommits(tip, null, Number.MAX_SAFE_INTEGER);
  const ids = commits.map((commit) => commit.id);
  const { kept } = await walkFromStart(ports, ids, "all");
  return { tip, batches: kept, card: await readOwnCard(ports) };
}

async function readOwnCard({ identity, store }: ReceivePorts): Promise<OwnPast["card"]> {
  const commit = store.readRefs(TRACKING.state).get(TRACKING.state + identity.server);
  if (commit === undefined) return null;
  const { json } = await readCard(store, commit);
  const card = json === null ? null : parseCard(json, identity.server);
  return card?.ok === true ? { commit, card: card.value } : null;
}

/** What of the outbox the salvaged rows and the own log come to. */
export interface Reconciled {
  /** Entries that the remote has and the state did not. */
  readonly adopted: number;
  /** Whether the log goes on in a new epoch, since nobody can say for sure how it ended. */
  readonly newEpoch: boolean;
}

/**
 * Makes outbox, batches, head, journal, runs and marks agree with the own log. `isSure`: nothing that could speak of a
 * later batch is missing. For a state that nobody uses yet: it is not one transaction.
 */
export async function reconcile(
  ports: SendPorts,
  past: OwnPast,
  { isSure, nowWallMs }: { readonly isSure: boolean; readonly nowWallMs: number },
): Promise<Reconciled> {
  const { state } = ports;
  const { card, batches } = past;
  const newEpoch = !(isSure && agrees(state, past)) && batches.length > 0;
  let adopted = 0;
  if (newEpoch) {
    const before = countEntries(state);
    state.transaction(() => forgetBatches(state));
    await adoptLog(ports, batches, card?.card ?? null);
    // Less the key entry of the new epoch.
    adopted = countEntries(state) - before - 1;
  }
  state.transaction(() => {
    noteFormerKeys(ports, batches, nowWallMs);
    for (const { parsed } of batches.flatMap((batch) => batch.lines)) {
      if (parsed.status === "entry") remember(state, parsed.entry);
    }
    if (card !== null) {
      const last = loadCardState(ports);
      const { n } = card.card;
      const seen = Math.max(last.seen, n);
      saveCardState(ports, { ...last, n: Math.max(last.n, n), seen, commitId: card.commit });
    }
    if (batches.length === 0) requireKey(ports, nowWallMs);
  });
  return { adopted, newEpoch };
}

/** The keys that the own log had: who reads it from its start needs them. */
function noteFormerKeys(
  { identity, state }: SendPorts,
  batches: readonly OwnBatch[],
  nowWallMs: number,
): void {
  const firstWallMs = identity.createdWallMs;
  for (const [position, { chain }] of batches.entries()) {
    const publicKey = batches[position - 1]?.chain.publicKey ?? chain.publicKey;
    if (publicKey === chain.publicKey) continue;
    addFormerKey(state, identity.server, { publicKey, hash: chain.hash, firstWallMs }, nowWallMs);
  }
}

const countEntries = (state: Database): number =>
  state.get<{ count: number }>("SELECT count(*) AS count FROM outbox")?.count ?? 0;

/** Whether the state knows the log up to its end on the remote, and where it goes on from there. */
function agrees(state: Database, { tip, batches }: OwnPast): boolean {
  const head = loadHead(state);
  if (head === null || head.tip === null || tip === null) return false;
  const rows = state.all<{ commit_id: string; state: string; head: string; objects: Uint8Array | null }>(
    "SELECT commit_id, state, head, objects FROM batches ORDER BY number",
  );
  const known = new Set(rows.map((row) => row.commit_id));
  const last = batches.at(-1);
  if (last?.commit !== tip || batches.some((batch) => !known.has(batch.commit))) return false;
  if (rows.at(-1)?.commit_id !== head.tip || ownBatchState(state, tip) === "abandoned") return false;
  const lost =
    "SELECT 1 FROM outbox WHERE state = 'built' AND batch NOT IN (SELECT number FROM batches) LIMIT 1";
  if (state.get(lost) !== null) return false;
  return rows.every((row) => row.state === "pushed" || (row.objects !== null && row.head !== ""));
}

/** What was built and is not on the remote waits again. */
function forgetBatches(state: Database): void {
  state.run("DELETE FROM batches");
  state.run("DELETE FROM batch_entries");
  state.run("DELETE FROM settings WHERE key = 'head'");
  state.run("UPDATE outbox SET batch = NULL");
  state.run("UPDATE outbox SET state = 'queued', epoch = NULL, seq = NULL WHERE state = 'built'");
  // The log that is adopted has its keys, and a new epoch brings its own.
  state.run("DELETE FROM outbox WHERE type = 'key' AND state <> 'pushed'");
}

/** A log of which nothing is on the remote begins with its key, as after `init`. */
function requireKey({ identity, state, cryptography }: SendPorts, nowWallMs: number): void {
  if (state.get("SELECT 1 FROM outbox WHERE type = 'key' LIMIT 1") !== null) return;
  const { fleet, publicKey: public_key, epoch } = identity;
  const body = { type: "key", fleet, epoch, public_key, format: FORMAT } as const;
  enqueueFirst(state, { id: cryptography.uuidV7(nowWallMs), at: toInstant(nowWallMs), body }, nowWallMs);
}

/**
 * Says of every log how far it counts as handled, once the index holds it. `sure`: peers whose row was salvaged for
 * certain; what came after their cursor is handled as always. Of all others everything that is there becomes history.
 * Answers how many entries to this server did. Inside the caller's transactions.
 */
export function settleCursors(
  { state, index }: Pick<ReceivePorts, "state" | "index">,
  sure: ReadonlySet<string>,
  card: Card | null,
): number {
  const progress = listProgress(index);
  let history = 0;
  for (const peer of listPeers(state)) {
    const end = progress.get(peer.server);
    const said =
      card !== null && Object.hasOwn(card.cursors, peer.server) ? card.cursors[peer.server] : undefined;
    if (sure.has(peer.server)) {
      if (said !== undefined && isBehind(index, peer, said)) setHandled(state, peer.server, said);
      continue;
    }
    if (end === undefined) continue;
    history += countAfter(index, peer.server, said ?? null);
    setHistory(state, peer.server, end);
    index.run("UPDATE entries SET history = 1 WHERE writer = ?", peer.server);
  }
  return history;
}

/**
 * Leaves out again whom the own card names as forgotten, where what stood in the state could not be read: the card is the
 * only other place that says so. Inside the caller's transaction.
 */
export function restoreForgotten(state: Database, card: Card, nowWallMs: number): void {
  const sql = "UPDATE peers SET forgotten_wall_ms = ? WHERE server = ? AND forgotten_wall_ms IS NULL";
  for (const server of forgottenBy(card)) state.run(sql, nowWallMs, server);
}

function positionOf(index: Database, server: string, { epoch, seq }: Pick<Cursor, "epoch" | "seq">): number {
  const sql = "SELECT max(position) AS position FROM entries WHERE writer = ? AND epoch = ? AND seq <= ?";
  return index.get<{ position: number | null }>(sql, server, epoch, seq)?.position ?? 0;
}

const isBehind = (index: Database, peer: { server: string; handled: Cursor }, said: Cursor): boolean =>
  positionOf(index, peer.server, peer.handled) < positionOf(index, peer.server, said);

function countAfter(index: Database, server: string, said: Cursor | null): number {
  const sql = "SELECT count(*) AS count FROM entries WHERE writer = ? AND to_me = 1 AND position > ?";
  const after = said === null ? 0 : positionOf(index, server, said);
  return index.get<{ count: number }>(sql, server, after)?.count ?? 0;
}
