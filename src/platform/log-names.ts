/**
 * The files of a log: `fleetd.log` is written, `fleetd-000007.log` was put aside. Their numbers only rise, so their
 * order is known whatever the clock did, and putting a file aside is one rename, which a crash cannot cut in two.
 */
import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { LogLimits } from "../base/ports/log-file.ts";

/** The name of the file that is written. */
export const CURRENT_LOG = "fleetd.log";

/** A file that was put aside. */
export interface AsideFile {
  readonly number: number;
  readonly path: string;
  readonly bytes: number;
  readonly changedWallMs: number;
  readonly inode: number;
}

/** The path of the file with this number. */
export const asidePath = (folder: string, number: number): string =>
  join(folder, `fleetd-${String(number).padStart(6, "0")}.log`);

/** The files that were put aside, oldest first; none where there is no folder. */
export function listAside(folder: string): AsideFile[] {
  const files: AsideFile[] = [];
  for (const name of namesIn(folder)) {
    const number = Number(/^fleetd-(\d{6,15})\.log$/.exec(name)?.[1] ?? Number.NaN);
    if (Number.isNaN(number)) continue;
    const path = join(folder, name);
    const facts = statSync(path, { throwIfNoEntry: false });
    if (facts !== undefined) {
      files.push({ number, path, bytes: facts.size, changedWallMs: facts.mtimeMs, inode: facts.ino });
    }
  }
  return files.sort((left, right) => left.number - right.number);
}

/** Removes what is older than its time or too much, oldest first. A file that cannot be removed stays for next time. */
export function removeDoomed(folder: string, limits: LogLimits, nowWallMs: number): void {
  for (const file of chooseDoomed(listAside(folder), limits, nowWallMs)) rmSync(file.path, { force: true });
}

/** The files to remove so that all that is left, and a full current file, fit into the limits. */
export function chooseDoomed(
  files: readonly AsideFile[],
  limits: LogLimits,
  nowWallMs: number,
): readonly AsideFile[] {
  let room = limits.totalBytes - limits.fileBytes;
  const kept = new Set<AsideFile>();
  for (const file of files.toReversed()) {
    room -= file.bytes;
    if (room < 0) break;
    if (nowWallMs - file.changedWallMs <= limits.keepMs) kept.add(file);
  }
  return files.filter((file) => !kept.has(file));
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    // No folder yet: nothing was logged.
    return [];
  }
}
