import { chmodSync, lstatSync } from "node:fs";

/** Windows keeps rights in lists that `mode` says nothing of; there, folders below the profile are the user's own. */
const HAS_MODES = process.platform !== "win32";

/** What is at a path, who owns it, and what others may do with it. */
export interface FileMode {
  readonly mode: number;
  readonly isOwn: boolean;
}

/** The rights of a file or folder; null when there is none, or where rights are not kept as a mode. */
export function readMode(path: string): FileMode | null {
  const found = HAS_MODES ? lstatSync(path, { throwIfNoEntry: false }) : undefined;
  if (found === undefined) return null;
  return { mode: found.mode & 0o777, isOwn: found.uid === process.getuid?.() };
}

/** Sets the rights of a file or folder. */
export const setMode = (path: string, mode: number): void => chmodSync(path, mode);

/** Rights as `chmod` takes them: `"0700"`. */
export const formatMode = (mode: number): string => mode.toString(8).padStart(4, "0");
