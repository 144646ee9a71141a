/**
 * A batch: some entries made into signed lines, a tree and a commit on top of the writer's log.
 *
 * A batch is built once. Everything that decides its commit id is an argument here, so the same arguments give the
 * same bytes, and what is stored is pushed again unchanged for as long as it takes.
 */
import { assert } from "../../base/assert.ts";
import { concatBytes } from "../../base/bytes.ts";
import type { Cryptography, SigningKey } from "../../base/ports/cryptography.ts";
import type { GitObject, ObjectFormat } from "../../base/ports/git-store.ts";
import { toVisible } from "../../base/visible-text.ts";
import { encodeLine } from "./entry-line.ts";
import { encodeCommit, encodeTree, toGitObject } from "./git-encoding.ts";
import { type Cursor, type Entry, type EntryBody, FORMAT, LIMITS } from "./model.ts";
import { signSsh } from "./ssh-signature.ts";

/** An entry before it has its place in the log. */
export interface EntryDraft {
  readonly id: string;
  /** RFC 3339, ms, Z. */
  readonly at: string;
  readonly body: EntryBody;
}

/** The end of the own log: where the next batch goes. `seq` 0 and `hash` "" before the first entry of all. */
export interface LogHead extends Cursor {
  /** Commit id of the last batch, null before the first. */
  readonly tip: string | null;
  /** Committer date of the last batch in ms; the next one is never earlier. */
  readonly committedMs: number;
}

/** A built batch; `objects` are blobs, tree and commit, the commit last. */
export interface Batch {
  readonly commitId: string;
  readonly objects: readonly GitObject[];
  readonly head: LogHead;
  readonly entries: readonly { readonly id: string; readonly seq: number }[];
}

/** Who signs and hashes, and for whom. */
export interface BatchTools {
  readonly server: string;
  readonly format: ObjectFormat;
  readonly cryptography: Cryptography;
  readonly key: SigningKey;
}

/** A stranger's commit that a batch has to stand beside, and when it says that it was made. */
export interface Beside {
  readonly tip: string;
  readonly committedMs: number;
}

/** As many of `drafts` as fit into one batch, counted from the front; at least one. */
export function countForBatch(drafts: readonly EntryDraft[]): number {
  let bytes = 0;
  let lines = 0;
  for (const draft of drafts) {
    // The batch that hands a log over to another key holds nothing else.
    if (lines > 0 && handsOver(draft)) break;
    // The envelope around a body adds under 400 bytes; a character is at most 6 bytes once escaped.
    bytes += JSON.stringify(draft.body).length * 3 + 400;
    if (lines > 0 && (lines >= LIMITS.batchLinesMax || bytes > LIMITS.batchBytesMax)) break;
    lines += 1;
    if (handsOver(draft)) break;
  }
  return lines;
}

/** Whether an entry hands the log over to another key. */
const handsOver = ({ body }: EntryDraft): boolean => body.type === "key" && body.proof !== undefined;

/** Builds the batch that holds all `drafts` in order; `beside` is its second parent. Throws a plain `Error` when they exceed the limits. */
export async function buildBatch(
  drafts: readonly EntryDraft[],
  head: LogHead,
  nowMs: number,
  tools: BatchTools & { readonly beside?: Beside | null },
): Promise<Batch> {
  const chain = chainLines(drafts, head, tools);
  const lines = concatBytes(chain.lines);
  assert(drafts.length > 0 && drafts.length <= LIMITS.batchLinesMax, `batch of ${drafts.length} lines`);
  assert(lines.length <= LIMITS.batchBytesMax, `batch of ${lines.length} bytes`);
  const signature = await signSsh(lines, "fleetd-log", tools);
  const committedMs = Math.max(nowMs, head.committedMs, tools.beside?.committedMs ?? 0);
  const objects = toObjects({ "entries.jsonl": lines, "entries.sig": signature }, tools, (tree) => ({
    tree,
    parent: head.tip,
    beside: tools.beside?.tip ?? null,
    server: tools.server,
    committedMs,
    message: commitMessage(tools.server, drafts),
  }));
  return {
    commitId: objects.commitId,
    objects: objects.all,
    head: { ...chain.cursor, tip: objects.commitId, committedMs },
    entries: chain.entries,
  };
}

/** Blobs, tree and commit of one set of files. */
export function toObjects(
  files: Readonly<Record<string, Uint8Array>>,
  tools: { readonly format: ObjectFormat; readonly cryptography: Cryptography },
  describe: (treeId: string) => Parameters<typeof encodeCommit>[0],
): { readonly all: readonly GitObject[]; readonly commitId: string } {
  const blobs = Object.entries(files).map(([name, content]) => ({
    name,
    blob: toGitObject("blob", content, tools),
  }));
  const treeFiles = Object.fromEntries(blobs.map(({ name, blob }) => [name, blob.id]));
  const tree = toGitObject("tree", encodeTree(treeFiles), tools);
  const commit = toGitObject("commit", encodeCommit(describe(tree.id)), tools);
  return { all: [...blobs.map(({ blob }) => blob), tree, commit], commitId: commit.id };
}

/** `"sha256:<hex>"` of a line's bytes without its LF: what the next line's `prev` says. */
export function hashLine(line: Uint8Array, cryptography: Cryptography): string {
  return `sha256:${cryptography.hash("sha256", line).toHex()}`;
}

function chainLines(drafts: readonly EntryDraft[], head: LogHead, tools: BatchTools) {
  let cursor: Cursor = { epoch: head.epoch, seq: head.seq, hash: head.hash };
  const lines: Uint8Array[] = [];
  const entries: { id: string; seq: number }[] = [];
  for (const draft of drafts) {
    const startsEpoch = draft.body.type === "key";
    const seq = startsEpoch ? 1 : cursor.seq + 1;
    const prev = cursor.hash === "" ? null : cursor.hash;
    const { type, ...body } = draft.body;
    const envelope = { v: FORMAT, id: draft.id, seq, prev, type, from: tools.server, at: draft.at };
    const line = encodeLine({ ...envelope, ...body } as Entry);
    const epoch = draft.body.type === "key" ? draft.body.epoch : cursor.epoch;
    assert(line.length - 1 <= LIMITS.lineBytesMax, `line of ${line.length - 1} bytes`);
    cursor = { epoch, seq, hash: hashLine(line.subarray(0, -1), tools.cryptography) };
    lines.push(line);
    entries.push({ id: draft.id, seq });
  }
  return { lines, entries, cursor };
}

/** How many entries a commit message lists by name. Chosen, not measured: a feed is read, not parsed. */
const FEED_LINES_MAX = 20;

function commitMessage(server: string, drafts: readonly EntryDraft[]): string {
  const feed = drafts.map((draft) => feedLine(server, draft.body));
  if (feed.length === 1) return feed[0] ?? "";
  const more = feed.length - FEED_LINES_MAX;
  const shown = feed.slice(0, FEED_LINES_MAX);
  return [`${server}: ${feed.length} entries`, "", ...shown, ...(more > 0 ? [`and ${more} more`] : [])].join(
    "\n",
  );
}

function feedLine(server: string, body: EntryBody): string {
  switch (body.type) {
    case "message":
      return `${server} → ${body.to.slice(0, 5).join(", ")}${body.to.length > 5 ? ", …" : ""}: ${toVisible(body.subject, { keepNewlines: false })}`;
    case "receipt":
      return `${server} ${body.state} a message of ${body.message_from}`;
    case "key":
      return body.proof === undefined ? `${server} joins the fleet` : `${server} changes its key`;
    case "compacted":
      return `${server} compacted ${body.count} entries`;
  }
}
