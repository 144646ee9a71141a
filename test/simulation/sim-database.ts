/**
 * A database file of a simulated machine: real SQLite in memory, which knows what a power cut would leave of it.
 *
 * A transaction that was committed survives the death of its process. A power cut takes a relaxed one (and all relaxed
 * ones after it) unless a durable one has followed: that is what SQLite promises of a write-ahead log that is synced at
 * durable commits only. Copies of the past cost time, so they are kept only while a power cut is ahead.
 */
import { constants, type SQLQueryBindings, Database as Sqlite, type Statement } from "bun:sqlite";
import { FleetError } from "../../src/base/errors.ts";
import type { Database, SqlRow, SqlValue } from "../../src/base/ports/database.ts";
import type { Life } from "./life.ts";

type Dump = readonly { readonly table: string; readonly rows: readonly SqlValue[][] }[];
type Query = Statement<SqlRow, SQLQueryBindings[]>;

/** A query with what it found, by its parameters; good for as long as its tables stay as they were. */
interface Reading {
  readonly query: Query;
  readonly tables: readonly string[] | null;
  readonly isByKey: boolean;
  readonly known: Map<unknown, { stamp: number; found: unknown }>;
}

const FLAGS = constants.SQLITE_OPEN_URI | constants.SQLITE_OPEN_READWRITE | constants.SQLITE_OPEN_CREATE;
const TABLES =
  "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_stat%' ORDER BY name";
/** So many states between two durable ones are remembered; chosen, a push has some four. */
const REMEMBERED_MAX = 12;

let made = 0;

/** See the head of this file. One life at a time writes to it, through `portOf`. */
export class SimFile {
  /** Every transaction counts as relaxed: a database that was told not to wait for the disk. */
  isForgetful = false;
  /** A transaction with a statement that starts so counts as relaxed. */
  forgets: string | null = null;
  /** The disk takes nothing while this is set. */
  isFull = false;
  /** Whom an automatic answer is to, once it is committed. */
  onAnswer: (peer: string) => void = () => undefined;
  readonly uri: string;
  readonly #sqlite: Sqlite;
  readonly #queries = new Map<string, Query>();
  readonly #readings = new Map<string, Reading>();
  /** How often each table was written to, and all of them together. */
  readonly #writes = new Map<string, number>();
  /** Those of them that may have been to any row, and those to one row. */
  readonly #bulkWrites = new Map<string, number>();
  readonly #rowWrites = new Map<string, number>();
  #epoch = 0;
  readonly #answers: string[] = [];
  #isOpen = false;
  #isForgotten = false;
  #past: Dump[] | null = null;

  constructor(prepare: (database: Database) => void) {
    made += 1;
    this.uri = `file:/fleetd-simulated-${made}?vfs=memdb`;
    this.#sqlite = new Sqlite(this.uri, FLAGS);
    prepare(this.#plain());
  }

  /** Another file of the same machine, seen as `mine`. */
  attach(other: SimFile): void {
    this.#sqlite.query("ATTACH DATABASE ? AS mine").run(other.uri);
  }

  /** The file as one process has it open. */
  portOf(life: Life): Database {
    return {
      run: (sql, ...parameters) => {
        life.call();
        return this.#run(sql, parameters);
      },
      all: <Row extends SqlRow>(sql: string, ...parameters: SqlValue[]) => {
        life.call();
        return this.#read(sql, parameters, (query) => query.all(...parameters)) as Row[];
      },
      get: <Row extends SqlRow>(sql: string, ...parameters: SqlValue[]) => {
        life.call();
        return (this.#read(sql, parameters, (query) => query.get(...parameters)) ?? null) as Row | null;
      },
      transaction: (body) => this.#transact(life, body, this.isForgetful),
      relaxedTransaction: (body) => this.#transact(life, body, true),
      close: () => undefined,
    };
  }

  /** As a file that was just made. */
  clear(): void {
    this.restore();
    this.isForgetful = false;
    this.forgets = null;
    this.isFull = false;
    this.onAnswer = () => undefined;
    this.#past = null;
    this.#answers.length = 0;
    for (const { known } of this.#readings.values()) known.clear();
  }

  /** What the file holds, for whoever looks at it from outside. */
  ask<Row extends SqlRow>(sql: string, ...parameters: SqlValue[]): Row[] {
    return this.#query(sql).all(...parameters) as Row[];
  }

  /** A power cut is ahead: from now on it is known what it would take. */
  arm(): void {
    this.#past ??= [];
  }

  /** A power cut. `choose` says which of so many states is found afterwards, the newest last. */
  losePower(choose: (count: number) => number): void {
    const past = this.#past ?? [];
    this.#past = null;
    const found = past[choose(past.length + 1)];
    if (found !== undefined) this.restore(found);
  }

  /** What somebody does who forgets the batches that nobody confirmed, and queues what was in them again. */
  forgetBuilt(): void {
    const confirmed = this.ask<{ head: string }>(
      "SELECT head FROM batches WHERE state = 'pushed' ORDER BY number DESC LIMIT 1",
    );
    this.#query(
      "UPDATE outbox SET state = 'queued', batch = NULL, epoch = NULL, seq = NULL WHERE state = 'built'",
    ).run();
    this.#query("DELETE FROM batches WHERE state <> 'pushed'").run();
    this.#query("DELETE FROM settings WHERE key = 'head'").run();
    const [last] = confirmed;
    if (last !== undefined) this.#query("INSERT INTO settings(key, value) VALUES('head', ?)").run(last.head);
    this.#changed();
  }

  /** All rows of all tables. */
  dump(): Dump {
    return this.ask<{ name: string }>(TABLES).map(({ name }) => ({
      table: name,
      rows: this.#query(`SELECT * FROM ${name}`).values() as SqlValue[][],
    }));
  }

  /** Makes the file what `dump` found; no rows of any table if nothing is given. */
  restore(dump: Dump = []): void {
    this.#changed();
    this.#sqlite.run("BEGIN IMMEDIATE");
    // The counters of automatic numbers come last: filling the tables moves them.
    const tables = this.ask<{ name: string }>(TABLES).map(({ name }) => name);
    for (const table of tables.filter((name) => name !== "sqlite_sequence").concat("sqlite_sequence")) {
      if (!tables.includes(table)) continue;
      this.#query(`DELETE FROM ${table}`).run();
      const [first, ...rest] = dump.find((one) => one.table === table)?.rows ?? [];
      if (first === undefined) continue;
      const insert = this.#query(`INSERT INTO ${table} VALUES(${first.map(() => "?").join(", ")})`);
      for (const row of [first, ...rest]) insert.run(...row);
    }
    this.#sqlite.run("COMMIT");
  }

  #transact<T>(life: Life, body: () => T, isAskedRelaxed: boolean): T {
    life.call();
    const before = this.#past === null || !(isAskedRelaxed || this.forgets !== null) ? null : this.dump();
    this.#isForgotten = false;
    this.#query("BEGIN IMMEDIATE").run();
    this.#isOpen = true;
    try {
      const result = body();
      life.call();
      if (this.isFull) throw diskFull();
      this.#query("COMMIT").run();
      this.#isOpen = false;
      if (!(isAskedRelaxed || this.#isForgotten)) this.#past?.splice(0);
      else if (before !== null) this.#remember(before);
      for (const answer of this.#answers.splice(0)) this.onAnswer(answer);
      life.call();
      return result;
    } catch (thrown) {
      if (this.#isOpen) {
        this.#isOpen = false;
        this.#answers.length = 0;
        this.#query("ROLLBACK").run();
        this.#changed();
      }
      throw thrown;
    }
  }

  #run(sql: string, parameters: readonly SqlValue[]): number {
    const query = this.#query(sql);
    if (sql.startsWith("PRAGMA")) {
      query.run();
      return 0;
    }
    if (!this.#isOpen && this.isFull) throw diskFull();
    if (this.forgets !== null && sql.startsWith(this.forgets)) this.#isForgotten = true;
    const { changes } = query.run(...parameters);
    if (changes > 0) this.#wrote(sql, parameters);
    if (sql.startsWith("INSERT INTO journal(")) this.#answers.push(String(parameters[0]));
    if (!this.#isOpen && !this.isForgetful) this.#past?.splice(0);
    return changes;
  }

  /** What was read is not read again before its tables are written to; what looks into another file always is. */
  #read(sql: string, parameters: readonly SqlValue[], read: (query: Query) => unknown): unknown {
    let reading = this.#readings.get(sql);
    if (reading === undefined) {
      reading = { query: this.#query(sql), ...sourceOf(sql), known: new Map() };
      this.#readings.set(sql, reading);
    }
    const { query, tables, isByKey, known } = reading;
    if (tables === null || parameters.includes(null)) return read(query);
    const stamp = this.#epoch + this.#stampOf(tables, isByKey ? parameters[0] : undefined);
    const key = parameters.length === 1 ? parameters[0] : parameters.join("\0");
    const last = known.get(key);
    if (last?.stamp === stamp) return last.found;
    const found = read(query);
    if (last === undefined) known.set(key, { stamp, found });
    else {
      last.stamp = stamp;
      last.found = found;
    }
    return found;
  }

  /** Rises with every write that could change what these tables, or the row of one with this key, say. */
  #stampOf(tables: readonly string[], key: SqlValue | undefined): number {
    if (key !== undefined) {
      const [table = ""] = tables;
      return (this.#bulkWrites.get(table) ?? 0) + (this.#rowWrites.get(`${table} ${key}`) ?? 0);
    }
    let stamp = 0;
    for (const table of tables) stamp += this.#writes.get(table) ?? 0;
    return stamp;
  }

  #wrote(sql: string, parameters: readonly SqlValue[]): void {
    const { table, keyAt } = targetOf(sql);
    if (table === null) {
      this.#changed();
      return;
    }
    const count = (writes: Map<string, number>, name: string): void => {
      writes.set(name, (writes.get(name) ?? 0) + 1);
    };
    count(this.#writes, table);
    if (keyAt === null) count(this.#bulkWrites, table);
    else count(this.#rowWrites, `${table} ${parameters[keyAt]}`);
  }

  /** Nothing that was read counts any more. */
  #changed(): void {
    this.#epoch += 1;
  }

  /** A relaxed transaction was committed; `before` may be all that is left of it. */
  #remember(before: Dump): void {
    const past = this.#past ?? [];
    past.push(before);
    // The oldest is what is on the disk; of the others any may go.
    if (past.length > REMEMBERED_MAX) past.splice(1, 1);
  }

  #query(sql: string): Query {
    const known = this.#queries.get(sql);
    if (known !== undefined) return known;
    const query = this.#sqlite.prepare<SqlRow, SQLQueryBindings[]>(sql);
    this.#queries.set(sql, query);
    return query;
  }

  /** For making the tables. */
  #plain(): Database {
    const transaction = <T>(body: () => T): T => this.#sqlite.transaction(body)();
    return {
      run: (sql, ...parameters) =>
        this.#sqlite.prepare<SqlRow, SQLQueryBindings[]>(sql).run(...parameters).changes,
      all: <Row extends SqlRow>(sql: string, ...parameters: SqlValue[]) => this.ask<Row>(sql, ...parameters),
      get: <Row extends SqlRow>(sql: string, ...parameters: SqlValue[]) =>
        this.ask<Row>(sql, ...parameters)[0] ?? null,
      transaction,
      relaxedTransaction: transaction,
      close: () => undefined,
    };
  }
}

const diskFull = (): FleetError => new FleetError("IO", "Cannot use database: database or disk is full");

/** What a query reads: its tables, null where nobody can tell or another file is asked, and whether one row by its key. */
function sourceOf(sql: string): Pick<Reading, "tables" | "isByKey"> {
  const names = [...sql.matchAll(/\b(?:FROM|JOIN)\s+([a-z_.]+)/g)].map(([, name = ""]) => name);
  const tables = names.length === 0 || names.some((name) => name.includes(".")) ? null : [...new Set(names)];
  const [, table = "", column = ""] = /^SELECT [^()]* FROM ([a-z]+) WHERE ([a-z]+) = \?$/.exec(sql) ?? [];
  return { tables, isByKey: KEYS.get(table) === column && column !== "" };
}

/** What a statement writes to: a table, null where nobody can tell, and which parameter names the only row, if one does. */
interface Target {
  readonly table: string | null;
  readonly keyAt: number | null;
}

/** Tables of which one row is asked for again and again, by the column that names it. */
const KEYS: ReadonlyMap<string, string> = new Map([
  ["peers", "server"],
  ["progress", "writer"],
  ["cards", "server"],
  ["settings", "key"],
]);

const targets = new Map<string, Target>();

function targetOf(sql: string): Target {
  const known = targets.get(sql);
  if (known !== undefined) return known;
  const statement = /^\s*(INSERT(?: OR [A-Z]+)? INTO|UPDATE|DELETE FROM)\s+([a-z_]+)(?:\(([a-z]+),)?/.exec(
    sql,
  );
  const [, verb = "", table = null, first = ""] = statement ?? [];
  const key = KEYS.get(table ?? "");
  const target = { table, keyAt: key === undefined ? null : keyAtOf(sql, { verb, first, key }) };
  targets.set(sql, target);
  return target;
}

function keyAtOf(
  sql: string,
  { verb, first, key }: { verb: string; first: string; key: string },
): number | null {
  if (verb.startsWith("INSERT")) return first === key && /VALUES\(\?/.test(sql) ? 0 : null;
  const where = sql.indexOf(` WHERE ${key} = ?`);
  return where === -1 ? null : sql.slice(0, where).split("?").length - 1;
}
