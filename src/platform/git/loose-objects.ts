import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import type { GitObject, ObjectFormat } from "../../base/ports/git-store.ts";
import { hasCode, ioError } from "../io-error.ts";
import { syncFile } from "../sync.ts";
import { inObjectFolder } from "./object-folder.ts";

/** An inflated object: its header read, its content not yet checked against any id. */
export interface LooseObject {
  readonly kind: string;
  readonly content: Uint8Array;
  /** Header and content, as they are hashed. */
  readonly bytes: Uint8Array;
}

// 78 01: deflate with a 32 KiB window, fastest level, as git itself writes it.
const ZLIB_HEADER = 0x7801;

/** The file of an object in `<store>/objects`. */
export function looseObjectPath(objectsFolder: string, id: string): string {
  return `${objectsFolder}/${id.slice(0, 2)}/${id.slice(2)}`;
}

/** The id (lowercase hex) under which git knows these bytes (header and content). */
export function objectIdOf(format: ObjectFormat, bytes: Uint8Array): string {
  return new Bun.CryptoHasher(format).update(bytes).digest("hex");
}

/**
 * Reads and inflates a loose object, or null when there is no such file, it is longer than `fileBytesMax`, or it is
 * not an intact zlib stream with an object header. zlib grows a file at most 1,032 fold.
 */
export function readLooseObject(path: string, fileBytesMax: number): LooseObject | null {
  const compressed = readIfThere(path);
  if (compressed === null || compressed.length > fileBytesMax) return null;
  try {
    return parseLooseObject(Bun.inflateSync(compressed, { windowBits: 15 }));
  } catch {
    // Damaged: the caller asks git, which may have it in a pack.
    return null;
  }
}

function readIfThere(path: string): Uint8Array<ArrayBuffer> | null {
  try {
    return readFileSync(path);
  } catch (thrown) {
    if (hasCode(thrown, "ENOENT")) return null;
    throw ioError(`Cannot read the object file "${path}"`, thrown);
  }
}

function parseLooseObject(bytes: Uint8Array): LooseObject | null {
  const end = bytes.subarray(0, 32).indexOf(0);
  const header = /^(blob|tree|commit|tag) (\d+)$/.exec(new TextDecoder().decode(bytes.subarray(0, end)));
  if (end === -1 || header?.[1] === undefined || Number(header[2]) !== bytes.length - end - 1) return null;
  return { kind: header[1], content: bytes.subarray(end + 1), bytes };
}

/**
 * Writes one object into `objectsFolder`. An intact file is kept, a damaged one (power cut) replaced. What bears the
 * name of an object is whole on the disk. With `durable` that holds for what was there before, too; the names are
 * there when the caller has synced the folders.
 */
export function writeLooseObject(objectsFolder: string, object: GitObject, durable: boolean): void {
  const path = looseObjectPath(objectsFolder, object.id);
  const bytes = withHeader(object);
  if (holds(path, bytes)) {
    if (durable) syncFile(path);
  } else {
    writeNew(path, deflateZlib(bytes));
  }
}

function withHeader(object: GitObject): Uint8Array {
  return Buffer.concat([Buffer.from(`${object.kind} ${object.content.length}\0`, "latin1"), object.content]);
}

function holds(path: string, bytes: Uint8Array): boolean {
  const existing = readLooseObject(path, Number.MAX_SAFE_INTEGER);
  return existing !== null && Buffer.compare(existing.bytes, bytes) === 0;
}

function writeNew(path: string, compressed: Uint8Array): void {
  const folder = path.slice(0, path.lastIndexOf("/"));
  // git's own name for half-written objects, so that its housekeeping also removes ours.
  const temporary = `${folder}/tmp_obj_${crypto.randomUUID().slice(0, 8)}`;
  inObjectFolder(folder, () => {
    writeTemporary(temporary, compressed);
    renameSync(temporary, path);
  });
}

function writeTemporary(path: string, bytes: Uint8Array): void {
  const file = openSync(path, "wx", 0o444);
  try {
    writeAll(file, bytes);
    // Always: after a power cut a file may bear its name and lack its content, and git stumbles over it for ever.
    fsyncSync(file);
  } catch (thrown) {
    closeSync(file);
    rmSync(path, { force: true });
    throw thrown;
  }
  closeSync(file);
}

function writeAll(file: number, bytes: Uint8Array): void {
  let written = 0;
  while (written < bytes.length) written += writeSync(file, bytes, written);
}

/** A zlib stream around Bun's raw deflate: importing node:zlib would cost 16 ms of start-up. */
function deflateZlib(bytes: Uint8Array): Uint8Array {
  const owned = new Uint8Array(bytes);
  const raw = Bun.deflateSync(owned, { level: 1 });
  const stream = new Uint8Array(raw.length + 6);
  const view = new DataView(stream.buffer);
  view.setUint16(0, ZLIB_HEADER);
  stream.set(raw, 2);
  view.setUint32(raw.length + 2, Bun.hash.adler32(owned));
  return stream;
}
