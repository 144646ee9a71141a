import type { LogHead } from "../../src/fleet/messaging/build-batch.ts";
import { type BuiltLog, buildShortened, type CompactPorts } from "../../src/fleet/messaging/compact-log.ts";
import type { CompactionPlan, CompactionRules } from "../../src/fleet/messaging/compaction-plan.ts";
import { pushShortened, type ShortenedEnd } from "../../src/fleet/messaging/push-shortened.ts";
import { confirmedBatch } from "../../src/fleet/messaging/take-back.ts";
import { FACTS, type MemoryServer, PATIENTLY } from "./memory-fleet.ts";

/** Whatever all have read may go. */
export const EAGER: CompactionRules = { enabled: true, every: 1, keep: 0, entries: 0, live: 1e9, batches: 1 };

/** What a server shortens its log with. */
export const compactPorts = (server: MemoryServer): CompactPorts => ({
  ...server.sendPorts,
  index: server.index,
});

/** A plan that removes the first `batches` batches of the log as it is now, whoever has read them. */
export function planOf(server: MemoryServer, batches: number): CompactionPlan {
  const rows = server.state.all<{ commit_id: string; head: string }>(
    "SELECT commit_id, head FROM batches WHERE state = 'pushed' ORDER BY number",
  );
  const cut = rows[batches - 1];
  const confirmed = confirmedBatch(server.state);
  if (cut === undefined || confirmed?.head == null) throw new Error(`there are no ${batches} batches`);
  return {
    cut: cut.commit_id,
    cutHead: JSON.parse(cut.head) as LogHead,
    tip: confirmed.tip,
    head: confirmed.head,
    batches,
    kept: rows.length - batches,
    heldBy: "",
  };
}

export const buildMemory = (server: MemoryServer, batches: number): Promise<BuiltLog> =>
  buildShortened(compactPorts(server), planOf(server, batches));

/** Shortens the log of a server by its first `batches` batches. @throws unless the remote takes it */
export async function compactMemory(server: MemoryServer, batches: number): Promise<BuiltLog> {
  const built = await buildMemory(server, batches);
  const end: ShortenedEnd = await pushShortened(server.sendPorts, FACTS, built, PATIENTLY);
  if (end.kind !== "done") throw new Error(`not shortened: ${JSON.stringify(end)}`);
  return built;
}

/** How many batches the own log has, as far as the state still names them. */
export const countBatches = (server: MemoryServer): number =>
  server.state.get<{ count: number }>("SELECT count(*) AS count FROM batches WHERE state = 'pushed'")
    ?.count ?? 0;

/** What an index holds of one writer, without what differs from look to look. */
export const entriesOf = (reader: MemoryServer, writer: string): Record<string, unknown>[] =>
  reader.index.all(
    `SELECT epoch, seq, hash, id, type, to_me, direct, history, thread, json FROM entries
     WHERE writer = ? AND type <> 'compacted' ORDER BY position`,
    writer,
  );
