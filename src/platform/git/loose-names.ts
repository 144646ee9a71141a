import type { ObjectFormat } from "../../base/ports/git-store.ts";
import { type LooseObject, looseObjectPath, readLooseObject } from "./loose-objects.ts";
import { idLength } from "./ref-files.ts";

/**
 * Loose files up to here are inflated in-process. zlib grows at most 1,032 fold, so a hostile file costs 16 MB and
 * 40 ms, measured; longer files are read by git, which tells the size first.
 */
const LOOSE_BYTES_MAX = 16 * 1024;

/** A loose object and its id. */
export interface NamedObject extends LooseObject {
  readonly id: string;
}

/**
 * Resolves `<id>` or `<commit>:<path>` through small loose objects alone, as what has just been fetched is: 0.05 ms,
 * where git takes 0.35 and 6 more to start. Null says only that it has to be asked: packed, large, damaged, missing.
 */
export function readLooseName(objectsFolder: string, format: ObjectFormat, name: string): NamedObject | null {
  const read = (id: string): LooseObject | null =>
    readLooseObject(looseObjectPath(objectsFolder, id), LOOSE_BYTES_MAX);
  const length = idLength(format);
  const first = name.slice(0, length);
  const named = read(first);
  if (named === null || name.length === length) return named === null ? null : { ...named, id: first };
  let id = named.kind === "commit" ? treeOf(named.content, length) : null;
  for (const part of name.slice(length + 1).split("/")) {
    const tree = id === null ? null : read(id);
    id = tree?.kind === "tree" ? (entryOf(tree.content, part, length)?.id ?? null) : null;
  }
  const found = id === null ? null : read(id);
  return found === null || id === null ? null : { ...found, id };
}

/** The tree that a commit names in its first line. */
function treeOf(commit: Uint8Array, length: number): string | null {
  const line = Buffer.from(commit.buffer, commit.byteOffset, Math.min(commit.length, 5 + length)).toString(
    "latin1",
  );
  return line.startsWith("tree ") && line.length === 5 + length ? line.slice(5) : null;
}

/** What a tree names. `isElsewhere`: git takes it for the commit of a submodule, which is in no repository of ours. */
export interface TreeEntry {
  readonly id: string;
  readonly isElsewhere: boolean;
}

/** Files, symbolic links and folders; git reads every other type as a submodule. */
const TYPES_HERE: readonly number[] = [0o100000, 0o120000, 0o040000];

/** The entry `part` of a tree: `<mode> <part>\0<id>`. */
export function entryOf(tree: Uint8Array, part: string, length: number): TreeEntry | null {
  const bytes = Buffer.from(tree.buffer, tree.byteOffset, tree.length);
  const idBytes = length / 2;
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const end = bytes.indexOf(0, at);
    if (space === -1 || end === -1 || end + 1 + idBytes > bytes.length) return null;
    if (bytes.toString("utf8", space + 1, end) === part) {
      const type = Number.parseInt(bytes.toString("latin1", at, space), 8) & 0o170000;
      const id = bytes.toString("hex", end + 1, end + 1 + idBytes);
      return { id, isElsewhere: !TYPES_HERE.includes(type) };
    }
    at = end + 1 + idBytes;
  }
  return null;
}
