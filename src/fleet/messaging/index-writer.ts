import type { Database } from "../../base/ports/database.ts";

/** Gathers what several chunks put into the index: one transaction for many logs writes each page of it once. */
export interface IndexWriter {
  /** `bytes`: how much `write` keeps in memory until then. Writes of one log are made in the order of their adding. */
  add(bytes: number, write: () => void): void;
  commit(): void;
}

/** Chosen: some 5,000 usual entries; a transaction of as many takes 50 ms. */
const TRANSACTION_BYTES = 2 * 1024 * 1024;

/** A writer for one round of receiving; its owner commits at the end. */
export function createIndexWriter(index: Database): IndexWriter {
  let waiting: (() => void)[] = [];
  let waitingBytes = 0;
  const commit = (): void => {
    const writes = waiting;
    waiting = [];
    waitingBytes = 0;
    if (writes.length > 0) index.transaction(() => writes.forEach((write) => void write()));
  };
  return {
    add(bytes, write) {
      waiting.push(write);
      waitingBytes += bytes;
      if (waitingBytes >= TRANSACTION_BYTES) commit();
    },
    commit,
  };
}
