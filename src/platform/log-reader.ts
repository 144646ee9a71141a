/**
 * Reads a log, whoever writes it: backwards for "the last lines", forwards for "and what comes". Files may
 * be put aside, renamed or cut while they are read; a file is followed by what it is, not by its name.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { concatBytes } from "../base/bytes.ts";
import { type AsideFile, currentPath, DAEMON_LOG, listAside } from "./log-names.ts";

const PIECE_BYTES = 64 * 1024;
const NEWLINE = 10;
const decoder = new TextDecoder();

/** A file of the log and when it was last written. */
export interface LogPart {
  readonly path: string;
  readonly changedWallMs: number;
  readonly inode: number;
}

/** The files of the log in `folder`, newest first. */
export function listLogParts(folder: string, name = DAEMON_LOG): LogPart[] {
  const path = currentPath(folder, name);
  const current = statSync(path, { throwIfNoEntry: false });
  const parts: LogPart[] = [...listAside(folder, name)];
  if (current !== undefined) parts.push({ path, changedWallMs: current.mtimeMs, inode: current.ino });
  return parts.reverse();
}

/** The lines of a file, last first; with `end` only those in so many bytes. A file that is gone has none. */
export function* linesBackward(path: string, end = Number.POSITIVE_INFINITY): Generator<string> {
  const descriptor = openForReading(path);
  if (descriptor === null) return;
  try {
    let position = Math.min(end, fstatSync(descriptor).size);
    let rest: Uint8Array[] = [];
    while (position > 0) {
      const length = Math.min(PIECE_BYTES, position);
      position -= length;
      const piece = readPiece(descriptor, position, length);
      let until = piece.length;
      for (
        let at = piece.lastIndexOf(NEWLINE);
        at !== -1;
        at = at === 0 ? -1 : piece.lastIndexOf(NEWLINE, at - 1)
      ) {
        const line = joinLine(piece.subarray(at + 1, until), rest);
        if (line !== "") yield line;
        rest = [];
        until = at;
      }
      rest.unshift(piece.slice(0, until));
    }
    const first = joinLine(new Uint8Array(), rest);
    if (first !== "") yield first;
  } finally {
    closeSync(descriptor);
  }
}

/** Where a reader stands in the log. */
interface Place {
  readonly descriptor: number;
  readonly inode: number;
  /** The highest number of a file that was put aside before this one. */
  readonly after: number;
  position: number;
  rest: Uint8Array[];
}

/** Hands out the lines that are added, in order, across rotation. */
export class LogFollower {
  readonly #folder: string;
  readonly #name: string;
  #place: Place | null;

  /** Stands at the end of what is there now, or at the beginning of the current file. */
  constructor(folder: string, name = DAEMON_LOG, from: "end" | "start" = "end") {
    this.#folder = folder;
    this.#name = name;
    this.#place = this.#open(listAside(folder, name));
    if (this.#place !== null && from === "end") this.#place.position = endOfLines(this.#place.descriptor);
  }

  /** The file it stands in and how far it is there; null while there is none. */
  get standsAt(): { readonly inode: number; readonly position: number } | null {
    return this.#place;
  }

  /** Whole lines that were added since the last call. */
  next(): string[] {
    const lines = this.#place === null ? [] : readOn(this.#place);
    const before = this.#place;
    const found = statSync(currentPath(this.#folder, this.#name), { throwIfNoEntry: false });
    // Renamed and not begun anew: its writer may still have the old one.
    if (found === undefined || found.ino === before?.inode) return lines;
    // The old file's writer let go of it before the new one was there, so this finds the last of it.
    if (before !== null) lines.push(...readOn(before));
    const aside = listAside(this.#folder, this.#name);
    const missed = aside.filter(({ number, inode }) => {
      return before !== null && number > before.after && inode !== before.inode;
    });
    for (const file of missed) lines.push(...[...linesBackward(file.path)].reverse());
    const opened = this.#open(aside);
    // Put aside just now: the next call finds it there.
    this.#place = opened ?? (before === null ? null : { ...before, after: lastNumber(aside) });
    if (opened === null) return lines;
    if (before !== null) closeSync(before.descriptor);
    lines.push(...readOn(opened));
    return lines;
  }

  close(): void {
    if (this.#place !== null) closeSync(this.#place.descriptor);
    this.#place = null;
  }

  /** The beginning of the current file, or null while there is none. `aside`: what was put aside before. */
  #open(aside: readonly AsideFile[]): Place | null {
    const descriptor = openForReading(currentPath(this.#folder, this.#name));
    if (descriptor === null) return null;
    return { descriptor, inode: fstatSync(descriptor).ino, after: lastNumber(aside), position: 0, rest: [] };
  }
}

const lastNumber = (aside: readonly AsideFile[]): number => aside.at(-1)?.number ?? 0;

/** What was added to an open file, as whole lines. */
function readOn(place: Place): string[] {
  const { size } = fstatSync(place.descriptor);
  // Cut by somebody: what is there now is new.
  if (size < place.position) {
    place.position = 0;
    place.rest = [];
  }
  const lines: string[] = [];
  while (place.position < size) {
    const piece = readPiece(place.descriptor, place.position, Math.min(PIECE_BYTES, size - place.position));
    if (piece.length === 0) break;
    place.position += piece.length;
    let start = 0;
    for (let at = piece.indexOf(NEWLINE); at !== -1; at = piece.indexOf(NEWLINE, start)) {
      place.rest.push(piece.subarray(start, at));
      const line = decoder.decode(concatBytes(place.rest));
      if (line !== "") lines.push(line);
      place.rest = [];
      start = at + 1;
    }
    if (start < piece.length) place.rest.push(piece.slice(start));
  }
  return lines;
}

/** The position behind the last whole line: what is half-written belongs to what comes. */
function endOfLines(descriptor: number): number {
  let position = fstatSync(descriptor).size;
  while (position > 0) {
    const length = Math.min(PIECE_BYTES, position);
    const at = readPiece(descriptor, position - length, length).lastIndexOf(NEWLINE);
    if (at !== -1) return position - length + at + 1;
    position -= length;
  }
  return 0;
}

function readPiece(descriptor: number, position: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  return bytes.subarray(0, readSync(descriptor, bytes, 0, length, position));
}

const joinLine = (head: Uint8Array, rest: readonly Uint8Array[]): string =>
  decoder.decode(concatBytes([head, ...rest]));

function openForReading(path: string): number | null {
  try {
    return openSync(path, "r");
  } catch {
    // Not there yet, or removed by its bounds: there is nothing to read.
    return null;
  }
}
