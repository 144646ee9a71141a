import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  unlinkSync,
} from "node:fs";
import { assert } from "../../base/assert.ts";
import { causedBy, FleetError } from "../../base/errors.ts";
import type { ObjectFormat } from "../../base/ports/git-store.ts";
import { hasCode, ioError } from "../io-error.ts";
import { writeSynced } from "../sync.ts";
import { removeAbandonedLock } from "./ref-locks.ts";

// git itself waits 100 ms for the lock of a ref (core.filesRefLockTimeout).
const LOCK_WAIT_MS_MAX = 100;
const LOCK_POLL_MS = 5;

/** Length of an id in hex digits. */
export const idLength = (format: ObjectFormat): number => (format === "sha1" ? 40 : 64);

/** Whether `text` is a full object id of this format. */
export function isObjectId(text: string, format: ObjectFormat): boolean {
  return text.length === idLength(format) && /^[0-9a-f]+$/.test(text);
}

/**
 * All refs of the repository `folder` whose name starts with `prefix` (starts with "refs/"), name to id. Symbolic
 * refs are left out. Writers may be at work: loose files are read before the packed ones, because git packs first
 * and deletes then.
 * @throws FleetError IO naming the file when one is damaged
 */
export function readRefFiles(folder: string, prefix: string, format: ObjectFormat): Map<string, string> {
  assert(prefix.startsWith("refs/"), "a ref prefix starts with refs/");
  const loose = new Map<string, string>();
  readLooseRefs(folder, prefix.slice(0, prefix.lastIndexOf("/")), { prefix, format, found: loose });
  const refs = readPackedRefs(folder, prefix, format);
  for (const [name, id] of loose) refs.set(name, id);
  return refs;
}

interface LooseSearch {
  readonly prefix: string;
  readonly format: ObjectFormat;
  readonly found: Map<string, string>;
}

function readLooseRefs(folder: string, below: string, search: LooseSearch): void {
  for (const entry of listFolder(`${folder}/${below}`)) {
    const name = `${below}/${entry.name}`;
    if (entry.isDirectory()) {
      if (`${name}/`.startsWith(search.prefix) || search.prefix.startsWith(`${name}/`)) {
        readLooseRefs(folder, name, search);
      }
    } else if (name.startsWith(search.prefix) && !name.endsWith(".lock")) {
      const id = readLooseRef(`${folder}/${name}`, search.format);
      if (id !== null) search.found.set(name, id);
    }
  }
}

function listFolder(path: string): ReturnType<typeof readEntries> {
  try {
    return readEntries(path);
  } catch (thrown) {
    if (hasCode(thrown, "ENOENT", "ENOTDIR")) return [];
    throw ioError(`Cannot list the refs in "${path}"`, thrown);
  }
}

const readEntries = (path: string) => readdirSync(path, { withFileTypes: true });

function readLooseRef(path: string, format: ObjectFormat): string | null {
  const text = readTextIfThere(path)?.trimEnd();
  if (text === undefined || text.startsWith("ref:")) return null;
  if (isObjectId(text, format)) return text;
  throw new FleetError("IO", `Cannot read the ref file "${path}": it holds no ${format} object id`);
}

function readTextIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch (thrown) {
    if (hasCode(thrown, "ENOENT", "EISDIR")) return undefined;
    throw ioError(`Cannot read "${path}"`, thrown);
  }
}

/** Looks for the prefix instead of splitting lines: a shared remote can have 100,000 packed refs. */
function readPackedRefs(folder: string, prefix: string, format: ObjectFormat): Map<string, string> {
  const path = `${folder}/packed-refs`;
  const text = readTextIfThere(path) ?? "";
  const refs = new Map<string, string>();
  const length = idLength(format);
  for (let at = text.indexOf(` ${prefix}`); at !== -1; at = text.indexOf(` ${prefix}`, at + 1)) {
    const start = at - length;
    const id = text.slice(Math.max(start, 0), at);
    if (start < 0 || (start > 0 && text[start - 1] !== "\n") || !isObjectId(id, format)) {
      throw new FleetError("IO", `Cannot read "${path}": a line before byte ${at} is damaged`);
    }
    const end = text.indexOf("\n", at);
    refs.set(latin1ToUtf8(text.slice(at + 1, end === -1 ? undefined : end)), id);
  }
  return refs;
}

const latin1ToBytes = (text: string): Uint8Array => Buffer.from(text, "latin1");
const latin1ToUtf8 = (text: string): string => Buffer.from(text, "latin1").toString("utf8");

/**
 * Sets one ref as git does: `<ref>.lock`, created exclusively, renamed over the ref; with `id` null the ref is
 * deleted, from the packed refs too. Waits up to 100 ms for a lock; one that a killed process left is removed then.
 * @throws FleetError IO when the lock stays held or a file cannot be written
 */
export function writeRefFile(folder: string, name: string, id: string | null): void {
  assert(isSafeRefName(name), `"${name}" is a ref name`);
  const path = `${folder}/${name}`;
  try {
    mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    withLock(folder, path, (lockPath) => {
      if (id === null) {
        removeFromPackedRefs(folder, name);
        removeIfThere(path);
        unlinkSync(lockPath);
      } else {
        writeSynced(lockPath, `${id}\n`);
        renameOverRef(lockPath, path);
      }
    });
  } catch (thrown) {
    if (thrown instanceof FleetError) throw thrown;
    throw ioError(`Cannot write the ref "${name}" in "${folder}"`, thrown);
  }
}

/** What git accepts as a ref, less what a file system could misread. */
function isSafeRefName(name: string): boolean {
  return (
    /^refs(?:\/[A-Za-z0-9_@+-][A-Za-z0-9._@+-]*)+$/.test(name) && !/\.\.|\.lock(?:\/|$)|\.(?:\/|$)/.test(name)
  );
}

/** `change` consumes the lock: it renames or removes the lock file; when it throws, the lock is removed here. */
function withLock(folder: string, path: string, change: (lockPath: string) => void): void {
  const lockPath = `${path}.lock`;
  const file = createLock(folder, lockPath);
  // Kept open meanwhile, so that others see that its owner lives. Windows does not rename what is open.
  if (process.platform === "win32") closeSync(file);
  try {
    change(lockPath);
  } catch (thrown) {
    removeIfThere(lockPath);
    throw thrown;
  } finally {
    if (process.platform !== "win32") closeSync(file);
  }
}

function createLock(folder: string, lockPath: string): number {
  let deadlineMs = performance.now() + LOCK_WAIT_MS_MAX;
  let isLastWait = false;
  for (;;) {
    try {
      return openSync(lockPath, "wx", 0o600);
    } catch (thrown) {
      if (!hasCode(thrown, "EEXIST")) throw thrown;
      if (performance.now() >= deadlineMs) {
        if (isLastWait || !removeAbandonedLock(folder, lockPath, Date.now())) {
          throw causedBy("IO", `Cannot lock "${lockPath}": another process holds it`, thrown);
        }
        isLastWait = true;
        deadlineMs = performance.now() + LOCK_WAIT_MS_MAX;
      }
      Bun.sleepSync(LOCK_POLL_MS);
    }
  }
}

function renameOverRef(lockPath: string, path: string): void {
  try {
    renameSync(lockPath, path);
  } catch (thrown) {
    if (!hasCode(thrown, "EISDIR", "ENOTEMPTY", "EEXIST", "EPERM")) throw thrown;
    // The empty folder of deleted refs, which git also clears away; a folder that is in use stays and fails here.
    rmdirSync(path);
    renameSync(lockPath, path);
  }
}

function removeFromPackedRefs(folder: string, name: string): void {
  const path = `${folder}/packed-refs`;
  if (!readTextIfThere(path)?.includes(` ${name}\n`)) return;
  withLock(folder, path, (lockPath) => {
    // Read again under the lock. A line "^<id>" belongs to the line before it.
    const lines = (readTextIfThere(path) ?? "").split("\n");
    const at = lines.findIndex((line) => line.endsWith(` ${name}`));
    if (at !== -1) lines.splice(at, lines[at + 1]?.startsWith("^") === true ? 2 : 1);
    writeSynced(lockPath, latin1ToBytes(lines.join("\n")));
    renameSync(lockPath, path);
  });
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (thrown) {
    if (!hasCode(thrown, "ENOENT")) throw thrown;
  }
}
