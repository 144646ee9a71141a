import { causedBy, FleetError, messageOf } from "../base/errors.ts";
import type { DatabaseReader, SqlRow, SqlValue } from "../base/ports/database.ts";

/** What both runtimes offer of a prepared statement. */
interface Statement {
  all(...parameters: SqlValue[]): unknown[];
}

/** A database opened for reading in whatever runtime this is. */
export interface OpenedReader extends DatabaseReader {
  readonly close: () => void;
}

/**
 * Opens a SQLite file for reading, with what the runtime has: Bun its own, Node 22.5 and newer `node:sqlite`. For the
 * library; the executable has `openDatabase`.
 * @throws FleetError UNAVAILABLE where the runtime has no SQLite, IO when the file cannot be opened
 */
export async function openDatabaseReader(path: string): Promise<OpenedReader> {
  const prepare = await openForReading(path);
  return {
    // The caller declares the columns that its SQL selects, as everywhere.
    all: <Row extends SqlRow>(sql: string, ...parameters: SqlValue[]) =>
      guarded(path, () => prepare.statement(sql).all(...parameters) as Row[]),
    close: prepare.close,
  };
}

interface Prepare {
  readonly statement: (sql: string) => Statement;
  readonly close: () => void;
}

async function openForReading(path: string): Promise<Prepare> {
  if (process.versions["bun"] !== undefined) {
    const { Database } = await import("bun:sqlite");
    const database = guarded(path, () => new Database(path, { readonly: true }));
    return { statement: (sql) => database.query(sql), close: () => database.close() };
  }
  // Node has it since 20.16, and answers undefined for a module that it does not have.
  const builtIn = process.getBuiltinModule as typeof process.getBuiltinModule | undefined;
  const sqlite = builtIn?.("node:sqlite") as typeof import("node:sqlite") | undefined;
  if (sqlite === undefined) {
    throw new FleetError("UNAVAILABLE", `Cannot read "${path}": this Node has no SQLite, 22.5 or newer has`, {
      hint: "Use a newer Node or Bun, or run: fleetd metrics --json",
    });
  }
  const database = guarded(path, () => new sqlite.DatabaseSync(path, { readOnly: true }));
  return { statement: (sql) => database.prepare(sql) as unknown as Statement, close: () => database.close() };
}

function guarded<T>(path: string, body: () => T): T {
  try {
    return body();
  } catch (thrown) {
    throw causedBy("IO", `Cannot read database "${path}": ${messageOf(thrown)}`, thrown);
  }
}
