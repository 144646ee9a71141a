// Databases whose bytes are not what SQLite wrote, read with and without SQLite.
import { Database as Sqlite } from "bun:sqlite";
import { afterAll, describe, expect, test } from "bun:test";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findSilentDamage, requireWholeState } from "../../../src/platform/check-database.ts";
import { readHolder, tryLock, writeHolder } from "../../../src/platform/process-lock.ts";
import { salvageDatabase } from "../../../src/platform/salvage-database.ts";
import { openDatabase } from "../../../src/platform/sqlite-database.ts";
import { findWalDamage, readWal } from "../../../src/platform/sqlite-wal.ts";

const folder = mkdtempSync(join(tmpdir(), "fleetd-damaged-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let count = 0;
const newPath = (): string => {
  count += 1;
  return join(folder, `database-${count}`);
};

const ROWS = 500;
/** Some values are longer than a page. */
const textOf = (number: number): string => `${number} `.repeat(number % 50 === 0 ? 3_000 : 5);

/** A database with rows of every kind; `open`: it is copied with its WAL, as after a kill. */
function makeDatabase(open: boolean): string {
  const path = newPath();
  const sqlite = new Sqlite(path, { create: true });
  sqlite.run("PRAGMA journal_mode = WAL");
  sqlite.run("CREATE TABLE rows(number INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT, real REAL, bytes BLOB)");
  sqlite.run("CREATE TABLE words(word TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID");
  for (let number = 1; number <= ROWS; number += 1) {
    sqlite.run("INSERT INTO rows(text, real, bytes) VALUES(?, ?, ?)", [
      textOf(number),
      number / 3,
      new Uint8Array([1, number & 255]),
    ]);
    sqlite.run("INSERT INTO words VALUES(?, ?)", [`word ${number}`, -number]);
  }
  sqlite.run("DELETE FROM rows WHERE number = 7");
  if (!open) {
    sqlite.close();
    return path;
  }
  const copy = newPath();
  for (const suffix of ["", "-wal", "-shm"]) cpSync(path + suffix, copy + suffix);
  sqlite.close();
  return copy;
}

const numbersIn = (path: string): Set<number> =>
  new Set(
    salvageDatabase(path).cells.flatMap(({ rowid, values }) =>
      rowid !== null && values.length === 4 && typeof values[1] === "string" && typeof values[2] === "number"
        ? [rowid]
        : [],
    ),
  );

describe("salvageDatabase()", () => {
  for (const open of [false, true]) {
    const where = open ? "with its WAL" : "that was closed";
    test(`reads every row of a whole database ${where}, and none that was deleted`, () => {
      const path = makeDatabase(open);
      const { cells, damagedPages, isNewest } = salvageDatabase(path);
      expect({ damagedPages, isNewest }).toEqual({ damagedPages: 0, isNewest: true });
      const found = cells.find(({ rowid, values }) => rowid === 50 && values.length === 4);
      expect(found?.values).toEqual([null, textOf(50), 50 / 3, new Uint8Array([1, 50])]);
      expect(
        cells.some(({ rowid, values }) => rowid === null && values[0] === "word 3" && values[1] === -3),
      ).toBe(true);
      expect(numbersIn(path).size).toBe(ROWS - 1);
      expect(numbersIn(path).has(7)).toBe(false);
    });
  }

  test("reads what other pages hold when one is damaged, also the first", () => {
    const path = makeDatabase(false);
    const bytes = readFileSync(path);
    for (const page of [0, 5]) bytes.fill(0, page * 4096, (page + 1) * 4096);
    writeFileSync(path, bytes);
    expect(() => openDatabase(path, { create: false, durability: "full" })).toThrow(/Cannot use database/);
    const salvaged = salvageDatabase(path);
    expect(salvaged.isNewest).toBe(false);
    expect(numbersIn(path).size).toBeGreaterThan(ROWS / 2);
  });

  test("reads what is left of a file that was cut off, and nothing from an empty one", () => {
    const path = makeDatabase(false);
    truncateSync(path, Math.floor(readFileSync(path).length / 2));
    expect(numbersIn(path).size).toBeGreaterThan(10);
    truncateSync(path, 0);
    expect(salvageDatabase(path)).toMatchObject({ cells: [], isNewest: false });
  });

  test("survives any bytes", () => {
    const path = makeDatabase(true);
    const whole = readFileSync(path);
    for (let seed = 1; seed <= 10; seed += 1) {
      const bytes = Buffer.from(whole);
      for (let at = 0; at < 200; at += 1) {
        bytes[(seed * 7919 + at * 104_729) % bytes.length] = (seed * 31 + at * 17) & 255;
      }
      writeFileSync(path, bytes);
      expect(salvageDatabase(path).cells.length).toBeGreaterThan(0);
    }
  });
});

describe("a WAL file", () => {
  test("is whole after a kill, also where its last transaction was cut off", () => {
    const wal = readFileSync(`${makeDatabase(true)}-wal`);
    expect(findWalDamage(wal, true)).toBeNull();
    expect(findWalDamage(wal.subarray(0, wal.length - 100), true)).toBeNull();
    expect(readWal(wal).frames.length).toBeGreaterThan(10);
  });

  test("is damaged where its header is, or something is wrong before the last transaction", () => {
    const path = makeDatabase(true);
    const wal = readFileSync(`${path}-wal`);
    const flipped = Buffer.from(wal);
    flipped[32 + 24 + 100] = (flipped[32 + 24 + 100] ?? 0) ^ 1;
    expect(findWalDamage(flipped, true)).not.toBeNull();
    expect(findWalDamage(Buffer.alloc(wal.length), true)).not.toBeNull();
    const headless = Buffer.from(wal);
    headless.fill(0, 0, 32);
    writeFileSync(`${path}-wal`, headless);
    // Every frame bears the salt, so they are read all the same.
    expect(numbersIn(path).size).toBe(ROWS - 1);
  });

  test("with a hole is what a power cut left, where no index of it says otherwise", () => {
    const path = makeDatabase(true);
    const whole = readFileSync(`${path}-wal`);
    const frameBytes = 24 + 4096;
    const stale = Buffer.from(whole);
    // A block of the disk with the beginning of a frame in it, as an earlier generation left it.
    const block = Math.ceil((32 + 7 * frameBytes) / 4096) * 4096;
    for (let at = block; at < block + 4096; at += 1) stale[at] = (at * 31) & 255;
    const holes = [32 + 5 * frameBytes, 32 + 170 * frameBytes].map((at) => {
      const zeroed = Buffer.from(whole);
      const start = Math.ceil(at / 4096) * 4096;
      return zeroed.fill(0, start, start + 2 * 4096);
    });
    for (const holed of [stale, ...holes]) {
      expect(findWalDamage(holed, true)).toBeNull();
      expect(findWalDamage(holed, false)).not.toBeNull();
      writeFileSync(`${path}-wal`, holed);
      expect(findSilentDamage(path)).toBe("its WAL file is damaged");
      const without = newPath();
      for (const suffix of ["", "-wal"]) cpSync(path + suffix, without + suffix);
      requireWholeState(without);
    }
  });

  test("with a single bit that is not as it was written is damaged, wherever it is", () => {
    const wal = readFileSync(`${makeDatabase(true)}-wal`);
    for (let place = 1; place < 40; place += 1) {
      const flipped = Buffer.from(wal);
      const at = 32 + 24 + place * 4001;
      flipped[at] = (flipped[at] ?? 0) ^ 16;
      expect(findWalDamage(flipped, true)).toBe("its WAL file is damaged");
    }
  });

  test("that was cut off is missed by its index", () => {
    const path = makeDatabase(true);
    truncateSync(`${path}-wal`, 32 + 3 * (24 + 4096));
    expect(findSilentDamage(path)).toBe("its WAL file was cut off");
    // SQLite would take what is left, and nobody would hear of the rest.
    expect(() => requireWholeState(path)).toThrow(/its WAL file was cut off/);
  });

  test("and its index need not be there, and nothing is said of a whole one", () => {
    const path = makeDatabase(true);
    expect(findSilentDamage(path)).toBeNull();
    rmSync(`${path}-shm`);
    mkdirSync(`${path}-shm`);
    requireWholeState(path);
    expect(existsSync(`${path}-shm`)).toBe(false);
  });
});

describe("a lock file", () => {
  test("that something wrote into is emptied, and who holds it still does", () => {
    const path = newPath();
    writeFileSync(path, "no database, and long enough to be looked at as one");
    const lock = tryLock(path);
    expect(lock).not.toBeNull();
    writeFileSync(path, "written into while it is held, by whatever it was");
    expect(tryLock(path)).toBeNull();
    lock?.release();
    tryLock(path)?.release();
  });

  test("an empty folder in its place, or in that of its holder, goes", () => {
    const path = newPath();
    mkdirSync(path);
    mkdirSync(`${path}.json`);
    const lock = tryLock(path);
    writeHolder(path, { pid: 1, startedWallMs: 2 });
    expect(readHolder(path)).toEqual({ pid: 1, startedWallMs: 2 });
    lock?.release();
  });

  test("a folder with something in it stays", () => {
    const path = newPath();
    mkdirSync(path);
    writeFileSync(join(path, "kept"), "");
    expect(() => tryLock(path)).toThrow(/Cannot lock/);
  });
});
