import { Database as Sqlite } from "bun:sqlite";
import { readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { causedBy, type FleetError, messageOf } from "../base/errors.ts";
import type { Lock, LockHolder } from "../base/ports/lock.ts";
import { findAccessProblem } from "./access.ts";
import { removeEmptyFolder } from "./files.ts";
import { ioError } from "./io-error.ts";

/**
 * Takes the lock in the file `path`, or answers null when another process has it.
 *
 * The lock is SQLite's own on an empty database: the operating system frees it when the holder dies, however it dies,
 * on every system that SQLite knows, and neither FFI nor a stale pid file is needed.
 * @throws FleetError IO when the file cannot be made
 */
export function tryLock(path: string): Lock | null {
  try {
    return lockOnce(path);
  } catch (thrown) {
    if (!emptyAgain(path, thrown)) throw toLockError(path, thrown);
  }
  try {
    return lockOnce(path);
  } catch (thrown) {
    throw toLockError(path, thrown);
  }
}

function toLockError(path: string, thrown: unknown): FleetError {
  const access = findAccessProblem(path);
  return causedBy(
    "IO",
    `Cannot lock "${path}": ${access?.evidence ?? messageOf(thrown)}`,
    thrown,
    access?.fix,
  );
}

function lockOnce(path: string): Lock | null {
  let sqlite: Sqlite | null = null;
  try {
    sqlite = new Sqlite(path, { create: true, readwrite: true });
    sqlite.run("PRAGMA busy_timeout = 0");
    // Not EXCLUSIVE: that takes several locks one after the other, and two who come at once may both fail.
    sqlite.run("BEGIN IMMEDIATE");
  } catch (thrown) {
    sqlite?.close();
    if (isBusy(thrown)) return null;
    throw thrown;
  }
  const held = sqlite;
  return { release: () => held.close() };
}

/**
 * Mends a lock file that something wrote into: it holds nothing, so it is emptied in its place, and whoever has it
 * locked still has. An empty folder that stands there goes. False where that is not what is wrong.
 */
function emptyAgain(path: string, thrown: unknown): boolean {
  if (findAccessProblem(path) !== null) return false;
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory() === true) return removeEmptyFolder(path);
  const isDamaged = thrown instanceof Error && "code" in thrown && DAMAGED.test(String(thrown.code));
  if (found === undefined || !isDamaged) return false;
  truncateSync(path, 0);
  for (const suffix of ["-journal", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
  return true;
}

const DAMAGED = /^SQLITE_(?:NOTADB|CORRUPT)/;

/** Writes down who holds the lock at `path`, beside it. @throws FleetError IO naming the file */
export function writeHolder(path: string, holder: LockHolder): void {
  const { pid, startedWallMs, server } = holder;
  removeEmptyFolder(`${path}.json`);
  try {
    writeFileSync(`${path}.json.new`, `${JSON.stringify({ pid, startedWallMs, server })}\n`);
    renameSync(`${path}.json.new`, `${path}.json`);
  } catch (thrown) {
    throw ioError(`Cannot write "${path}.json"`, thrown);
  }
}

/** Who held the lock at `path` last, or null when nobody wrote it down. Only true while the lock is taken. */
export function readHolder(path: string): LockHolder | null {
  try {
    const value: unknown = JSON.parse(readFileSync(`${path}.json`, "utf8"));
    if (typeof value !== "object" || value === null || !("pid" in value) || !("startedWallMs" in value))
      return null;
    const { pid, startedWallMs } = value;
    if (typeof pid !== "number" || typeof startedWallMs !== "number") return null;
    const server = "server" in value && typeof value.server === "string" ? { server: value.server } : {};
    return { pid, startedWallMs, ...server };
  } catch {
    // Missing or half-written: the holder is unknown, which is an answer.
    return null;
  }
}

const isBusy = (thrown: unknown): boolean =>
  thrown instanceof Error && "code" in thrown && String(thrown.code).startsWith("SQLITE_BUSY");
