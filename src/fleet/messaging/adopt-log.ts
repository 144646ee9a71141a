/**
 * Taking over what a former life of this server wrote: its entries count as this server's own, what it handled and
 * answered is not handled or answered again, and a new epoch begins behind it. Everything is one transaction of
 * `state.db`, so a crash repeats it from the same facts.
 */
import { fromInstant, toInstant } from "../../base/instant.ts";
import type { Database } from "../../base/ports/database.ts";
import type { LogHead } from "./build-batch.ts";
import type { Card } from "./card.ts";
import { committedMsOf } from "./graft.ts";
import { readSetting, writeSetting } from "./identity.ts";
import type { SendPorts } from "./mailbox-ports.ts";
import { type Cursor, type Entry, FORMAT, type MessageEntry, type ReceiptEntry } from "./model.ts";
import { enqueueFirst, expectRecipients, loadHead } from "./outbox.ts";
import type { OwnBatch } from "./own-walk.ts";
import { keyAt } from "./rotate-key.ts";
import { confirmedBatch, newestBatch, takeBack } from "./take-back.ts";

type AdoptPorts = Pick<SendPorts, "identity" | "state" | "store" | "clock" | "cryptography">;

/**
 * Makes `batches`, which continue the confirmed log, part of it. `card`: the last card of the former life, which says
 * how far it had handled the others. Answers how many entries that were, null where nobody knows how the log ended here.
 */
export async function adoptLog(
  ports: AdoptPorts,
  batches: readonly OwnBatch[],
  card: Card | null,
): Promise<number | null> {
  const { state, store, clock } = ports;
  const nowWallMs = clock.wallMs();
  const dates = await Promise.all(batches.map(({ commit }) => committedMsOf(store, commit, nowWallMs)));
  return state.transaction(() => {
    // Whatever was built here stands on what is not the end any more; its entries wait again.
    if (!takeBack(state, newestBatch(state))) return null;
    let committedMs = confirmedBatch(state)?.head?.committedMs ?? 0;
    let entries = 0;
    for (const [position, batch] of batches.entries()) {
      committedMs = Math.max(committedMs, dates[position] ?? 0);
      const number = insertBatch(state, batch, { committedMs, nowWallMs });
      for (const line of batch.lines) entries += adoptLine(state, { line, number, nowWallMs });
    }
    if (card !== null) noteFormerCursors(state, card.cursors);
    beginEpoch(ports, nowWallMs);
    return entries;
  });
}

function insertBatch(
  state: Database,
  { commit, chain }: OwnBatch,
  at: { readonly committedMs: number; readonly nowWallMs: number },
): number {
  const { epoch, seq, hash } = chain;
  const head: LogHead = { epoch, seq, hash, tip: commit, committedMs: at.committedMs };
  // One that was built here and is remembered gets the number of its place in the log that is.
  state.run("DELETE FROM batches WHERE commit_id = ? AND state <> 'pushed'", commit);
  state.run(
    `INSERT INTO batches(commit_id, state, built_wall_ms, head, parent)
     VALUES(?, 'pushed', ?, ?, (SELECT max(number) FROM batches WHERE state = 'pushed'))
     ON CONFLICT(commit_id) DO UPDATE SET state = 'pushed', head = excluded.head`,
    commit,
    at.nowWallMs,
    JSON.stringify(head),
  );
  writeSetting(state, "head", JSON.stringify(head));
  return confirmedBatch(state)?.number ?? 0;
}

/** One line of the former life: pushed, whatever this state had thought of its id. */
function adoptLine(
  state: Database,
  {
    line,
    number,
    nowWallMs,
  }: { readonly line: OwnBatch["lines"][number]; readonly number: number; readonly nowWallMs: number },
): number {
  if (line.parsed.status !== "entry") return 0;
  const { entry } = line.parsed;
  const known = state.get<{ state: string }>("SELECT state FROM outbox WHERE id = ?", entry.id);
  if (known?.state === "pushed") return 0;
  state.run(
    `INSERT INTO outbox(id, type, draft, created_wall_ms, state, batch, epoch, seq, pushed_wall_ms)
     VALUES(?, ?, '', ?, 'pushed', ?, ?, ?, ?)
     ON CONFLICT(id) DO UPDATE SET state = 'pushed', draft = '', batch = excluded.batch, epoch = excluded.epoch,
       seq = excluded.seq, pushed_wall_ms = excluded.pushed_wall_ms`,
    entry.id,
    entry.type,
    fromInstant(entry.at),
    number,
    line.epoch,
    line.seq,
    // When the remote confirmed it nobody knows any more; it was not before it was made.
    Math.min(fromInstant(entry.at), nowWallMs),
  );
  remember(state, entry);
  return 1;
}

/** What an entry tells of the work that was done: messages answered, handled, acknowledged and read. */
export function remember(state: Database, entry: Entry): void {
  switch (entry.type) {
    case "message":
      expectRecipients(state, entry.id, entry.to);
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
  const { message_from: from, message: id, at } = receipt;
  const atWallMs = fromInstant(at);
  if (receipt.state === "handled") {
    state.run(
      `INSERT INTO runs(message_from, message_id, rule, state, queued_wall_ms, due_wall_ms, ended_wall_ms, exit_code,
         reason, subject, message)
       VALUES(?, ?, '', 'done', ?, ?, ?, ?, 'handled before this state was restored', '', '')
       ON CONFLICT(message_from, message_id) DO UPDATE SET state = 'done', exit_code = excluded.exit_code,
         ended_wall_ms = excluded.ended_wall_ms, reason = excluded.reason, message = '' WHERE state <> 'done'`,
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

const FORMER = "former_cursors";

/** Remembers how far a former life had looked at the others' messages, as its card said. */
export function noteFormerCursors(state: Database, cursors: Card["cursors"]): void {
  const json = JSON.stringify(cursors);
  if (readSetting(state, FORMER) !== json) writeSetting(state, FORMER, json);
}

/** How far a former life had looked at the messages of `server`; null where there was none, or it did not say. */
export function formerCursor(state: Database, server: string): Cursor | null {
  const json = readSetting(state, FORMER);
  const cursors = json === null ? {} : (JSON.parse(json) as Card["cursors"]);
  return Object.hasOwn(cursors, server) ? (cursors[server] ?? null) : null;
}

/** Queues the key entry that begins an epoch, before everything that waits. Inside the caller's transaction. */
export function beginEpoch(
  ports: Pick<AdoptPorts, "identity" | "state" | "cryptography">,
  nowWallMs: number,
): void {
  const { identity, state, cryptography } = ports;
  const { fleet } = identity;
  const public_key = keyAt(ports, loadHead(state));
  const epoch = cryptography.randomBytes(8).toHex();
  const body = { type: "key", fleet, epoch, public_key, format: FORMAT } as const;
  enqueueFirst(state, { id: cryptography.uuidV7(nowWallMs), at: toInstant(nowWallMs), body }, nowWallMs);
}
