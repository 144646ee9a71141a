/**
 * Rows of a damaged `state.db` by the shape of their values: which table a row belongs to stands in no page but those of
 * the tree, and they may be what is damaged.
 */
import type { Database, SqlValue } from "../../base/ports/database.ts";

/** One row as it was found. `rowid` null: of an index, or of a table without rowids. */
export interface FoundRow {
  readonly rowid: number | null;
  readonly values: readonly SqlValue[];
}

interface Column {
  readonly name: string;
  readonly type: string;
  readonly isRequired: boolean;
  readonly hasDefault: boolean;
  readonly isRowid: boolean;
}

/** A table as its rows are stored: columns of the primary key first where there are no rowids. */
export interface TableShape {
  readonly name: string;
  readonly hasRowid: boolean;
  readonly columns: readonly Column[];
}

/** The tables of a whole database. */
export function readShapes(database: Database): TableShape[] {
  const tables = database.all<{ name: string; sql: string }>(
    "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid",
  );
  return tables.map(({ name, sql }) => {
    const hasRowid = !/WITHOUT\s+ROWID/i.test(sql);
    const info = database.all<{
      name: string;
      type: string;
      notnull: number;
      dflt_value: string | null;
      pk: number;
    }>(`SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_info('${name}')`);
    const keys = info.filter((column) => column.pk > 0);
    const isRowidKey = hasRowid && keys.length === 1 && keys[0]?.type.toUpperCase() === "INTEGER";
    const stored = hasRowid
      ? info
      : [...keys.toSorted((a, b) => a.pk - b.pk), ...info.filter((one) => one.pk === 0)];
    const columns = stored.map((column) => ({
      name: column.name,
      type: column.type.toUpperCase(),
      isRequired: column.notnull === 1 || (column.pk > 0 && !hasRowid),
      hasDefault: column.dflt_value !== null,
      isRowid: isRowidKey && column.pk > 0,
    }));
    return { name, hasRowid, columns };
  });
}

/** The values of a row by column, if the row has the shape of `table`; else null. */
export function matchRow(table: TableShape, row: FoundRow): Record<string, SqlValue> | null {
  if (table.hasRowid !== (row.rowid !== null) || row.values.length > table.columns.length) return null;
  const values: Record<string, SqlValue> = {};
  for (const [position, column] of table.columns.entries()) {
    const value = column.isRowid ? row.rowid : row.values[position];
    // A column that was added later is not in the rows of before.
    if (value === undefined) {
      if (column.isRequired && !column.hasDefault) return null;
      continue;
    }
    if (!fits(column, value)) return null;
    values[column.name] = value;
  }
  return row.values.length < 1 ? null : values;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const WORD = /^[a-z][a-z0-9_.:-]*$/;
const SERVER = /^[a-z0-9][a-z0-9-]{0,62}$/;

function fits(column: Column, value: SqlValue): boolean {
  if (value === null) return !column.isRequired;
  switch (column.type) {
    case "TEXT":
      return typeof value === "string" && isNamedRight(column.name, value);
    case "INTEGER":
      return typeof value === "number" && Number.isSafeInteger(value);
    case "REAL":
      return typeof value === "number";
    case "BLOB":
      return value instanceof Uint8Array;
    default:
      return true;
  }
}

/** Two tables may have columns of the same types; what stands in them tells them apart. */
function isNamedRight(name: string, value: string): boolean {
  switch (name) {
    case "id":
    case "message_id":
    case "reply_id":
      return UUID.test(value);
    case "key":
      return WORD.test(value) && !UUID.test(value);
    case "server":
    case "message_from":
      return SERVER.test(value);
    case "public_key":
      return value.startsWith("ssh-ed25519 ");
    case "commit_id":
      return /^[0-9a-f]{40,64}$/.test(value);
    case "json":
    case "draft":
    case "head":
      return value === "" || isJson(value);
    default:
      return true;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    // One bit of it fell over.
    return false;
  }
}

/** Rows by table, in the order in which they were found. */
export function sortRows(
  shapes: readonly TableShape[],
  rows: readonly FoundRow[],
): ReadonlyMap<string, readonly Record<string, SqlValue>[]> {
  const sorted = new Map<string, Record<string, SqlValue>[]>(shapes.map(({ name }) => [name, []]));
  for (const row of rows) {
    const [best] = shapes
      .flatMap((shape) => {
        const values = matchRow(shape, row);
        return values === null ? [] : [{ shape, values }];
      })
      // A row with all columns of one table is none of another one that has more.
      .toSorted((a, b) => a.shape.columns.length - b.shape.columns.length);
    if (best !== undefined) sorted.get(best.shape.name)?.push(best.values);
  }
  return sorted;
}

/** Settings that hold JSON or nothing, as which they have to be readable. */
const JSON_SETTINGS = new Set(["identity", "head", "card", "trust", "auto_pause"]);

const isReadableSetting = (key: string, value: string): boolean =>
  !JSON_SETTINGS.has(key) || (key === "auto_pause" && value === "") || isJson(value);

/** Puts rows into a new database; the first of several with one key stays. Answers how many by table. */
export function insertRows(
  database: Database,
  sorted: ReadonlyMap<string, readonly Record<string, SqlValue>[]>,
): ReadonlyMap<string, number> {
  const taken = new Map<string, number>();
  for (const [table, rows] of sorted) {
    let count = 0;
    for (const row of rows) {
      if (table === "settings" && !isReadableSetting(String(row["key"]), String(row["value"]))) continue;
      const names = Object.keys(row);
      const sql = `INSERT OR IGNORE INTO ${table}(${names.join(", ")}) VALUES(${names.map(() => "?").join(", ")})`;
      count += database.run(sql, ...names.map((name) => row[name] ?? null));
    }
    taken.set(table, count);
  }
  return taken;
}

/** Ids of outbox entries that an index speaks of: they can be named where their rows are gone. */
export function indexedIds(rows: readonly FoundRow[]): ReadonlyMap<string, number> {
  const ids = new Map<string, number>();
  for (const { rowid, values } of rows) {
    const [id, position] = values;
    if (rowid !== null || values.length !== 2 || typeof id !== "string" || typeof position !== "number")
      continue;
    if (UUID.test(id)) ids.set(id, position);
  }
  return ids;
}
