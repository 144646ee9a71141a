import { constants, type SQLQueryBindings, Database as Sqlite } from "bun:sqlite";
import { accessSync, constants as modes, statSync } from "node:fs";
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";
import { causedBy, DAMAGE_HINT, DamagedDataError, type FleetError, messageOf } from "../base/errors.ts";
import type { Database, SqlRow, SqlValue } from "../base/ports/database.ts";
import { findAccessProblem } from "./access.ts";
import { hasCode, isDenied } from "./io-error.ts";

/** How much a committed transaction must survive: a power cut (`full`), or only the death of the process. */
export type Durability = "full" | "process";

/** How long a statement waits for another process's transaction, unless told otherwise. Ours take milliseconds; chosen, not measured. */
const BUSY_TIMEOUT_MS = 10_000;

/** What a WAL that is begun anew may keep of its size: what it has when SQLite does that by itself (1,000 pages of 4 KiB). */
const WAL_BYTES_MAX = 4_194_304;

/**
 * Prepared statements that are kept per connection; Bun keeps 20 if not told otherwise. Of 40 in turn each took 25 µs with
 * that, and 1.4 to 3.2 µs with all of them kept.
 */
Sqlite.MAX_QUERY_CACHE_SIZE = 200;

/** How a file is opened. */
export interface OpenOptions {
  readonly create: boolean;
  readonly durability: Durability;
  /**
   * Somebody may put another file in its place while it is open here. SQLite removes a WAL file by its name when the last
   * one closes its database, and would then take away that of the new one; so it is left lying.
   */
  readonly replaceable?: boolean;
  /** How long a statement waits for another process's transaction; everything waits with it. */
  readonly busyMs?: number;
}

/**
 * Opens (and with `create` makes) a SQLite file in WAL mode.
 * @throws FleetError IO naming the file, when it cannot be opened or is no database
 */
export function openDatabase(path: string, options: OpenOptions): Database {
  try {
    if (isFrozen(path)) return openFrozen(path);
    const sqlite = new Sqlite(path, { create: options.create, readwrite: true, strict: true });
    if (options.replaceable === true) leaveWal(sqlite);
    sqlite.run(`PRAGMA busy_timeout = ${options.busyMs ?? BUSY_TIMEOUT_MS}`);
    const mode = sqlite.query<{ journal_mode: string }, []>("PRAGMA journal_mode").get()?.journal_mode;
    if (mode !== "wal") sqlite.run("PRAGMA journal_mode = WAL");
    const synchronous = options.durability === "full" ? "FULL" : "NORMAL";
    sqlite.run(`PRAGMA synchronous = ${synchronous}`);
    return new SqliteDatabase(sqlite, { path, synchronous });
  } catch (thrown) {
    throw toIoError(path, thrown);
  }
}

/**
 * Lets the WAL file lie when the database is closed. With a limit, SQLite empties it then (by its handle, not by its name):
 * one with content would have to be played before anybody can read, which a disk that may only be read does not let.
 */
function leaveWal(sqlite: Sqlite): void {
  sqlite.fileControl(constants.SQLITE_FCNTL_PERSIST_WAL, 1);
  sqlite.run(`PRAGMA journal_size_limit = ${WAL_BYTES_MAX}`);
}

/**
 * SQLite makes a file beside a WAL database to read it, which a disk that may only be read does not let it. Nobody can
 * change the database then either, so it is read as it stands, unless a WAL beside it has more to say.
 */
function isFrozen(path: string): boolean {
  if ((statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0) return false;
  try {
    accessSync(dirname(path), modes.W_OK);
    return false;
  } catch (thrown) {
    return hasCode(thrown, "EROFS") && statSync(path, { throwIfNoEntry: false }) !== undefined;
  }
}

const frozenName = (path: string): string => `${pathToFileURL(path).href}?immutable=1`;

function openFrozen(path: string): Database {
  const sqlite = new Sqlite(frozenName(path), constants.SQLITE_OPEN_READONLY | constants.SQLITE_OPEN_URI);
  return new SqliteDatabase(sqlite, { path, synchronous: "FULL" });
}

/** The name under which another database attaches the file at `path`. */
export const attachedName = (path: string): string => (isFrozen(path) ? frozenName(path) : path);

/** Whether what `openDatabase`, a statement or a reader of a row threw says that the file itself is damaged. */
export function isDamage(thrown: unknown): boolean {
  const cause = thrown instanceof Error ? thrown.cause : null;
  if (cause instanceof DamagedDataError) return true;
  return cause instanceof Error && "code" in cause && /^SQLITE_(?:NOTADB|CORRUPT)/.test(String(cause.code));
}

/**
 * Whether a statement failed because the file was opened for reading alone: SQLite falls back to that in silence when it may
 * not be opened for writing, also for a moment, and keeps to it until the file is opened again.
 */
export function isReadOnly(thrown: unknown): boolean {
  const cause = thrown instanceof Error ? thrown.cause : null;
  return cause instanceof Error && "code" in cause && String(cause.code).startsWith("SQLITE_READONLY");
}

class SqliteDatabase implements Database {
  readonly #sqlite: Sqlite;
  readonly #path: string;
  readonly #synchronous: string;

  constructor(sqlite: Sqlite, options: { path: string; synchronous: string }) {
    this.#sqlite = sqlite;
    this.#path = options.path;
    this.#synchronous = options.synchronous;
  }

  run(sql: string, ...parameters: SqlValue[]): number {
    return this.#guard(() => this.#sqlite.query<SqlRow, SQLQueryBindings[]>(sql).run(...parameters).changes);
  }

  all<Row extends SqlRow>(sql: string, ...parameters: SqlValue[]): Row[] {
    return this.#guard(() => this.#sqlite.query<Row, SQLQueryBindings[]>(sql).all(...parameters));
  }

  get<Row extends SqlRow>(sql: string, ...parameters: SqlValue[]): Row | null {
    return this.#guard(() => this.#sqlite.query<Row, SQLQueryBindings[]>(sql).get(...parameters) ?? null);
  }

  transaction<T>(body: () => T): T {
    this.run("BEGIN IMMEDIATE");
    try {
      const result = body();
      this.run("COMMIT");
      return result;
    } catch (thrown) {
      // On a full disk SQLite has done so by itself.
      if (this.#sqlite.inTransaction) this.run("ROLLBACK");
      throw thrown;
    }
  }

  relaxedTransaction<T>(body: () => T): T {
    this.run("PRAGMA synchronous = NORMAL");
    try {
      return this.transaction(body);
    } finally {
      this.run(`PRAGMA synchronous = ${this.#synchronous}`);
    }
  }

  close(): void {
    this.#sqlite.close();
  }

  #guard<T>(body: () => T): T {
    try {
      return body();
    } catch (thrown) {
      throw toIoError(this.#path, thrown);
    }
  }
}

/** SQLite's own words are kept; what it means for the operator is that the file cannot be used as it is. */
function toIoError(path: string, thrown: unknown): FleetError {
  const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
  const isRefused = /^SQLITE_(?:READONLY|CANTOPEN)/.test(code) || isDenied(thrown);
  const access = isRefused ? findAccessProblem(path) : null;
  const hint = access?.fix ?? HINTS.find(([known]) => code.startsWith(known))?.[1];
  const words = access?.evidence ?? messageOf(thrown);
  return causedBy("IO", `Cannot use database "${path}": ${words}`, thrown, hint);
}

const OWNER = "Its folder has to belong to the user who runs fleetd, and to be writable";
const HINTS: readonly (readonly [code: string, hint: string])[] = [
  ["SQLITE_FULL", "Free some space where it is; nothing that was confirmed before is lost"],
  ["SQLITE_READONLY", OWNER],
  ["SQLITE_CANTOPEN", OWNER],
  ["SQLITE_NOTADB", DAMAGE_HINT],
  ["SQLITE_CORRUPT", DAMAGE_HINT],
];
