/** Taking in one log: what is new in it is read, judged, and put into the index with how far it was read. */
import type { Database } from "../../base/ports/database.ts";
import type { Chain } from "./accept-batch.ts";
import { findUnread, type Unread } from "./accept-compacted.ts";
import { followHandovers } from "./former-keys.ts";
import { keepFormer } from "./former-logs.ts";
import { currentProgress } from "./hold-back.ts";
import { addQuarantine, hasRefused, isRaised, raiseAlarm, removeQuarantine } from "./index-troubles.ts";
import type { IndexWriter } from "./index-writer.ts";
import { type Judgement, judgeBatches, type ReadBatch } from "./judge-log.ts";
import { type Log, readInChunks } from "./log-chunks.ts";
import type { ReceivePorts } from "./mailbox-ports.ts";
import { insertLines, type Progress, saveProgress } from "./message-index.ts";
import { parseServerId } from "./model.ts";
import { findPeer, pinPeer } from "./peers.ts";

/** What came of one log. */
export interface LogCounts {
  /** Whether the log was read to its tip just now. */
  readonly taken: boolean;
  readonly accepted: number;
  readonly quarantined: number;
}

export const NOTHING_TAKEN: LogCounts = { taken: false, accepted: 0, quarantined: 0 };
/** Kinds of alarms. */
export const REWRITTEN = "rewritten";
export const GAP = "gap";
export const UNREADABLE = "unreadable";
export const UNREADABLE_CARD = "unreadable-card";

/** Takes in what is new in one log; null, with an alarm, when it was rewritten. */
export async function ingestLog(
  ports: ReceivePorts,
  log: Log,
  writer: IndexWriter,
): Promise<LogCounts | null> {
  const { index, clock } = ports;
  const { server, tip } = log;
  const progress = currentProgress(ports, server, log.keys);
  if (progress?.tip === tip || !parseServerId(server).ok) return NOTHING_TAKEN;
  // Found out once; as long as the tip stays, that is known.
  const isKnown = isRaised(index, rewrittenAlarm(log, progress));
  const unread = isKnown ? null : await findUnread(ports, log, progress);
  if (unread === null) {
    index.transaction(() => raiseAlarm(index, rewrittenAlarm(log, progress), clock.wallMs()));
    return null;
  }
  const { commits } = unread;
  if (progress !== null) prepare(ports, { log, progress, unread }, writer);
  // The chain is handed on from chunk to chunk: another process may move the progress in the index meanwhile.
  let { chain } = unread;
  let accepted = 0;
  let quarantined = 0;
  const isAgain = progress === null && hasRefused(index, server);
  for await (const batches of readInChunks(ports, commits)) {
    const judged = await ingestChunk(ports, server, { batches, chain, writer, isAgain });
    // As long as nothing was accepted nobody is pinned, and the next batch may claim another key.
    chain = chain === null && judged.chain.seq === 0 ? null : judged.chain;
    accepted += judged.accepted.reduce((total, batch) => total + batch.lines.length, 0);
    quarantined += judged.refused.length;
  }
  const epoch = findPeer(ports.state, server)?.history.epoch ?? "";
  if ((progress?.seq ?? 0) === 0 && epoch !== "") {
    writer.add(0, () => markOlderHistory(index, server, epoch));
  }
  return { taken: true, accepted, quarantined };
}

/** What comes before reading on. */
function prepare(
  { index, store, clock }: ReceivePorts,
  { log, progress, unread }: { readonly log: Log; readonly progress: Progress; readonly unread: Unread },
  writer: IndexWriter,
): void {
  const { server, tip } = log;
  // First of all: from here on nothing else may hold what the shortened log leaves out.
  if (unread.isShortened) keepFormer(store, server, progress.tip);
  if (unread.missed > 0) writer.add(0, () => raiseGap(index, log, { ...unread, nowWallMs: clock.wallMs() }));
  if (unread.commits.length === 0) writer.add(0, () => saveProgress(index, server, { ...progress, tip }));
}

/** What nobody can bring back is told for so long. Chosen, not measured. */
export const GAP_TOLD_MS = 7 * 24 * 3_600_000;

function raiseGap(index: Database, { server }: Log, gap: { missed: number; nowWallMs: number }): void {
  const detail = `${gap.missed} of its entries were removed from its log before this server had read them`;
  // Listed from the second time on; this one is no chance.
  for (let time = 0; time < 2; time += 1) raiseAlarm(index, { server, kind: GAP, detail }, gap.nowWallMs);
}

/** Epochs before the one in which history ends are history as a whole; lines only know their own epoch. */
function markOlderHistory(index: Database, server: string, epoch: string): void {
  const sql = `UPDATE entries SET history = 1 WHERE writer = ? AND history = 0 AND position <
    (SELECT min(position) FROM entries WHERE writer = ? AND epoch = ?)`;
  index.run(sql, server, server, epoch);
}

const rewrittenAlarm = ({ server, tip }: Log, progress: Progress | null) => {
  const detail = `its log at ${tip} does not continue entry ${progress?.seq ?? 0} at ${progress?.tip ?? ""}`;
  return { server, kind: REWRITTEN, detail };
};

/** Some batches of a log, oldest first, and what is known of it before them (null: nothing). */
interface Chunk {
  readonly batches: readonly ReadBatch[];
  readonly chain: Chain | null;
  readonly writer: IndexWriter;
  /** Whether something of this log was refused when it was read before. */
  readonly isAgain: boolean;
}

async function ingestChunk(ports: ReceivePorts, server: string, chunk: Chunk): Promise<Judgement> {
  const { batches } = chunk;
  const judged = await judgeBatches(ports, server, { batches, known: chunk.chain });
  const nowWallMs = ports.clock.wallMs();
  const pin = judged.pin;
  if ((pin !== null || judged.handovers.length > 0) && server !== ports.identity.server) {
    ports.state.transaction(() => {
      if (pin !== null) pinPeer(ports.state, server, pin, nowWallMs);
      followHandovers(ports.state, server, judged.handovers, nowWallMs);
    });
    // Its operator's "no" came while it was read.
    if (findPeer(ports.state, server) === null) return judged;
  }
  const history = findPeer(ports.state, server)?.history ?? { epoch: "", seq: 0 };
  const reader = { server: ports.identity.server, groups: ports.groups, history, nowWallMs };
  const { chain } = judged;
  const bytes = batches.reduce((total, batch) => total + (batch.entries?.length ?? 0), 0);
  chunk.writer.add(bytes, () => {
    for (const one of judged.refused) addQuarantine(ports.index, { server, ...one }, nowWallMs);
    for (const batch of judged.accepted) insertLines(ports.index, server, batch.lines, reader);
    const places = chunk.isAgain ? judged.accepted.map(({ commit }) => commit) : [];
    removeQuarantine(ports.index, server, places);
    const tip = batches.at(-1)?.commit ?? "";
    const { epoch, seq, hash } = chain;
    // A key that nothing was accepted from is only a claim.
    const publicKey = seq === 0 ? "" : chain.publicKey;
    saveProgress(ports.index, server, { epoch, seq, hash, tip, publicKey });
  });
  return judged;
}
