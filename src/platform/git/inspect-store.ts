import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../../base/errors.ts";
import type { ObjectFormat } from "../../base/ports/git-store.ts";
import { hasCode } from "../io-error.ts";
import { readRepositoryFormat } from "./bare-repository.ts";
import { readRefFiles } from "./ref-files.ts";

/** Locks of a working git live for milliseconds; chosen, not measured. */
const OLD_LOCK_MS = 60_000;

/** A lock file in a repository. */
export interface LockFile {
  readonly path: string;
  readonly ageMs: number;
}

const HEAD = /^(?:ref: refs\/heads\/\S+|[0-9a-f]{40,64})\n$/;
/** A line that git understands: a section, a setting, a remark, or nothing. */
const CONFIG_LINE =
  /^\s*(?:\[[A-Za-z0-9.-]+(?: "[^"]*")?\]|[A-Za-z][A-Za-z0-9-]*(?:\s*=[\t\x20-\x7e]*)?|[#;].*)?\s*$/;

/** What is wrong with the repository in `folder` as far as it can be told without git; null when nothing is. */
export function findStoreProblem(folder: string, format: ObjectFormat): string | null {
  try {
    const found = readRepositoryFormat(folder);
    if (found === null) return `"${folder}" is no git repository (no HEAD, objects or config)`;
    if (found.objects !== format) return `its objects are ${found.objects}, ${format} is needed`;
    if (found.refs !== "files") return "its refs are no files";
    if (!HEAD.test(readFileSync(join(folder, "HEAD"), "latin1")))
      return `"${join(folder, "HEAD")}" is damaged`;
    const config = readFileSync(join(folder, "config"), "latin1");
    if (!config.split("\n").every((line) => CONFIG_LINE.test(line))) {
      return `"${join(folder, "config")}" is damaged`;
    }
    readdirSync(join(folder, "objects"));
    readRefFiles(folder, "refs/", format);
    return null;
  } catch (thrown) {
    return messageOf(thrown);
  }
}

/** The locks in the repository in `folder` that no working git can still need. */
export function findOldLocks(folder: string, nowWallMs: number): LockFile[] {
  return findLocks(folder).flatMap((path) => {
    const found = statSync(path, { throwIfNoEntry: false });
    const ageMs = nowWallMs - (found?.mtimeMs ?? nowWallMs);
    return ageMs > OLD_LOCK_MS ? [{ path, ageMs }] : [];
  });
}

/** The paths of all locks in the repository in `folder`. */
export function findLocks(folder: string): string[] {
  const names = [...namesIn(folder).filter((name) => name.endsWith(".lock")), ...locksBelow(folder, "refs")];
  return names.map((name) => join(folder, name));
}

function locksBelow(folder: string, below: string): string[] {
  return entriesIn(join(folder, below)).flatMap((entry) => {
    const name = `${below}/${entry.name}`;
    if (entry.isDirectory()) return locksBelow(folder, name);
    return name.endsWith(".lock") ? [name] : [];
  });
}

const namesIn = (folder: string): string[] => entriesIn(folder).map((entry) => entry.name);

function entriesIn(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (thrown) {
    if (hasCode(thrown, "ENOENT", "ENOTDIR", "EACCES")) return [];
    throw thrown;
  }
}
