/** A file that a program appends to, and how far it was read. */
import { closeSync, fstatSync, openSync, readSync, rmSync } from "node:fs";
import { readBoot } from "../boot.ts";
import { hasCode } from "../io-error.ts";
import { loadFileEnd } from "./file-end.ts";
import { PlaceFile, placePath, readPlace } from "./place-file.ts";
import { loadPunchHole } from "./punch-hole.ts";
import { type BatchInput, FIRST_STATE, type LineState } from "./read-batch.ts";

/** Space is given back in pieces of this size: a few of them per MiB, and little lies about. Chosen, not measured. */
const FREE_BYTES = 256 * 1024;
/** The system gives back whole blocks. */
const BLOCK_BYTES = 4096;
const SECOND_MS = 1_000;

let boot: string | null | undefined;

/** Which start of the system this is; null where that cannot be told. */
export function currentBoot(): string | null {
  if (boot === undefined) boot = readBoot().id;
  return boot;
}

/** The state before the first byte of a file that was made then: its first second is allowed what every second is. */
const stateAt = (bornWallMs: number): LineState => ({ ...FIRST_STATE, sinceWallMs: bornWallMs - SECOND_MS });

/** One spool. Errors are those of node:fs. */
export class Spool {
  readonly path: string;
  readonly place: PlaceFile;
  /** What is behind this was not read. */
  position: number;
  state: LineState;
  /** The file is removed once it was read to its end. */
  isOver = false;
  /** Whether what was read could be given back; null before that was tried. */
  freesRead: boolean | null = null;
  /** The system was started anew since it was read last. */
  readonly #isAfterBoot: boolean;
  /** When it was looked at last; null: not by this process. */
  #lookedMonoMs: number | null = null;
  /** Since when the beginning of a line waits for its end, and the size that the file had then. */
  #partial: { readonly sinceMonoMs: number; readonly size: number } | null = null;
  #descriptor: number | null = null;
  #canWrite = false;
  #freed = 0;

  constructor(path: string) {
    this.path = path;
    const noted = readPlace(placePath(path));
    this.place = new PlaceFile(placePath(path), (noted?.turn ?? -1) + 1);
    this.position = noted?.place.to ?? 0;
    this.#isAfterBoot = noted !== null && noted.place.boot !== currentBoot();
    this.state = noted?.place.after ?? FIRST_STATE;
  }

  /** Whether it was opened and read to its end, and is no longer now; tells that for a tenth of the cost of `look`. */
  isSilent(): boolean {
    if (this.#descriptor === null || this.state === FIRST_STATE) return false;
    return loadFileEnd()(this.#descriptor) === this.position;
  }

  /** Size (bytes) and time of the last change (wall ms); null while there is no such file. */
  look(): { readonly size: number; readonly changedWallMs: number } | null {
    const isFirst = this.#descriptor === null;
    if (isFirst && !this.#open()) return null;
    const { size, mtimeMs, birthtimeMs } = fstatSync(this.#descriptor as number);
    if (this.state === FIRST_STATE) this.state = stateAt(birthtimeMs);
    // A power cut took what was read already; else somebody cut the file, and what is there is new.
    if (size < this.position) {
      this.position = isFirst && this.#isAfterBoot ? size : 0;
      this.#freed = Math.min(this.#freed, this.position);
    }
    return { size, changedWallMs: mtimeMs };
  }

  /** Somebody looks at it now. Answers how long nobody had, ms. */
  noteLook(nowMonoMs: number): number {
    const pausedMs = nowMonoMs - (this.#lookedMonoMs ?? Number.NEGATIVE_INFINITY);
    this.#lookedMonoMs = nowMonoMs;
    return pausedMs;
  }

  /** Whether something has to be said though nothing new was written. */
  hasNews(nowWallMs: number): boolean {
    const { dropped, lost, lostBytes, sinceWallMs } = this.state;
    if (dropped === 0 && lost === 0 && lostBytes === 0) return false;
    return this.isOver || nowWallMs - sinceWallMs >= SECOND_MS;
  }

  /** What is to be done with half a line at the end; null: it waits, for `partialMs`, and nothing else is there. */
  endAt(size: number, partialMs: number, nowMonoMs: number): BatchInput["end"] | null {
    if (this.isOver) return "last";
    if (this.#partial?.size !== size) return "more";
    return nowMonoMs - this.#partial.sinceMonoMs >= partialMs ? "part" : null;
  }

  /** What is left after all whole lines were taken is the beginning of one. */
  notePartial(size: number, isAllTaken: boolean, nowMonoMs: number): void {
    if (!isAllTaken || this.position >= size) this.#partial = null;
    else if (this.#partial?.size !== size) this.#partial = { size, sinceMonoMs: nowMonoMs };
  }

  /** Reads into `bytes` from a position on; the number of bytes. */
  read(bytes: Buffer, length: number, position = this.position): number {
    let count = 0;
    while (count < length) {
      const read = readSync(this.#descriptor as number, bytes, count, length - count, position + count);
      if (read === 0) break;
      count += read;
    }
    return count;
  }

  /** Gives back what lies before `until`, in steps. */
  free(until: number): void {
    const end = until - (until % BLOCK_BYTES);
    if (this.freesRead === false || end - this.#freed < FREE_BYTES) return;
    this.freesRead =
      this.#canWrite && loadPunchHole()(this.#descriptor as number, this.#freed, end - this.#freed);
    this.#freed = end;
  }

  /** Removes the file. What was noted goes last: without it, a file that is still there would be read anew. */
  remove(): void {
    this.close();
    rmSync(this.path, { force: true });
    rmSync(placePath(this.path), { force: true });
  }

  close(): void {
    this.place.close();
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
  }

  #open(): boolean {
    try {
      this.#descriptor = openSync(this.path, "r+");
      this.#canWrite = true;
    } catch (thrown) {
      if (hasCode(thrown, "ENOENT")) return false;
      // Space can be given back only by who may write.
      this.#descriptor = openSync(this.path, "r");
    }
    return true;
  }
}
