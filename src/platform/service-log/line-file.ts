/**
 * The file that the lines of a service go to, and those that were put aside. It is opened for each piece: nothing is
 * kept open for programs that are silent, and whatever others do to the file is seen at the next piece.
 */
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  statSync,
  writeSync,
} from "node:fs";
import type { LogLimits } from "../../base/ports/log-file.ts";
import { asidePath, begunOf, currentPath, isOld, listAside, removeDoomed } from "../log-names.ts";

const NEWLINE = 10;
/** Enough for the time at the beginning of a line. */
const HEAD_BYTES = 64;

/** The open file. `number`: the one it will have when it is put aside. */
export interface LineFile {
  readonly descriptor: number;
  readonly number: number;
  readonly inode: number;
  readonly size: number;
}

/** The log of one service on the disk. Errors are those of node:fs. */
export class LineFiles {
  readonly #folder: string;
  readonly #name: string;
  /** The file that was seen last, and its number: folders are listed only when it is another one. */
  #known: { readonly inode: number; readonly number: number; readonly begunWallMs: number } | null = null;

  constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#name = name;
  }

  /** Opens the file, which is made when it is missing, for `use`. */
  open<T>(nowWallMs: number, use: (file: LineFile) => T): T {
    const descriptor = this.#openDescriptor();
    try {
      const { ino: inode, size } = fstatSync(descriptor);
      if (this.#known?.inode !== inode) {
        const head = readAt(descriptor, 0, Math.min(HEAD_BYTES, size)).toString("latin1");
        this.#known = { inode, number: this.#nextNumber(), begunWallMs: begunOf(head) ?? nowWallMs };
      }
      return use({ descriptor, inode, size, number: this.#known.number });
    } finally {
      closeSync(descriptor);
    }
  }

  /** Whether the file is put aside before anything is added, whatever its size. */
  isDue(file: LineFile, limits: LogLimits, nowWallMs: number): boolean {
    if (file.size === 0) return false;
    return (
      file.size >= limits.fileBytes || isOld(nowWallMs - (this.#known?.begunWallMs ?? nowWallMs), limits)
    );
  }

  /** The same of a file that nothing is added to; it is not made when it is missing. */
  isOverdue(limits: LogLimits, nowWallMs: number): boolean {
    const path = currentPath(this.#folder, this.#name);
    const { size = 0 } = statSync(path, { throwIfNoEntry: false }) ?? {};
    return size > 0 && this.open(nowWallMs, (file) => this.isDue(file, limits, nowWallMs));
  }

  /** Removes what was put aside and is too old or too much. */
  removeDoomed(limits: LogLimits, nowWallMs: number): void {
    removeDoomed(listAside(this.#folder, this.#name), limits, nowWallMs);
  }

  /** Puts the file aside, and removes what is too old or too much. */
  putAside(limits: LogLimits, nowWallMs: number): void {
    const aside = listAside(this.#folder, this.#name);
    const number = (aside.at(-1)?.number ?? 0) + 1;
    const path = asidePath(this.#folder, number, this.#name);
    renameSync(currentPath(this.#folder, this.#name), path);
    this.#known = null;
    this.removeDoomed(limits, nowWallMs);
  }

  #openDescriptor(): number {
    const path = currentPath(this.#folder, this.#name);
    try {
      return openSync(path, "a+", 0o600);
    } catch {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      return openSync(path, "a+", 0o600);
    }
  }

  #nextNumber(): number {
    return (listAside(this.#folder, this.#name).at(-1)?.number ?? 0) + 1;
  }
}

/** Writes everything; what a full disk took of it is taken back, so that it is all or nothing. */
export function writeAll(file: LineFile, bytes: Uint8Array): void {
  let written = 0;
  try {
    while (written < bytes.length) written += writeSync(file.descriptor, bytes, written);
  } catch (thrown) {
    if (written > 0) ftruncateSync(file.descriptor, file.size);
    throw thrown;
  }
}

/** What stands in a file from `position` on. */
export function readAt(descriptor: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let count = 0;
  while (count < length) {
    const read = readSync(descriptor, bytes, count, length - count, position + count);
    if (read === 0) break;
    count += read;
  }
  return bytes.subarray(0, count);
}

/** Ends half a line that a power cut or somebody else left. */
export function endLine({ descriptor, size }: LineFile): void {
  if (size > 0 && readAt(descriptor, size - 1, 1)[0] !== NEWLINE) writeSync(descriptor, "\n");
}
