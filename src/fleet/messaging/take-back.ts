/**
 * Taking built batches back, and accepting that one of them arrived after all.
 *
 * What is built may already be on the remote, so it is taken back only after a listing has shown that the own ref
 * stands on the last confirmed batch (or nowhere, where none was confirmed). Why that is safe, although a push that was
 * cut off may still land a moment later:
 *
 * 1. The log ref only moves forward, and the remote compares before it swaps: a push names the commit that it found.
 *    Of all batches that were ever built on one confirmed batch, at most one can follow it there.
 * 2. So as long as the ref stands on the confirmed batch, none of them was ever seen by a reader; and as soon as one of
 *    them is there, every other push on that base is stale for ever.
 * 3. Whichever arrives is one that we know: a batch that was taken back stays in the table as `abandoned` until the
 *    remote has gone on. If it turns up, it is adopted: what was built instead cannot arrive any more (2) and is taken
 *    back in turn, and its entries are pushed. No line is lost, and no reader ever sees two lines for one `seq`.
 *
 * What remains is a stranger who takes a batch of ours that nobody had confirmed yet off the ref again, between its
 * arrival and our listing, so that the ref stands exactly on the confirmed batch, while the remote refuses at the same
 * time what it had just accepted.
 */
import { readStoredJson } from "../../base/errors.ts";
import type { Database } from "../../base/ports/database.ts";
import type { LogHead } from "./build-batch.ts";
import { writeSetting } from "./identity.ts";
import { markPushed } from "./outbox.ts";

/** The last batch that the remote confirmed. */
export interface ConfirmedBatch {
  readonly number: number;
  /** Its commit. */
  readonly tip: string;
  /** The end of the log after it; null for one that an older fleetd built and did not write that down for. */
  readonly head: LogHead | null;
}

/** Where the log ends as far as the remote confirmed it; null before its first batch. */
export function confirmedBatch(state: Database): ConfirmedBatch | null {
  const row = state.get<{ number: number; commit_id: string; head: string }>(
    "SELECT number, commit_id, head FROM batches WHERE state = 'pushed' ORDER BY number DESC LIMIT 1",
  );
  if (row === null) return null;
  const head = row.head === "" ? null : (readStoredJson(row.head, "a batch in state.db") as LogHead);
  return { number: row.number, tip: row.commit_id, head };
}

/** What a commit is to this server's log: `foreign` when it never built it. */
export function ownBatchState(
  state: Database,
  commitId: string,
): "built" | "pushed" | "abandoned" | "foreign" {
  const sql = "SELECT state FROM batches WHERE commit_id = ?";
  return state.get<{ state: "built" | "pushed" | "abandoned" }>(sql, commitId)?.state ?? "foreign";
}

/** The number of the newest batch, 0 before the first: what is built from now on has a higher one. */
export const newestBatch = (state: Database): number =>
  state.get<{ number: number | null }>("SELECT max(number) AS number FROM batches")?.number ?? 0;

/** So many refused batches are remembered by their id. Chosen: some rounds of refusals, should a remote have lied. */
const REMEMBERED_MAX = 200;

/**
 * Undoes every batch that was not confirmed: its entries are queued again in their old order, and the log ends where
 * the remote says. The batches stay known, in case that they arrive; bytes are kept of those up to `uncertain`, which
 * were in a push that nobody answered, for all we know. Inside the caller's transaction, which has to be a durable
 * one: what is built next must never meet them in a database that forgot this. False, with nothing changed, where
 * nobody wrote down how the confirmed log ends.
 */
export function takeBack(state: Database, uncertain: number): boolean {
  const confirmed = confirmedBatch(state);
  if (confirmed?.head === null) return false;
  const built = "SELECT number FROM batches WHERE state <> 'pushed' AND state = 'built'";
  state.run(
    `INSERT OR IGNORE INTO batch_entries(batch, id, seq)
     SELECT batch, id, seq FROM outbox WHERE state <> 'pushed' AND state = 'built' AND batch IN (${built})`,
  );
  state.run(
    `UPDATE outbox SET state = 'queued', batch = NULL, epoch = NULL, seq = NULL
     WHERE state <> 'pushed' AND state = 'built'`,
  );
  state.run(
    `UPDATE batches SET state = 'abandoned', objects = CASE WHEN number <= ? THEN objects END
     WHERE state <> 'pushed' AND state = 'built'`,
    uncertain,
  );
  forgetRefused(state);
  if (confirmed === null) state.run("DELETE FROM settings WHERE key = 'head'");
  else writeSetting(state, "head", JSON.stringify(confirmed.head));
  return true;
}

/** A remote that refuses everything for weeks must not fill the disk. */
function forgetRefused(state: Database): void {
  const old = "SELECT number FROM batches WHERE state <> 'pushed' AND objects IS NULL AND number < ?";
  const below = newestBatch(state) - REMEMBERED_MAX;
  if (state.get(`${old} LIMIT 1`, below) === null) return;
  state.run(`DELETE FROM batch_entries WHERE batch IN (${old})`, below);
  state.run(`DELETE FROM batches WHERE number IN (${old})`, below);
}

/**
 * Makes an abandoned batch that the remote holds, and those before it that were abandoned, part of the log again; what
 * was built instead is taken back. Answers how many entries that confirmed; null, with nothing changed, when it does
 * not continue the confirmed log. Inside the caller's transaction.
 */
export function adoptBatch(state: Database, commitId: string, nowWallMs: number): number | null {
  const confirmed = confirmedBatch(state);
  const chain = abandonedChain(state, commitId);
  const [first] = chain;
  const last = chain.at(-1);
  if (first === undefined || last === undefined || first.parent !== (confirmed?.number ?? null)) return null;
  if (!takeBack(state, newestBatch(state))) return null;
  for (const batch of chain) {
    const { epoch } = readStoredJson(batch.head, "a batch in state.db") as LogHead;
    state.run("UPDATE batches SET state = 'built' WHERE number = ?", batch.number);
    // A dead or expired entry arrived as well, whatever was decided about it since.
    state.run(
      `UPDATE outbox SET state = 'built', batch = ?, epoch = ?,
         seq = (SELECT seq FROM batch_entries AS one WHERE one.batch = ? AND one.id = outbox.id)
       WHERE id IN (SELECT id FROM batch_entries WHERE batch = ?)`,
      batch.number,
      epoch,
      batch.number,
      batch.number,
    );
    state.run("DELETE FROM batch_entries WHERE batch = ?", batch.number);
  }
  writeSetting(state, "head", last.head);
  return markPushed(state, commitId, nowWallMs);
}

type ChainRow = { number: number; parent: number | null; state: string; head: string };

/** The abandoned batches that end with `commitId`, oldest first. */
function abandonedChain(state: Database, commitId: string): ChainRow[] {
  const chain: ChainRow[] = [];
  const columns = "SELECT number, parent, state, head FROM batches";
  let row = state.get<ChainRow>(`${columns} WHERE commit_id = ?`, commitId);
  while (row !== null && row.state === "abandoned") {
    chain.unshift(row);
    row = row.parent === null ? null : state.get<ChainRow>(`${columns} WHERE number = ?`, row.parent);
  }
  return chain;
}
