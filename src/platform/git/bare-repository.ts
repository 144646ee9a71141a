import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { FleetError, messageOf } from "../../base/errors.ts";
import type { ObjectFormat } from "../../base/ports/git-store.ts";
import { creationError, hasCode, ioError } from "../io-error.ts";
import { syncFolder, syncTree } from "../sync.ts";

/** What a repository says of itself. `files` is the only ref format whose files are read in-process. */
export interface RepositoryFormat {
  readonly objects: ObjectFormat;
  readonly refs: "files" | "other";
}

type Settings = Readonly<Record<string, string>>;

const HEAD = "ref: refs/heads/main\n";

/**
 * Creates a bare repository (0700) without templates, hooks or a default branch of the user's, in one step: under
 * another name, then renamed. Written in-process, so that no setting of user or system takes part.
 * @throws FleetError CANNOT_CREATE when `folder` is there and not empty, or cannot be written
 */
export function createBareRepository(folder: string, format: ObjectFormat, settings: Settings): void {
  const temporary = `${folder}.new-${process.pid}`;
  try {
    mkdirSync(`${temporary}/objects/info`, { recursive: true, mode: 0o700 });
    chmodSync(temporary, 0o700);
    for (const name of ["objects/pack", "refs/heads", "refs/tags"]) {
      mkdirSync(`${temporary}/${name}`, { recursive: true, mode: 0o700 });
    }
    writeFileSync(`${temporary}/HEAD`, HEAD);
    writeFileSync(`${temporary}/config`, configText(format, settings));
    // A repository without its HEAD or its settings is none, and this one may hold a whole fleet.
    syncTree(temporary);
    renameSync(temporary, folder);
    syncFolder(dirname(folder));
  } catch (thrown) {
    rmSync(temporary, { recursive: true, force: true });
    const state = existsSync(folder) ? "it is already there" : messageOf(thrown);
    throw creationError(`Cannot create the repository "${folder}": ${state}`, thrown);
  }
}

/**
 * Puts back what a repository of ours needs to be one: its folders, HEAD and configuration, which hold nothing that is not
 * known here. Answers what it wrote.
 */
export function restoreSkeleton(folder: string, format: ObjectFormat, settings: Settings): string[] {
  const written: string[] = [];
  for (const name of ["objects", "objects/info", "objects/pack", "refs", "refs/heads", "refs/tags"]) {
    const path = `${folder}/${name}`;
    const found = statSync(path, { throwIfNoEntry: false });
    if (found?.isDirectory() === true) continue;
    rmSync(path, { force: true });
    mkdirSync(path, { recursive: true, mode: 0o700 });
    written.push(name);
  }
  for (const [name, text] of [
    ["HEAD", HEAD],
    ["config", configText(format, settings)],
  ] as const) {
    const path = `${folder}/${name}`;
    if (readIfWhole(path) === text) continue;
    rmSync(path, { recursive: true, force: true });
    writeFileSync(path, text);
    written.push(name);
  }
  return written;
}

function readIfWhole(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Not there, or no file: it is written again.
    return null;
  }
}

function configText(format: ObjectFormat, settings: Settings): string {
  const lines = ["[core]", `\trepositoryformatversion = ${format === "sha1" ? 0 : 1}`, "\tbare = true"];
  for (const [name, value] of Object.entries(settings)) {
    const [section, key] = name.split(".");
    lines.push(`[${section}]`, `\t${key} = ${value}`);
  }
  if (format !== "sha1") lines.push("[extensions]", `\tobjectformat = ${format}`);
  return `${lines.join("\n")}\n`;
}

/**
 * Creates the bare repository that a fleet without a host uses as its remote: everything pushed is on the disk before
 * the push is answered, nothing runs in the background, any ref may be replaced or deleted.
 * @throws FleetError CANNOT_CREATE
 */
export function createEmbeddedRemote(folder: string, format: ObjectFormat, gitVersion: string): void {
  createBareRepository(folder, format, {
    // core.fsync is git 2.36's; before, only objects can be synced, by a setting that newer ones complain about.
    ...(knowsFsync(gitVersion) ? { "core.fsync": "all" } : { "core.fsyncObjectFiles": "true" }),
    "gc.auto": "0",
    "receive.autogc": "false",
    "receive.denyDeletes": "false",
    "receive.denyNonFastForwards": "false",
    "uploadpack.allowFilter": "true",
  });
}

/**
 * The format of the repository in `folder`, or null when there is none (no config or no objects).
 * @throws FleetError IO when its configuration cannot be read
 */
export function readRepositoryFormat(folder: string): RepositoryFormat | null {
  if (!existsSync(`${folder}/objects`) || !existsSync(`${folder}/HEAD`)) return null;
  const text = readConfig(`${folder}/config`);
  if (text === null) return null;
  const objects = extension(text, "objectformat") ?? "sha1";
  if (objects !== "sha1" && objects !== "sha256") {
    throw new FleetError("IO", `Cannot use "${folder}/config": unknown object format "${objects}"`);
  }
  return { objects, refs: (extension(text, "refstorage") ?? "files") === "files" ? "files" : "other" };
}

function readConfig(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (thrown) {
    if (hasCode(thrown, "ENOENT")) return null;
    throw ioError(`Cannot read "${path}"`, thrown);
  }
}

/** git reads `extensions.*` only from the repository's own file, and writes it one setting a line. */
function extension(text: string, key: string): string | null {
  let inside = false;
  for (const line of text.split("\n")) {
    const section = /^\s*\[([^\]]*)\]/.exec(line);
    if (section !== null) inside = section[1]?.trim().toLowerCase() === "extensions";
    const setting = /^\s*([A-Za-z]+)\s*=\s*"?([^"#;]*?)"?\s*$/.exec(line);
    if (inside && setting?.[1]?.toLowerCase() === key) return setting[2] ?? "";
  }
  return null;
}

function knowsFsync(gitVersion: string): boolean {
  const [major = 0, minor = 0] = gitVersion.split(".").map(Number);
  return major > 2 || (major === 2 && minor >= 36);
}
