import { mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { causedBy, messageOf } from "../base/errors.ts";
import { writeSynced } from "./sync.ts";

/** Makes a folder for this user only, with its parents. @throws FleetError CANNOT_CREATE */
export function makePrivateFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (thrown) {
    throw causedBy("CANNOT_CREATE", `Cannot create folder "${path}": ${messageOf(thrown)}`, thrown);
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

/** Whether something is at `path`. */
export const exists = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined;

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
