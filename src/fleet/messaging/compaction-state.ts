/**
 * What `state.db` knows of shortened logs that were pushed.
 *
 * A push that was cut off may have arrived, so a shortened log is noted before it is pushed. As long as the own log stands
 * on `fromTip` on the remote it may still turn up there: its push names that commit. The batches take their new commit
 * ids only when the remote has shown that it has them, and from then on the old ids are none of this log any more.
 */
import { fromUtf8 } from "../../base/bytes.ts";
import { FleetError } from "../../base/errors.ts";
import type { Database } from "../../base/ports/database.ts";
import type { GitStore } from "../../base/ports/git-store.ts";
import type { LogHead } from "./build-batch.ts";
import { keepFormer, listFormer } from "./former-logs.ts";
import { encodeTree } from "./git-encoding.ts";
import { dropGraft } from "./graft.ts";
import { readSetting, writeSetting } from "./identity.ts";
import { TRACKING } from "./mailbox-ports.ts";
import { LIMITS } from "./model.ts";
import { confirmedBatch, newestBatch, takeBack } from "./take-back.ts";

/** A shortened log: its last commit, that of the log it replaces, and the last batch of it that it leaves out. */
export interface ShortenedLog {
  readonly tip: string;
  readonly fromTip: string;
  readonly cut: string;
}

/** Notes a shortened log that is about to be pushed. Inside the caller's transaction, which has to be a durable one. */
export function noteShortened(state: Database, log: ShortenedLog, nowWallMs: number): void {
  state.run("DELETE FROM compactions WHERE from_tip <> ?", log.fromTip);
  state.run(
    "INSERT OR IGNORE INTO compactions(commit_id, from_tip, cut, built_wall_ms) VALUES(?, ?, ?, ?)",
    log.tip,
    log.fromTip,
    log.cut,
    nowWallMs,
  );
}

/** Forgets a shortened log that the remote answered it does not take. Inside the caller's transaction. */
export function dropShortened(state: Database, tip: string): void {
  state.run("DELETE FROM compactions WHERE commit_id = ?", tip);
}

/** The shortened logs that may still turn up on the remote. */
export function pendingShortened(state: Database): ShortenedLog[] {
  const from = confirmedBatch(state)?.tip ?? "";
  return state
    .all<{ commit_id: string; cut: string }>(
      "SELECT commit_id, cut FROM compactions WHERE from_tip = ?",
      from,
    )
    .map((row) => ({ tip: row.commit_id, fromTip: from, cut: row.cut }));
}

interface StatePorts {
  readonly identity: { readonly server: string };
  readonly state: Database;
  readonly store: GitStore;
}

/**
 * Makes a shortened log that the remote holds the own one. What was built on the old one cannot arrive any more, since
 * the remote has left it, and is queued again. The old log stays readable here.
 */
export async function adoptShortened(ports: StatePorts, log: ShortenedLog): Promise<void> {
  const { identity, state, store } = ports;
  const commits = await pairCommits(store, log);
  keepFormer(store, identity.server, log.fromTip);
  state.transaction(() => {
    if (confirmedBatch(state)?.tip !== log.fromTip) return;
    takeBack(state, newestBatch(state));
    state.run("DELETE FROM batch_entries");
    state.run("DELETE FROM batches WHERE state <> 'pushed'");
    const cut = state.get<{ number: number }>("SELECT number FROM batches WHERE commit_id = ?", log.cut);
    state.run("DELETE FROM batches WHERE number <= ?", cut?.number ?? 0);
    for (const [old, next] of commits) {
      state.run("UPDATE batches SET commit_id = ? WHERE commit_id = ?", next, old);
    }
    // Only the end of the log is ever built on.
    const { head } = confirmedBatch(state) ?? { head: null };
    if (head !== null) moveHead(state, { ...head, tip: log.tip });
    dropGraft(state);
    state.run("DELETE FROM compactions");
  });
  store.writeRef(TRACKING.own, log.tip);
  store.writeRef(TRACKING.shortened, null);
}

function moveHead(state: Database, head: LogHead): void {
  const json = JSON.stringify(head);
  state.run("UPDATE batches SET head = ? WHERE commit_id = ?", json, head.tip);
  writeSetting(state, "head", json);
}

/** The kept commits of the old log with those that they are in the shortened one, oldest first. */
async function pairCommits(store: GitStore, log: ShortenedLog): Promise<[string, string][]> {
  const all = Number.MAX_SAFE_INTEGER;
  const old = await store.listCommits(log.fromTip, log.cut, all);
  const [, ...next] = await store.listCommits(log.tip, null, all);
  if (old.length === next.length) return old.map((step, place) => [step.id, next[place]?.id ?? ""]);
  const lengths = `${next.length} commits, need ${old.length}`;
  throw new FleetError("IO", `Cannot take the shortened log ${log.tip} for the own one: it has ${lengths}`);
}

/**
 * Whether a commit was once part of the own log, of what it is now or of what it was before it was shortened, or whether
 * it holds a batch of it: anybody can put one that he kept into a commit of his own.
 */
export async function wasOwn({ identity, state, store }: StatePorts, commit: string): Promise<boolean> {
  const batch = await batchIn(store, commit);
  const tips = [confirmedBatch(state)?.tip ?? null, ...listFormer(store, identity.server).toReversed()];
  for (const tip of tips) {
    if (tip === null) continue;
    const steps = await store.listCommits(tip, null, Number.MAX_SAFE_INTEGER);
    const commits = steps.map(({ id }) => id);
    if (commits.includes(commit) || (batch !== null && (await holdBatch(store, commits, batch)))) return true;
  }
  return false;
}

/** How a tree that was built here names the batch of a commit, in hex; null where it has none. */
async function batchIn(store: GitStore, commit: string): Promise<string | null> {
  const [batch] = await store.readObjects([`${commit}:entries.jsonl`], LIMITS.batchBytesMax);
  return batch?.status === "found" ? encodeTree({ "entries.jsonl": batch.id }).toHex() : null;
}

/** Commits that are looked through together. Chosen: what is read of each has some 400 bytes. */
const CHUNK_COMMITS = 1_000;

/** Whether one of the own commits has this batch. Contents need not be read: the same bytes have the same id. */
async function holdBatch(store: GitStore, commits: readonly string[], batch: string): Promise<boolean> {
  for (let start = 0; start < commits.length; start += CHUNK_COMMITS) {
    const read = await store.readObjects(commits.slice(start, start + CHUNK_COMMITS), OBJECT_BYTES_MAX);
    const trees = read.flatMap((commit) => {
      const text = commit.status === "found" ? fromUtf8(commit.content) : null;
      const tree = /^tree ([0-9a-f]+)\n/.exec(text ?? "")?.[1];
      return tree === undefined ? [] : [tree];
    });
    for (const tree of await store.readObjects(trees, OBJECT_BYTES_MAX)) {
      if (tree.status === "found" && tree.content.toHex().includes(batch)) return true;
    }
  }
  return false;
}

/** Commits and trees that were built here are far smaller. */
const OBJECT_BYTES_MAX = 64 * 1024;

const REFUSED = "compaction_refused";

/** Why the remote refused a shortened log, its own words; null where it did not. It is not asked again by itself. */
export const compactionRefusal = (state: Database): string | null => readSetting(state, REFUSED) || null;

/** Remembers why the remote refuses shortened logs, or with an empty reason that it takes them. */
export function noteCompactionRefusal(state: Database, reason: string): void {
  if ((compactionRefusal(state) ?? "") === reason) return;
  state.relaxedTransaction(() => writeSetting(state, REFUSED, reason.slice(0, REASON_LENGTH_MAX)));
}

/** Chosen: git's own first line and what a hook says fit. */
const REASON_LENGTH_MAX = 500;
