/**
 * The lock of a program that may run once, in Bun and in Node. Each way is the operating system's own: it is free as
 * soon as its holder is gone, however it went, and a file that was left behind means nothing.
 */
import { spawnSync } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { causedBy, FleetError, messageOf } from "../base/errors.ts";
import type { Lock } from "../base/ports/lock.ts";
import { hasCode } from "./io-error.ts";

/** How a runtime can lock: Bun and newer Nodes alike with SQLite, and so they keep each other out. */
export type LockWay = "bun-sqlite" | "node-sqlite" | "flock-program" | "open-exclusive";

/** How this process can lock; null where it cannot. */
export function lockWay(): LockWay | null {
  if (process.versions["bun"] !== undefined) return "bun-sqlite";
  if (nodeSqlite() !== undefined) return "node-sqlite";
  if (process.platform === "linux") return "flock-program";
  if (process.platform === "darwin" || process.platform === "win32") return "open-exclusive";
  return null;
}

/**
 * Takes the lock in the file `path`, or answers null when another process has it.
 * @throws FleetError IO when the file cannot be made, UNAVAILABLE where this runtime has no way to lock
 */
export async function tryInstanceLock(path: string, way: LockWay | null = lockWay()): Promise<Lock | null> {
  switch (way) {
    case "bun-sqlite":
      return (await import("./process-lock.ts")).tryLock(path);
    case "node-sqlite":
      return lockByNodeSqlite(path);
    case "flock-program":
      return lockByProgram(path);
    case "open-exclusive":
      return lockByOpening(path);
    case null:
      throw unavailable(path, "this Node has neither SQLite nor another way, 22.5 or newer has");
  }
}

const unavailable = (path: string, why: string): FleetError =>
  new FleetError("UNAVAILABLE", `Cannot lock "${path}": ${why}`);

function nodeSqlite(): typeof import("node:sqlite") | undefined {
  // Node has this function since 20.16, and it answers undefined for a module that is not there.
  const builtIn = process.getBuiltinModule as typeof process.getBuiltinModule | undefined;
  return builtIn?.("node:sqlite");
}

/** SQLite's code for "somebody else has it". */
const SQLITE_BUSY = 5;

function lockByNodeSqlite(path: string): Lock | null {
  const sqlite = nodeSqlite();
  if (sqlite === undefined) throw unavailable(path, "this Node has no SQLite");
  let database: InstanceType<typeof sqlite.DatabaseSync> | null = null;
  try {
    database = new sqlite.DatabaseSync(path);
    database.exec("PRAGMA busy_timeout = 0");
    database.exec("BEGIN IMMEDIATE");
  } catch (thrown) {
    database?.close();
    if (thrown instanceof Error && "errcode" in thrown && thrown.errcode === SQLITE_BUSY) return null;
    throw cannotLock(path, thrown);
  }
  return releasing(() => database?.close());
}

/**
 * `flock -n 3` of util-linux or busybox locks the open file that it was given and ends: what it locked is ours, since
 * such a lock belongs to the open file.
 */
function lockByProgram(path: string): Lock | null {
  const file = open(path, constants.O_RDWR | constants.O_CREAT);
  const { status, error, stderr } = spawnSync("flock", ["-n", "3"], {
    stdio: ["ignore", "ignore", "pipe", file],
    encoding: "utf8",
  });
  if (status === 0) return releasing(() => closeSync(file));
  closeSync(file);
  if (status === 1 && stderr === "") return null;
  if (error !== undefined && hasCode(error, "ENOENT")) {
    throw unavailable(path, "this Node has no SQLite (22.5 or newer has), and there is no program flock");
  }
  throw cannotLock(path, error ?? new Error(stderr.trim()));
}

/** A flag of open(2) on macOS: the file is locked as it is opened, until it is closed. */
const DARWIN_O_EXLOCK = 0x20;
/** libuv's `UV_FS_O_EXLOCK`: the file is shared with nobody. */
const WINDOWS_EXLOCK = 0x1000_0000;

function lockByOpening(path: string): Lock | null {
  const flag = process.platform === "win32" ? WINDOWS_EXLOCK : DARWIN_O_EXLOCK | constants.O_NONBLOCK;
  try {
    const file = openSync(path, constants.O_RDWR | constants.O_CREAT | flag, 0o600);
    return releasing(() => closeSync(file));
  } catch (thrown) {
    if (hasCode(thrown, "EAGAIN", "EWOULDBLOCK", "EBUSY")) return null;
    throw cannotLock(path, thrown);
  }
}

function open(path: string, flags: number): number {
  try {
    return openSync(path, flags, 0o600);
  } catch (thrown) {
    throw cannotLock(path, thrown);
  }
}

const cannotLock = (path: string, thrown: unknown): FleetError =>
  causedBy("IO", `Cannot lock "${path}": ${messageOf(thrown)}`, thrown);

/** Once: a descriptor that was closed is given to another file. */
function releasing(release: () => void): Lock {
  let isHeld = true;
  return {
    release: () => {
      if (isHeld) release();
      isHeld = false;
    },
  };
}
