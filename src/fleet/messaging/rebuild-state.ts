/**
 * What a state that was lost in part is made of again: the own log as the remote holds it says what was sent, answered,
 * handled and read; the own card says how far others were looked at; everything else that is there and of which nothing
 * certain is known counts as history, which is readable and never answered.
 */
import { fromInstant, toInstant } from "../../base/instant.ts";
import type { Database } from "../../base/ports/database.ts";
import type { LogHead } from "./build-batch.ts";
import { type Card, parseCard } from "./card.ts";
import { saveIdentity, writeSetting } from "./identity.ts";
import { type AcceptedBatch, judgeBatches, readBatches } from "./judge-log.ts";
import { type ReceivePorts, type SendPorts, TRACKING } from "./mailbox-ports.ts";
import { listProgress } from "./message-index.ts";
import { type Cursor, type Entry, FORMAT, type MessageEntry, type ReceiptEntry } from "./model.ts";
import { loadHead } from "./outbox.ts";
import { listPeers, setHandled, setHistory } from "./peers.ts";
import { loadCardState, saveCardState } from "./publish-card.ts";
import { readCard } from "./receive-cards.ts";
import { ownBatchState } from "./take-back.ts";

/** Batches that are read and judged together. */
const CHUNK_COMMITS = 400;

/** The own log as the store has it from the remote, and the own card. */
export interface OwnPast {
  readonly tip: string | null;
  readonly batches: readonly AcceptedBatch[];
  readonly card: { readonly commit: string; readonly card: Card } | null;
}

/** Reads what the remote holds of this server. The store has to have been fetched. */
export async function readOwnPast(ports: ReceivePorts): Promise<OwnPast> {
  const { identity, store } = ports;
  const tip = store.readRefs(TRACKING.log).get(TRACKING.log + identity.server) ?? null;
  const batches: AcceptedBatch[] = [];
  const commits = tip === null ? [] : await store.listCommits(tip, null, Number.MAX_SAFE_INTEGER);
  let known = { publicKey: identity.publicKey, epoch: "", seq: 0, hash: "" };
  for (let start = 0; start < commits.length; start += CHUNK_COMMITS) {
    const ids = commits.slice(start, start + CHUNK_COMMITS).map((commit) => commit.id);
    const judged = await judgeBatches(ports, identity.server, {
      batches: await readBatches(ports, ids),
      known,
    });
    batches.push(...judged.accepted);
    known = judged.chain;
  }
  return { tip, batches, card: await readOwnCard(ports) };
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
 * later batch is missing. Inside the caller's transaction.
 */
export function reconcile(
  ports: Pick<SendPorts, "identity" | "state" | "cryptography">,
  past: OwnPast,
  { isSure, nowWallMs }: { readonly isSure: boolean; readonly nowWallMs: number },
): Reconciled {
  const { state } = ports;
  const isKnown = isSure && agrees(state, past);
  const adopted = isKnown ? 0 : adoptPast(state, past, nowWallMs);
  for (const { parsed } of past.batches.flatMap((batch) => batch.lines)) {
    if (parsed.status === "entry") remember(state, parsed.entry);
  }
  const { card } = past;
  if (card !== null) {
    const last = loadCardState(ports);
    saveCardState(ports, { ...last, n: Math.max(last.n, card.card.n), commitId: card.commit });
  }
  const newEpoch = !isKnown && past.batches.length > 0;
  if (newEpoch) beginEpoch(ports, nowWallMs);
  else if (past.batches.length === 0) requireKey(ports, nowWallMs);
  return { adopted, newEpoch };
}

/** Makes the log on the remote the own one, whatever was built here; how many of its entries were not known. */
function adoptPast(state: Database, past: OwnPast, nowWallMs: number): number {
  forgetBatches(state);
  state.run("DELETE FROM settings WHERE key = 'head'");
  let adopted = 0;
  for (const batch of past.batches) {
    const { number, head } = insertBatch(state, batch, { committedMs: nowWallMs, nowWallMs });
    writeSetting(state, "head", JSON.stringify(head));
    for (const { parsed, epoch, seq } of batch.lines) {
      if (parsed.status === "entry") adopted += insertPushed(state, parsed.entry, { number, epoch, seq });
    }
  }
  return adopted;
}

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
  state.run("UPDATE outbox SET batch = NULL");
  state.run("UPDATE outbox SET state = 'queued', epoch = NULL, seq = NULL WHERE state = 'built'");
}

function insertBatch(
  state: Database,
  { commit, chain }: AcceptedBatch,
  at: { readonly committedMs: number; readonly nowWallMs: number },
): { readonly number: number; readonly head: LogHead } {
  const { epoch, seq, hash } = chain;
  const head: LogHead = { epoch, seq, hash, tip: commit, committedMs: at.committedMs };
  state.run(
    `INSERT INTO batches(commit_id, state, built_wall_ms, head, parent)
     VALUES(?, 'pushed', ?, ?, (SELECT max(number) FROM batches))`,
    commit,
    at.nowWallMs,
    JSON.stringify(head),
  );
  const row = state.get<{ number: number }>("SELECT max(number) AS number FROM batches");
  return { number: row?.number ?? 0, head };
}

function insertPushed(
  state: Database,
  entry: Entry,
  at: { readonly number: number; readonly epoch: string; readonly seq: number },
): number {
  const wasThere = state.get("SELECT 1 FROM outbox WHERE id = ?", entry.id) !== null;
  state.run(
    `INSERT INTO outbox(position, id, type, draft, created_wall_ms, state, batch, epoch, seq, pushed_wall_ms)
     VALUES((SELECT coalesce(min(position), 1) - 1 FROM outbox), ?, ?, '', ?, 'pushed', ?, ?, ?, ?)
     ON CONFLICT(id) DO UPDATE SET state = 'pushed', draft = '', batch = excluded.batch, epoch = excluded.epoch,
       seq = excluded.seq, pushed_wall_ms = coalesce(pushed_wall_ms, excluded.pushed_wall_ms)`,
    entry.id,
    entry.type,
    fromInstant(entry.at),
    at.number,
    at.epoch,
    at.seq,
    fromInstant(entry.at),
  );
  return wasThere ? 0 : 1;
}

/** What an own entry tells of work that was done. */
function remember(state: Database, entry: Entry): void {
  switch (entry.type) {
    case "message":
      rememberAnswer(state, entry);
      return;
    case "receipt":
      rememberReceipt(state, entry);
      return;
    case "compacted":
      for (const receipt of entry.receipts) if (receipt.type === "receipt") rememberReceipt(state, receipt);
      return;
    case "key":
      return;
  }
}

function rememberAnswer(state: Database, { id, to, at, auto, in_reply_to: question }: MessageEntry): void {
  const [asker] = to;
  if (auto !== true || question === undefined || asker === undefined || to.length !== 1) return;
  state.run(
    "INSERT OR IGNORE INTO journal(message_from, message_id, rule, reply_id, answered_wall_ms) VALUES(?, ?, '', ?, ?)",
    asker,
    question,
    id,
    fromInstant(at),
  );
}

function rememberReceipt(state: Database, receipt: ReceiptEntry): void {
  const { message_from: from, message: id } = receipt;
  const atWallMs = fromInstant(receipt.at);
  if (receipt.state === "handled") {
    state.run(
      `INSERT INTO runs(message_from, message_id, rule, state, queued_wall_ms, due_wall_ms, ended_wall_ms, exit_code,
         reason, subject, message)
       VALUES(?, ?, '', 'done', ?, ?, ?, ?, 'handled before the state was salvaged', '', '')
       ON CONFLICT(message_from, message_id) DO UPDATE SET state = 'done', exit_code = excluded.exit_code,
         ended_wall_ms = excluded.ended_wall_ms, message = '' WHERE state <> 'done'`,
      from,
      id,
      atWallMs,
      atWallMs,
      atWallMs,
      receipt.exit_code ?? null,
    );
    return;
  }
  const column = receipt.state === "read" ? "read_wall_ms" : "acked_wall_ms";
  state.run(
    `INSERT INTO marks(message_from, message_id, ${column}) VALUES(?, ?, ?)
     ON CONFLICT(message_from, message_id) DO UPDATE SET ${column} = coalesce(${column}, excluded.${column})`,
    from,
    id,
    atWallMs,
  );
}

/** The key entry that begins an epoch goes before everything that waits. */
function beginEpoch(
  { identity, state, cryptography }: Pick<SendPorts, "identity" | "state" | "cryptography">,
  nowWallMs: number,
): void {
  const epoch = cryptography.randomBytes(8).toHex();
  state.run("DELETE FROM outbox WHERE type = 'key' AND state <> 'pushed'");
  queueKey({ identity: { ...identity, epoch }, state, cryptography }, nowWallMs);
}

/** A log of which nothing is on the remote begins with its key, as after `init`. */
function requireKey(ports: Pick<SendPorts, "identity" | "state" | "cryptography">, nowWallMs: number): void {
  const { state } = ports;
  if (state.get("SELECT 1 FROM outbox WHERE type = 'key' LIMIT 1") === null) queueKey(ports, nowWallMs);
}

function queueKey(
  { identity, state, cryptography }: Pick<SendPorts, "identity" | "state" | "cryptography">,
  nowWallMs: number,
): void {
  const { fleet, publicKey: public_key, epoch } = identity;
  saveIdentity(state, identity);
  const body = { type: "key", fleet, epoch, public_key, format: FORMAT } as const;
  state.run(
    `INSERT INTO outbox(position, id, type, draft, created_wall_ms)
     VALUES((SELECT coalesce(min(position), 1) - 1 FROM outbox), ?, 'key', ?, ?)`,
    cryptography.uuidV7(nowWallMs),
    JSON.stringify({ at: toInstant(nowWallMs), body }),
    nowWallMs,
  );
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
