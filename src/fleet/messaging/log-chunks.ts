/** Reading many commits of a log a part at a time, so that memory stays bounded whatever they hold. */
import { type JudgePorts, type ReadBatch, readBatches } from "./judge-log.ts";

/** One server's log, and the commit it ends with. */
export interface Log {
  readonly server: string;
  readonly tip: string;
  /**
   * Of a log that was accepted before, as it is kept here: the keys it may be signed with. It need not come to the key
   * that counts now.
   */
  readonly keys?: readonly string[];
}

/**
 * What a chunk should hold. A million messages in batches of a thousand took 1.8 GB of memory with 400 commits at a
 * time; what is read becomes several times as large when it is judged.
 */
const CHUNK_BYTES = 4 * 1024 * 1024;

/** Batches of a chunk at most, also where the ones before were small: the next ones may have 4 MiB each. Chosen. */
const CHUNK_COMMITS_MAX = 128;
const FIRST_CHUNK_COMMITS = 16;

/** Reads the batches of `commits` in their order, in chunks. */
export async function* readInChunks(
  ports: JudgePorts,
  commits: readonly string[],
): AsyncGenerator<readonly ReadBatch[]> {
  let count = FIRST_CHUNK_COMMITS;
  for (let start = 0; start < commits.length; ) {
    const batches = await readBatches(ports, commits.slice(start, start + count));
    yield batches;
    start += batches.length;
    count = nextCount(batches);
  }
}

/** How many batches like these fit into a chunk. */
export function nextCount(batches: readonly ReadBatch[]): number {
  const bytes = batches.reduce((total, { entries }) => total + (entries?.length ?? 0), 0);
  const fitting = Math.floor((CHUNK_BYTES * batches.length) / Math.max(1, bytes));
  return Math.max(1, Math.min(CHUNK_COMMITS_MAX, fitting));
}
