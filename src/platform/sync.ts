import { closeSync, fsyncSync, openSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Brings the content of a file to the disk. A no-op on Windows, where only a handle that may write can be flushed. */
export function syncFile(path: string): void {
  if (process.platform === "win32") return;
  const file = openSync(path, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Brings the entries of a folder to the disk; Windows has no such call and needs none. */
export const syncFolder = (path: string): void => syncFile(path);

/** Brings a folder with everything in it to the disk. */
export function syncTree(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const name = join(path, entry.name);
    if (entry.isDirectory()) syncTree(name);
    else if (entry.isFile()) syncFile(name);
  }
  syncFolder(path);
}

/** Writes a whole file and brings it to the disk. `flush` of node:fs would do both, and say nothing when the latter fails. */
export function writeSynced(
  path: string,
  content: string | Uint8Array,
  options: { mode?: number; exclusive?: boolean } = {},
): void {
  const file = openSync(path, options.exclusive === true ? "wx" : "w", options.mode);
  try {
    writeFileSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
