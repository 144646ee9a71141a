/**
 * What an operator decided stands in three tables of `state.db` and nowhere else: whose key counts, who was left out, a
 * pause. Of a damaged file it is not enough that rows of them are found; that none is missing has to be known.
 */
import { copyFileSync } from "node:fs";
import type { Database } from "../../base/ports/database.ts";
import { findSilentDamage } from "../../platform/check-database.ts";
import { exists, removeTree } from "../../platform/files.ts";
import { openDatabase } from "../../platform/sqlite-database.ts";

const TABLES = ["settings", "peers", "trust"] as const;

/**
 * Whether `state` has all decisions that the damaged file at `path` had: SQLite reads these tables from end to end, and
 * finds there what was salvaged. It reads a copy at `copy`, since it would write to the file it opens.
 */
export function hasEveryDecision(state: Database, path: string, copy: string): boolean {
  if (findSilentDamage(path) !== null) return false;
  try {
    for (const suffix of ["", "-wal"]) if (exists(path + suffix)) copyFileSync(path + suffix, copy + suffix);
    const damaged = openDatabase(copy, { create: false, durability: "process" });
    try {
      return TABLES.every(
        (table) => isWhole(damaged, table) && rowsOf(damaged, table) === rowsOf(state, table),
      );
    } finally {
      damaged.close();
    }
  } catch {
    // The tree that leads to them is what is damaged.
    return false;
  } finally {
    for (const suffix of ["", "-wal", "-shm"]) removeTree(copy + suffix);
  }
}

function isWhole(database: Database, table: string): boolean {
  const found = database.all<{ integrity_check: string }>(`PRAGMA integrity_check(${table})`);
  return found.length === 1 && found[0]?.integrity_check === "ok";
}

const rowsOf = (database: Database, table: string): string =>
  JSON.stringify(database.all(`SELECT * FROM ${table} ORDER BY 1`));
