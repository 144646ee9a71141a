/**
 * The files of a log: `fleetd.log` is written, `fleetd-000007.log` was put aside. Their numbers only rise, so their
 * order is known whatever the clock did, and putting a file aside is one rename, which a crash cannot cut in two.
 * Every log has its own folder; the daemon's is named `fleetd`, the one of a service as its folder.
 */
import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { fromInstant } from "../base/instant.ts";
import type { LogLimits } from "../base/ports/log-file.ts";

/** The name of the daemon's own log. */
export const DAEMON_LOG = "fleetd";

/** The name of the file that the daemon's log is written to. */
export const CURRENT_LOG = "fleetd.log";

/** The path of the file that is written. */
export const currentPath = (folder: string, name = DAEMON_LOG): string => join(folder, `${name}.log`);

/** A file that was put aside. */
export interface AsideFile {
  readonly number: number;
  readonly path: string;
  readonly bytes: number;
  readonly changedWallMs: number;
  readonly inode: number;
}

/** The path of the file with this number. */
export const asidePath = (folder: string, number: number, name = DAEMON_LOG): string =>
  join(folder, `${name}-${String(number).padStart(6, "0")}.log`);

/** The files that were put aside, oldest first; none where there is no folder. */
export function listAside(folder: string, name = DAEMON_LOG): AsideFile[] {
  const files: AsideFile[] = [];
  for (const file of namesIn(folder)) {
    const number = file.startsWith(`${name}-`) ? numberOf(file.slice(name.length + 1)) : Number.NaN;
    if (Number.isNaN(number)) continue;
    const path = join(folder, file);
    const facts = statSync(path, { throwIfNoEntry: false });
    if (facts !== undefined) {
      files.push({ number, path, bytes: facts.size, changedWallMs: facts.mtimeMs, inode: facts.ino });
    }
  }
  return files.sort((left, right) => left.number - right.number);
}

const numberOf = (rest: string): number => Number(/^(\d{6,15})\.log$/.exec(rest)?.[1] ?? Number.NaN);

/** Removes those that are older than their time or too much, oldest first; one that cannot be removed stays. */
export function removeDoomed(files: readonly AsideFile[], limits: LogLimits, nowWallMs: number): void {
  for (const file of chooseDoomed(files, limits, nowWallMs)) rmSync(file.path, { force: true });
}

/** At least two files fit into the total, so that there always is something to look back at. */
export const fittingLimits = <T extends LogLimits>(limits: T): T => ({
  ...limits,
  fileBytes: Math.min(limits.fileBytes, Math.floor(limits.totalBytes / 2)),
});

/** A file is put aside after a day even when it is small, so that what is too old can be removed day by day. */
const FILE_AGE_MS_MAX = 24 * 3_600_000;

/** Whether a file that was begun so long ago (ms) is put aside whatever its size. */
export const isOld = (ageMs: number, { keepMs }: LogLimits): boolean =>
  ageMs > Math.min(FILE_AGE_MS_MAX, keepMs);

/** When the first line of a file was written (wall ms), given the beginning of the file; null when it does not say. */
export function begunOf(head: string): number | null {
  const timestamp = /^(?:\{"timestamp":")?(.{24})/.exec(head)?.[1];
  const wallMs = fromInstant(timestamp ?? "");
  return Number.isNaN(wallMs) ? null : wallMs;
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
