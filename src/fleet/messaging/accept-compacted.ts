/**
 * Where a log goes on, when its tip is not a child of what was read: its owner shortened it, a stranger's commit was
 * taken off it, or somebody rewrote it.
 *
 * 1. The log is judged from its root, as a reader judges it who knows nothing but the pinned key. If its chain comes
 *    exactly to what is known, reading goes on behind that place, and nothing is taken twice.
 * 2. If its root says that entries beyond what is known were removed, the owner's word is enough to go on: this server
 *    was away for longer than anybody waited, and must not be deaf for ever. How many it missed is told.
 * 3. Anything else, such as an old root played again, is no continuation: what is known stays.
 */
import type { Database } from "../../base/ports/database.ts";
import type { AcceptedLine, Chain } from "./accept-batch.ts";
import { startOfReading } from "./hold-back.ts";
import { judgeBatches } from "./judge-log.ts";
import { type Log, readInChunks } from "./log-chunks.ts";
import type { ReceivePorts } from "./mailbox-ports.ts";
import type { Progress } from "./message-index.ts";
import type { CompactedBody, Envelope } from "./model.ts";

/** What is to be read of a log. */
export interface Unread {
  /** Oldest first. */
  readonly commits: readonly string[];
  /** What is known of it before them; null: nobody pinned its writer yet. */
  readonly chain: Chain | null;
  /** Whether its owner shortened it since it was read. */
  readonly isShortened: boolean;
  /** How many entries went before this server had read them. */
  readonly missed: number;
}

/** The commits of a log that were not read yet; null when it does not continue what is known. */
export async function findUnread(
  ports: ReceivePorts,
  log: Log,
  progress: Progress | null,
): Promise<Unread | null> {
  const { server, tip, keys: kept } = log;
  const steps = await ports.store.listCommits(tip, progress?.tip ?? null, Number.MAX_SAFE_INTEGER);
  const commits = steps.map((step) => step.id);
  // Of a log of which nothing was believed nothing is known.
  if (progress === null || progress.seq === 0 || steps[0]?.parents[0] === progress.tip)
    return await readOn(ports, server, { commits, progress, kept, isShortened: false });
  const nothing = await startOfReading(ports, server, { commits, progress: null, kept });
  if (nothing === null || nothing === "astray") return null;
  let judged = nothing;
  let root: Root | null = null;
  for await (const batches of readInChunks(ports, commits)) {
    const { accepted, chain: end } = await judgeBatches(ports, server, { batches, known: judged });
    if (judged.seq === 0) root = rootOf(accepted[0]?.lines[0]);
    const found = accepted.find((batch) => batch.chain.hash === progress.hash);
    if (found !== undefined) {
      const unread = commits.slice(commits.indexOf(found.commit) + 1);
      return await readOn(ports, server, { commits: unread, progress, kept, isShortened: root !== null });
    }
    if (root !== null && isBeyond(root, progress)) {
      const missed = countMissed(ports.index, root, { server, progress });
      return { commits, chain: nothing, isShortened: true, missed };
    }
    judged = end;
  }
  return null;
}

/** What follows on what is known; null where that does not come to the key that counts. */
async function readOn(
  ports: ReceivePorts,
  server: string,
  {
    isShortened,
    ...from
  }: {
    readonly commits: readonly string[];
    readonly progress: Progress | null;
    readonly kept: readonly string[] | undefined;
    readonly isShortened: boolean;
  },
): Promise<Unread | null> {
  const chain = await startOfReading(ports, server, from);
  return chain === "astray" ? null : { commits: from.commits, chain, isShortened, missed: 0 };
}

type Root = Envelope & CompactedBody;

function rootOf(line: AcceptedLine | undefined): Root | null {
  const parsed = line?.parsed;
  return parsed?.status === "entry" && parsed.entry.type === "compacted" ? parsed.entry : null;
}

const epochsOf = (root: Root): string[] =>
  root.keys.flatMap((key) => (key.type === "key" ? [key.epoch] : []));

/**
 * Whether a shortened log begins behind what is known of it. It carries the keys of all its epochs, so a place in an
 * epoch that it does not name is none of its past.
 */
function isBeyond(root: Root, known: Progress): boolean {
  const epochs = epochsOf(root);
  const place = epochs.lastIndexOf(known.epoch);
  if (place === -1) return false;
  return place < epochs.length - 1 || root.seq > known.seq;
}

function countMissed(index: Database, root: Root, at: { server: string; progress: Progress }): number {
  const epochs = epochsOf(root);
  const before = epochs.slice(0, epochs.lastIndexOf(at.progress.epoch));
  const sql = "SELECT max(seq) AS seq FROM entries WHERE writer = ? AND epoch = ?";
  const had = before.map((epoch) => index.get<{ seq: number | null }>(sql, at.server, epoch)?.seq ?? 0);
  const read = had.reduce((total, seq) => total + seq, at.progress.seq);
  return Math.max(1, root.count - read);
}
