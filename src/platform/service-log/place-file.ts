/**
 * Where a reader stands in a spool, and what it was about to write when it stood there: a small file beside the spool.
 * It is written before the log is, so whoever comes after a sudden death knows what has to stand in the log, and can
 * look whether it does. Two slots are written in turn, so that a half-written one leaves the one before.
 */
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { type LineState, parseState } from "./read-batch.ts";

/** What is noted. Numbers are bytes, times ms of the wall clock. */
export interface Place {
  /** The piece of the spool that was read: from `from` up to `to`. */
  readonly from: number;
  readonly to: number;
  /** The file it goes to: the number it will have once it was put aside, what it is, its size before, what is added. */
  readonly log: { readonly number: number; readonly inode: number; readonly size: number };
  readonly added: number;
  /** Which start of the system this was, where that can be told: a power cut lies between two of them. */
  readonly boot: string | null;
  /** All else that decides what the piece becomes. */
  readonly timestamp: string;
  readonly nowWallMs: number;
  readonly linesPerSecond: number;
  readonly end: "more" | "part" | "last";
  readonly before: LineState;
  readonly after: LineState;
}

/** The name of the file for a spool. */
export const placePath = (spool: string): string => `${spool}.at`;

const SLOT_BYTES = 1024;

/** The file, for writing. */
export class PlaceFile {
  readonly #path: string;
  #turn: number;
  #descriptor: number | null = null;

  /** `turn`: the one after what was read from it. */
  constructor(path: string, turn: number) {
    this.#path = path;
    this.#turn = turn;
  }

  /** Notes a place. Throws what the system says. */
  write(place: Place): void {
    this.#descriptor ??= openToWrite(this.#path);
    const json = JSON.stringify({ turn: this.#turn, ...place });
    const slot = Buffer.from(`${digest(json)} ${json}\n`.padEnd(SLOT_BYTES, " "));
    if (slot.length !== SLOT_BYTES) throw new Error(`Cannot note a place: it has ${slot.length} bytes`);
    writeSync(this.#descriptor, slot, 0, SLOT_BYTES, (this.#turn % 2) * SLOT_BYTES);
    this.#turn += 1;
  }

  close(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
  }
}

/** What was noted last in the file at `path`, or null: nothing, or nothing that can be read. */
export function readPlace(path: string): { readonly place: Place; readonly turn: number } | null {
  const bytes = Buffer.alloc(2 * SLOT_BYTES);
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch {
    // None yet: nothing of the spool was read.
    return null;
  }
  try {
    readSync(descriptor, bytes, 0, bytes.length, 0);
  } finally {
    closeSync(descriptor);
  }
  const slots = [bytes.subarray(0, SLOT_BYTES), bytes.subarray(SLOT_BYTES)].flatMap((slot) => {
    const parsed = parseSlot(slot.toString("utf8"));
    return parsed === null ? [] : [parsed];
  });
  return slots.sort((left, right) => right.turn - left.turn)[0] ?? null;
}

function openToWrite(path: string): number {
  // Not "w": that would empty it, and what it says must stay until something newer is written.
  try {
    return openSync(path, "r+");
  } catch {
    return openSync(path, "wx", 0o600);
  }
}

function parseSlot(slot: string): { place: Place; turn: number } | null {
  const [sum = "", json = ""] = splitOnce(slot.trimEnd());
  if (json === "" || digest(json) !== sum) return null;
  const { turn, ...place } = JSON.parse(json) as Place & { turn: number };
  // The sum says that it is what was written; another version may have written something else.
  const isKnown = parseState(place.before) !== null && parseState(place.after) !== null;
  return isKnown && Number.isSafeInteger(turn) ? { place, turn } : null;
}

function splitOnce(text: string): readonly string[] {
  const at = text.indexOf(" ");
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

const digest = (text: string): string => Bun.hash(text).toString(16);
