import {
  closeSync,
  constants,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
} from "node:fs";
import { dirname } from "node:path";
import { causedBy, messageOf } from "../base/errors.ts";
import { writeSynced } from "./sync.ts";

/** A first guess at the size of a file that people wrote; chosen, not measured. */
const READ_BYTES = 64 * 1024;

/** Makes a folder for this user only, with its parents. @throws FleetError CANNOT_CREATE */
export function makePrivateFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (thrown) {
    throw causedBy("CANNOT_CREATE", `Cannot create folder "${path}": ${messageOf(thrown)}`, thrown);
  }
}

/**
 * Gives a file a second name; where a file system knows no such thing, makes a copy of it that is safe before it has its
 * name. Errors are those of node:fs.
 */
export function keepAs(path: string, kept: string): void {
  try {
    linkSync(path, kept);
  } catch {
    const copy = `${kept}.${process.pid}.new`;
    writeSynced(copy, readFileSync(path), { mode: 0o600 });
    renameSync(copy, kept);
  }
}

/** Writes a whole file by rename, so that nobody ever reads half of it, not even after a power cut. @throws FleetError IO */
export function replaceFile(path: string, content: string, mode = 0o600): void {
  const temporary = `${path}.${process.pid}.new`;
  try {
    writeSynced(temporary, content, { mode });
    renameSync(temporary, path);
  } catch (thrown) {
    rmSync(temporary, { force: true });
    throw causedBy("IO", `Cannot write "${path}" in "${dirname(path)}": ${messageOf(thrown)}`, thrown);
  }
}

/** The first `bytesMax` bytes of an open file: a device such as `/dev/zero` never ends. */
export function readUpTo(file: number, bytesMax: number): Uint8Array {
  // Grows with what is there, since most files are far smaller than what they may be.
  let bytes = new Uint8Array(Math.min(bytesMax, READ_BYTES));
  let size = 0;
  for (;;) {
    const read = readSync(file, bytes, size, bytes.length - size, null);
    size += read;
    if (read === 0 || size === bytesMax) return bytes.subarray(0, size);
    if (size < bytes.length) continue;
    const larger = new Uint8Array(Math.min(bytesMax, bytes.length * 4));
    larger.set(bytes);
    bytes = larger;
  }
}

/** The first `bytesMax` bytes of the file at `path`; throws what the system says. */
export function readFileUpTo(path: string, bytesMax: number): Uint8Array {
  const file = openSync(path, "r");
  try {
    return readUpTo(file, bytesMax);
  } finally {
    closeSync(file);
  }
}

/**
 * As `readFileUpTo`, of nothing but a regular file: opening a named pipe waits for somebody who writes, and a device may have no
 * end. @throws Error
 */
export function readRegularFile(path: string, bytesMax: number): Uint8Array {
  const file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    if (!fstatSync(file).isFile()) throw new Error("it is no regular file");
    return readUpTo(file, bytesMax);
  } finally {
    closeSync(file);
  }
}

/** What a system answers about a path where nothing can be: through a file, in a circle, longer than any name. */
const NOTHING_THERE: readonly string[] = ["ENOENT", "ENOTDIR", "ENAMETOOLONG", "ELOOP"];

/** Whether something is at `path`. */
export function exists(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && NOTHING_THERE.includes(String(thrown.code)))
      return false;
    throw thrown;
  }
}

/** The names in a folder; none when there is no such folder. @throws FleetError IO */
export function listFolder(path: string): readonly string[] {
  try {
    return exists(path) ? readdirSync(path) : [];
  } catch (thrown) {
    throw causedBy("IO", `Cannot list folder "${path}": ${messageOf(thrown)}`, thrown);
  }
}

/** Removes a folder that is empty; false when there is none, or something is in it. */
export function removeEmptyFolder(path: string): boolean {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return false;
  if (readdirSync(path).length > 0) return false;
  rmdirSync(path);
  return true;
}

/** Removes a folder or file with all that is in it; a missing one is fine. */
export const removeTree = (path: string): void =>
  rmSync(path, { recursive: true, force: true, maxRetries: 3 });
