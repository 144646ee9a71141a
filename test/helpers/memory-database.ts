import { constants, type SQLQueryBindings, Database as Sqlite } from "bun:sqlite";
import { FleetError } from "../../src/base/errors.ts";
import type { Database, SqlRow, SqlValue } from "../../src/base/ports/database.ts";
import { prepareIndex, prepareState } from "../../src/fleet/messaging/mailbox-tables.ts";

const FLAGS = constants.SQLITE_OPEN_URI | constants.SQLITE_OPEN_READWRITE | constants.SQLITE_OPEN_CREATE;

/** SQLite without a file: the real SQL, no disk. `uri` lets a second connection of this process see the same tables. */
export class MemoryDatabase implements Database {
  readonly uri: string;
  /** How many transactions were committed so far: what a real database would have waited for the disk for. */
  commits = 0;
  readonly #sqlite: Sqlite;
  #trouble: string | null = null;
  #isLasting = false;

  constructor(uri?: string) {
    // Every connection of a process sees the same names, and a test file may follow another one in its process.
    this.uri = uri ?? `file:/fleetd-memory-${crypto.randomUUID()}?vfs=memdb`;
    this.#sqlite = new Sqlite(this.uri, FLAGS);
  }

  run(sql: string, ...parameters: SqlValue[]): number {
    if (this.#trouble !== null && sql.includes(this.#trouble)) {
      if (!this.#isLasting) this.#trouble = null;
      throw new FleetError("IO", "Cannot use database: disk I/O error");
    }
    return this.#sqlite.query<SqlRow, SQLQueryBindings[]>(sql).run(...parameters).changes;
  }

  all<Row extends SqlRow>(sql: string, ...parameters: SqlValue[]): Row[] {
    return this.#sqlite.query<Row, SQLQueryBindings[]>(sql).all(...parameters);
  }

  get<Row extends SqlRow>(sql: string, ...parameters: SqlValue[]): Row | null {
    return this.#sqlite.query<Row, SQLQueryBindings[]>(sql).get(...parameters) ?? null;
  }

  transaction<T>(body: () => T): T {
    this.#sqlite.run("BEGIN IMMEDIATE");
    try {
      const result = body();
      this.run("COMMIT");
      this.commits += 1;
      return result;
    } catch (thrown) {
      this.#sqlite.run("ROLLBACK");
      throw thrown;
    }
  }

  relaxedTransaction<T>(body: () => T): T {
    return this.transaction(body);
  }

  close(): void {
    this.#sqlite.close();
  }

  /** The next statement with `part` in it fails as on a full disk. `"COMMIT"`: a transaction that does not end well. */
  failOnce(part: string): void {
    [this.#trouble, this.#isLasting] = [part, false];
  }

  /** Every statement with `part` in it fails, until `null`. */
  failAlways(part: string | null): void {
    [this.#trouble, this.#isLasting] = [part, true];
  }

  /** Takes over all rows of another database with the same tables. */
  copyFrom(other: MemoryDatabase): void {
    for (const [table, rows] of Object.entries(other.dump())) {
      this.run(`DELETE FROM ${table}`);
      for (const row of rows) {
        const names = Object.keys(row);
        const marks = names.map(() => "?").join(", ");
        this.run(`INSERT INTO ${table}(${names.join(", ")}) VALUES(${marks})`, ...Object.values(row));
      }
    }
  }

  /** All rows of all tables but SQLite's own, to compare before with after. */
  dump(): Record<string, SqlRow[]> {
    const tables = this.all<{ name: string }>(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name",
    );
    return Object.fromEntries(tables.map(({ name }) => [name, this.all(`SELECT * FROM ${name}`)]));
  }
}

/** A new `state.db`. */
export function memoryState(): MemoryDatabase {
  const state = new MemoryDatabase();
  prepareState(state);
  return state;
}

/** A new `index.db` that sees `state` as `mine`. */
export function memoryIndex(state: MemoryDatabase): MemoryDatabase {
  const index = new MemoryDatabase();
  prepareIndex(index);
  index.run("ATTACH DATABASE ? AS mine", state.uri);
  return index;
}
