import { type Dirent, existsSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { fail, ok, type Result } from "../../base/result.ts";
import { hasCode, ioError } from "../io-error.ts";
import { systemGitEnvironment } from "./git-environment.ts";
import { runGit } from "./git-process.ts";
import { inObjectFolder } from "./object-folder.ts";

/** Reading every object of months takes seconds; chosen with room, not measured. */
const TIMEOUT_MS = 120_000;

/**
 * What `git fsck` says that makes a store unusable. It also finds fault with how strangers write their commits, which
 * harms nobody.
 */
const DAMAGE =
  /^(?:missing |broken link|error:.*(?:corrupt|inflate|hash mismatch|hash-path mismatch|unable to|could not|cannot|garbage|invalid sha1 pointer|is empty|not a commit)|fatal:)/;

/** An object of the store that is missing or damaged, or something else that `git fsck` found. */
export interface StoreDamage {
  /** git's own lines. */
  readonly lines: readonly string[];
  /** The ids in them. */
  readonly ids: readonly string[];
}

/** Reads every object of the repository in `folder` and follows every ref; null when all is whole. */
export async function checkObjects(folder: string, signal: AbortSignal): Promise<Result<StoreDamage | null>> {
  const outcome = await runGit({
    args: ["fsck", "--full", "--no-dangling", "--no-progress"],
    folder,
    environment: systemGitEnvironment(),
    stdoutBytesMax: 1024 * 1024,
    timeoutMs: TIMEOUT_MS,
    signal,
  });
  if (outcome.ended !== "exited") return fail(`git fsck of "${folder}" ended early: ${outcome.ended}`);
  const output = `${new TextDecoder().decode(outcome.stdout)}\n${outcome.stderr}`;
  const lines = output.split("\n").filter((line) => DAMAGE.test(line));
  const isWhole = outcome.exitCode === 0 || lines.length === 0;
  if (isWhole) return ok(null);
  const ids = new Set(lines.flatMap((line) => line.match(/\b[0-9a-f]{40}(?:[0-9a-f]{24})?\b/g) ?? []));
  // A path names an object as well: objects/ab/cdef...
  for (const line of lines) {
    const path = /objects\/([0-9a-f]{2})\/([0-9a-f]{38,62})/.exec(line);
    if (path !== null) ids.add(`${path[1]}${path[2]}`);
  }
  return ok({ lines, ids: [...ids] });
}

/** Moves the loose files of `ids` out of the store into `aside`, so that whole ones can take their place. */
export function setAside(folder: string, ids: readonly string[], aside: string): void {
  for (const id of ids) {
    const path = join(folder, "objects", id.slice(0, 2), id.slice(2));
    mkdirSync(aside, { recursive: true, mode: 0o700 });
    try {
      renameSync(path, join(aside, id));
    } catch (thrown) {
      // It is in a pack, or somebody's `git prune` was faster.
      if (!hasCode(thrown, "ENOENT")) throw ioError(`Cannot set the object ${id} aside`, thrown);
    }
  }
}

/** Moves every object that the repository `from` has into `to`, where it is not there yet. `from` is spent afterwards. */
export function moveObjects(from: string, to: string): void {
  for (const path of filesBelow(join(from, "objects"), "")) {
    const target = join(to, "objects", path);
    if (existsSync(target)) continue;
    inObjectFolder(dirname(target), () => renameSync(join(from, "objects", path), target));
  }
}

/** A pack's index last: without it git takes no notice of the pack. */
function filesBelow(root: string, below: string): string[] {
  const entries: Dirent[] = readdirSync(join(root, below), { withFileTypes: true });
  const paths = entries.flatMap((entry) => {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) return filesBelow(root, path);
    return /^(?:[0-9a-f]{2}\/|pack\/.*\.(?:pack|idx|rev)$)/.test(path) ? [path] : [];
  });
  return paths.toSorted((one, other) => Number(one.endsWith(".idx")) - Number(other.endsWith(".idx")));
}
