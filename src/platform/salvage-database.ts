import { readFileSync, statSync } from "node:fs";
import { type Cell, pagesOf, readCells } from "./sqlite-pages.ts";
import { readWal, type WalFrame } from "./sqlite-wal.ts";

/** What could be read of a damaged database and its WAL. */
export interface Salvaged {
  /** Rows, the newest version of each first. */
  readonly cells: readonly Cell[];
  readonly pages: number;
  readonly damagedPages: number;
  /** Whether the newest version of everything that was found is known to be the newest that there was. */
  readonly isNewest: boolean;
}

/** Reads every row that is left in the database `path` and its WAL; neither is touched. */
export function salvageDatabase(path: string): Salvaged {
  const file = readWhole(path);
  const { frames, damage } = readWal(readWhole(`${path}-wal`));
  const newest = readCells(pagesOf(file, latest(frames)));
  const cells = [...newest.cells];
  const damaged = newest.damagedPages;
  if (damage !== null && damaged.size > 0) {
    // Where a page of later is damaged, what it was before is better than nothing.
    const trusted = frames.filter(({ isTrusted }) => isTrusted);
    cells.push(...readCells(pagesOf(file, latest(trusted)), damaged).cells);
    cells.push(...readCells(pagesOf(file, new Map()), damaged).cells);
  }
  return {
    cells,
    pages: pagesOf(file, latest(frames)).length,
    damagedPages: damaged.size,
    isNewest: damage === null && newest.isFreeKnown,
  };
}

const latest = (frames: readonly WalFrame[]): Map<number, Uint8Array> =>
  new Map(frames.map(({ page, content }) => [page, content]));

function readWhole(path: string): Uint8Array {
  const found = statSync(path, { throwIfNoEntry: false });
  return found?.isFile() === true ? readFileSync(path) : new Uint8Array(0);
}
