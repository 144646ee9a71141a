import { readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { FleetError } from "../../base/errors.ts";
import type { ObjectFormat } from "../../base/ports/git-store.ts";
import { hasCode } from "../io-error.ts";
import { readRefFiles } from "./ref-files.ts";

/**
 * Takes away ref files that hold no object id, and a file of packed refs that cannot be read: all of them can be set
 * again from the remote and the state. Answers their names below the repository.
 */
export function removeDamagedRefs(folder: string, format: ObjectFormat): string[] {
  const removed: string[] = [];
  for (const name of refFiles(folder, "refs")) {
    if (isReadable(() => readRefFiles(folder, name, format), `${folder}/${name}`)) continue;
    rmSync(join(folder, name), { recursive: true, force: true });
    removed.push(name);
  }
  const packed = `${folder}/packed-refs`;
  const isFolder = statSync(packed, { throwIfNoEntry: false })?.isDirectory() === true;
  if (
    isFolder ||
    !isReadable(() => readRefFiles(folder, "refs/", format), packed) ||
    !isPackedWhole(folder)
  ) {
    rmSync(`${packed}.damaged`, { recursive: true, force: true });
    renameSync(packed, `${packed}.damaged`);
    removed.push("packed-refs");
  }
  return removed;
}

/** git refuses to work where one line of it is none; ours are ids, names, and what is peeled. */
function isPackedWhole(folder: string): boolean {
  const path = `${folder}/packed-refs`;
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return true;
  const text = readFileSync(path, "latin1");
  if (text !== "" && !text.endsWith("\n")) return false;
  return text
    .split("\n")
    .every(
      (line) =>
        line === "" || line.startsWith("#") || /^(?:\^[0-9a-f]{40,64}|[0-9a-f]{40,64} refs\/\S+)$/.test(line),
    );
}

function isReadable(read: () => unknown, path: string): boolean {
  try {
    read();
    return true;
  } catch (thrown) {
    if (!(thrown instanceof FleetError)) throw thrown;
    return !thrown.message.includes(path);
  }
}

function refFiles(folder: string, below: string): string[] {
  try {
    return readdirSync(join(folder, below), { withFileTypes: true }).flatMap((entry) => {
      const name = `${below}/${entry.name}`;
      if (entry.isDirectory()) return refFiles(folder, name);
      return name.endsWith(".lock") ? [] : [name];
    });
  } catch (thrown) {
    if (hasCode(thrown, "ENOENT", "ENOTDIR")) return [];
    throw thrown;
  }
}
