/** What a SQL column can hold here. Integers are safe integers. */
export type SqlValue = string | number | Uint8Array | null;
export type SqlRow = Record<string, SqlValue>;

/** One SQLite database file: synchronous, single writer at a time, usable from several processes. */
export interface Database {
  /** Runs one statement and returns how many rows it changed. */
  run(sql: string, ...parameters: SqlValue[]): number;
  /** All rows of a query; the caller declares the columns that its SQL selects. */
  all<Row extends SqlRow>(sql: string, ...parameters: SqlValue[]): Row[];
  /** The first row of a query, or null. */
  get<Row extends SqlRow>(sql: string, ...parameters: SqlValue[]): Row | null;
  /** Runs `body` in one `BEGIN IMMEDIATE` transaction; rolled back when it throws. Not reentrant. */
  transaction<T>(body: () => T): T;
  /** As `transaction`, for rows that the remote or a cache can restore: committed without waiting for the disk. */
  relaxedTransaction<T>(body: () => T): T;
  close(): void;
}

/** A database that is only asked: what a program that is not fleetd may do with a server's file. */
export type DatabaseReader = Pick<Database, "all">;
