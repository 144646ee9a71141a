import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
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

/** Removes a folder or file with all that is in it; a missing one is fine. */
export const removeTree = (path: string): void =>
  rmSync(path, { recursive: true, force: true, maxRetries: 3 });
