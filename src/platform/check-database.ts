import { Database as Sqlite } from "bun:sqlite";
import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { uptime } from "node:os";
import { causedBy, DAMAGE_HINT, DamagedDataError, FleetError, messageOf } from "../base/errors.ts";
import { findAccessProblem } from "./access.ts";
import { removeEmptyFolder } from "./files.ts";
import { findWalDamage } from "./sqlite-wal.ts";

/** Whether a database is whole: `missing`, `whole`, or what SQLite found wrong, first things first. */
export function checkDatabase(path: string): "missing" | "whole" | { readonly problem: string } {
  if (!existsSync(path)) return "missing";
  let sqlite: Sqlite | null = null;
  try {
    sqlite = new Sqlite(path, { create: false, readwrite: true });
    const rows = sqlite.query<{ quick_check: string }, []>("PRAGMA quick_check(5)").all();
    // A line before the findings says in which of several databases they are; here is one.
    const found = rows.map((row) => row.quick_check.replace(/^\*\*\* in database \w+ \*\*\*\n/, ""));
    return found.length === 1 && found[0] === "ok" ? "whole" : { problem: found.join("; ") };
  } catch (thrown) {
    return { problem: messageOf(thrown) };
  } finally {
    sqlite?.close();
  }
}

/** A WAL file begins with a header of this size; one that has no more holds nothing yet. */
const WAL_HEADER_BYTES = 32;
const WAL_FRAME_HEADER_BYTES = 24;

/** What `findSilentDamage` says of a file that is not there. */
export const MISSING = "it is missing";

/**
 * What SQLite would pass over in silence: a database of no bytes is a new one to it, and of a WAL file it takes what
 * comes before the first frame that is not whole, which after a power cut is right and after damage loses what was
 * promised. Null when nothing is wrong. To be asked before anything opens the database.
 */
export function findSilentDamage(path: string): string | null {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return MISSING;
  if (!found.isFile()) return "it is no file";
  if (found.size === 0) return "it is empty";
  // Asked first: a WAL only grows, so it has at least what its index spoke of a moment ago.
  const promised = walBytesPromised(`${path}-shm`);
  const wal = statSync(`${path}-wal`, { throwIfNoEntry: false });
  if (wal?.isDirectory() === true) return "its WAL file is a folder";
  if (wal !== undefined && wal.size < promised) return "its WAL file was cut off";
  if (wal === undefined || wal.size <= WAL_HEADER_BYTES) return null;
  const mayHaveHoles = promised === 0;
  const damage = findWalDamage(readFileSync(`${path}-wal`), mayHaveHoles);
  // Somebody may just be writing it; what is damaged stays damaged.
  return damage === null ? null : findWalDamage(readFileSync(`${path}-wal`), mayHaveHoles);
}

const SHM_VERSION = 3_007_000;
const SHM_HEADER_BYTES = 48;

/**
 * How large the WAL has to be by the index of it that those who have the database open share. After another start of the
 * system that index says nothing: it is never brought to the disk on purpose.
 */
function walBytesPromised(path: string): number {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isFile() !== true || found.mtimeMs < Date.now() - uptime() * 1000) return 0;
  const bytes = readFileSync(path);
  if (bytes.length < 2 * SHM_HEADER_BYTES) return 0;
  const [one, other] = [
    bytes.subarray(0, SHM_HEADER_BYTES),
    bytes.subarray(SHM_HEADER_BYTES, 2 * SHM_HEADER_BYTES),
  ];
  if (!one.equals(other) || one.readUInt32LE(0) !== SHM_VERSION || one[12] !== 1) return 0;
  const frames = one.readUInt32LE(16);
  const stated = one.readUInt16LE(14);
  const pageBytes = stated === 1 ? 65_536 : stated;
  return frames === 0 ? 0 : WAL_HEADER_BYTES + frames * (WAL_FRAME_HEADER_BYTES + pageBytes);
}

/** Whether nobody has the database open, as far as its files tell: SQLite takes them away with the last one. */
const isAtRest = (path: string): boolean => !existsSync(`${path}-wal`);

/** @throws FleetError IO when a state database is not what it was when it was last closed or written */
export function requireWholeState(path: string): void {
  if (isAtRest(path) && hasHeader(path)) return;
  const access = findAccessProblem(path);
  // Of a disk that may only be read it can be read all the same.
  if (access !== null && !access.isReadable)
    throw new FleetError("IO", `Cannot use database "${path}": ${access.evidence}`, { hint: access.fix });
  // It holds nothing of its own; SQLite makes it from the WAL.
  removeEmptyFolder(`${path}-shm`);
  const problem = findSilentDamage(path);
  if (problem === null) return;
  const cause = new DamagedDataError(problem);
  throw causedBy("IO", `Cannot use database "${path}": ${problem}`, cause, DAMAGE_HINT);
}

function hasHeader(path: string): boolean {
  try {
    const file = openSync(path, "r");
    try {
      return readSync(file, new Uint8Array(1), 0, 1, 0) === 1;
    } finally {
      closeSync(file);
    }
  } catch {
    // What is wrong with it is told by the closer look.
    return false;
  }
}
