import type { Database } from "../../base/ports/database.ts";

/** Gathers what several chunks put into the index: one transaction for many logs writes each page of it once. */
export interface IndexWriter {
  /** `bytes`: how much `write` keeps in memory until then. Writes of one log are made in the order of their adding. */
  add(bytes: number, write: () => void): void;
  commit(): void;
}

/** Chosen: some 5,000 usual entries; a transaction of as many takes 50 ms. */
const TRANSACTION_BYTES = 2 * 1024 * 1024;

/**
 * For as long as much is written: ids come in no order, so each transaction touches pages all over the index, and
 * with SQLite's own 2 MB and 1,000 pages most of them would be read and copied again and again.
 */
const BULK = ["PRAGMA main.cache_size = -24576", "PRAGMA wal_autocheckpoint = 10000"];
/** SQLite's own, and the memory given back. */
const USUAL = ["PRAGMA main.cache_size = -2000", "PRAGMA wal_autocheckpoint = 1000", "PRAGMA shrink_memory"];

/** A writer for one round of receiving; its owner commits at the end. */
export function createIndexWriter(index: Database): IndexWriter {
  let waiting: (() => void)[] = [];
  let waitingBytes = 0;
  let isBulk = false;
  const flush = (): void => {
    const writes = waiting;
    waiting = [];
    waitingBytes = 0;
    if (writes.length > 0) index.transaction(() => writes.forEach((write) => void write()));
  };
  return {
    add(bytes, write) {
      waiting.push(write);
      waitingBytes += bytes;
      if (waitingBytes < TRANSACTION_BYTES) return;
      if (!isBulk) for (const pragma of BULK) index.run(pragma);
      isBulk = true;
      flush();
    },
    commit() {
      try {
        flush();
      } finally {
        if (isBulk) for (const pragma of USUAL) index.run(pragma);
        isBulk = false;
      }
    },
  };
}
