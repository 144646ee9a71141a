/**
 * Locks that are held for a whole life, and over an in-place upgrade. On Linux they are open file description locks:
 * they belong to an open file and not to a process, so the program that `execve` puts in our place has them as long as
 * that file stays open. They lie on the byte that SQLite locks for a writer: whoever has no FFI and takes SQLite's lock
 * on the same file (`process-lock.ts`) is kept out by them, and keeps them out.
 */
import { closeSync, fstatSync, openSync, statSync } from "node:fs";
import type { KeepableLock, Lock } from "../base/ports/lock.ts";
import { hasCode } from "./io-error.ts";
import { openLibc } from "./libc.ts";
import { tryLock } from "./process-lock.ts";

/** `fcntl` as Linux has it: 0 when it did what it was asked. */
type Fcntl = (descriptor: number, command: number, argument: number | Uint8Array) => number;

const F_SETFD = 2;
const FD_CLOEXEC = 1;
const F_OFD_SETLK = 37;
const F_WRLCK = 1;
/** SQLite's "reserved" byte, part of its file format: https://www.sqlite.org/fileformat2.html#the_lock_byte_page */
const RESERVED_BYTE = 0x40000001n;
/** `struct flock` of a 64-bit Linux: type, whence, start, length, pid. */
const FLOCK_BYTES = 32;

/**
 * Takes the lock in the file `path`, or answers null when another process has it. Where there is no FFI, or another
 * system than Linux, it is the lock of `tryLock`, which cannot be kept.
 * @throws FleetError IO when the file cannot be made
 */
export function tryKeepableLock(path: string): KeepableLock | null {
  const fcntl = loadFcntl();
  const descriptor = fcntl === null ? null : openOrNull(path);
  if (fcntl !== null && descriptor !== null) {
    if (lockDescriptor(fcntl, descriptor)) return keepable(fcntl, descriptor);
    // Before SQLite opens the file: its locks are the process's, and go with any descriptor of that file.
    closeSync(descriptor);
  }
  // Taken, or a file system or a kernel without such locks: SQLite knows which.
  return notKeepable(tryLock(path));
}

/**
 * The lock in `path` that this process held as the program before, and kept in `descriptor`. Null when there is no such
 * descriptor, when it is another file's, or when somebody else has the lock.
 */
export function takeKeptLock(path: string, descriptor: number): KeepableLock | null {
  const fcntl = loadFcntl();
  if (fcntl === null || !isOpenOn(descriptor, path)) return null;
  // Taken again: that changes nothing for who has it, and shows that we do.
  if (!lockDescriptor(fcntl, descriptor)) return null;
  const lock = keepable(fcntl, descriptor);
  lock.keepNoLonger();
  return lock;
}

function keepable(fcntl: Fcntl, descriptor: number): KeepableLock {
  let isHeld = true;
  return {
    release: () => {
      // Twice would close somebody else's file: a descriptor is given away again.
      if (isHeld) closeSync(descriptor);
      isHeld = false;
    },
    keepOverExec: () => (isHeld && fcntl(descriptor, F_SETFD, 0) === 0 ? descriptor : null),
    keepNoLonger: () => {
      if (isHeld) fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    },
  };
}

const notKeepable = (lock: Lock | null): KeepableLock | null =>
  lock === null ? null : { release: lock.release, keepOverExec: () => null, keepNoLonger: () => undefined };

/** Whether the lock is this descriptor's now. */
function lockDescriptor(fcntl: Fcntl, descriptor: number): boolean {
  const flock = new DataView(new ArrayBuffer(FLOCK_BYTES));
  flock.setInt16(0, F_WRLCK, true);
  flock.setBigInt64(8, RESERVED_BYTE, true);
  flock.setBigInt64(16, 1n, true);
  return fcntl(descriptor, F_OFD_SETLK, new Uint8Array(flock.buffer)) === 0;
}

/** Null where it cannot be opened: `tryLock` mends what can be mended, and says what cannot. */
function openOrNull(path: string): number | null {
  try {
    return openSync(path, "a+", 0o600);
  } catch {
    return null;
  }
}

function isOpenOn(descriptor: number, path: string): boolean {
  try {
    const [held, there] = [fstatSync(descriptor), statSync(path)];
    return held.dev === there.dev && held.ino === there.ino;
  } catch (thrown) {
    if (hasCode(thrown, "EBADF", "ENOENT")) return false;
    throw thrown;
  }
}

let loaded: Fcntl | null | undefined;

/** Null on other systems, and where no code may be made at run time (`MemoryDenyWriteExecute`). */
function loadFcntl(): Fcntl | null {
  loaded ??= process.platform === "linux" ? openFcntl() : null;
  return loaded;
}

function openFcntl(): Fcntl | null {
  try {
    return openLibc({ fcntl: { args: ["i32", "i32", "ptr"], returns: "i32" } }).fcntl as Fcntl;
  } catch {
    // SQLite's lock is as good until an upgrade.
    return null;
  }
}
