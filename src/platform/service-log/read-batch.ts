/**
 * What becomes of a piece of a spool: whole lines with their time and level, as many as may be kept. It is a function of
 * its input alone, since a reader that died while it wrote is gone on with by doing the same again and comparing.
 */
import { LOG_LEVELS, type LogLevel } from "../../base/log-line.ts";
import {
  detectLevel,
  formatServiceLine,
  isContinuation,
  SERVICE_LINE_BYTES_MAX,
} from "../../base/service-line.ts";

/** What is known between two pieces; small, since it is written down with every piece. */
export interface LineState {
  /** The level of the last line. */
  readonly level: LogLevel;
  /** The rest of a line that was cut is left out, up to its end. */
  readonly skipping: boolean;
  /** The beginning of this line was shown already, before its end came. */
  readonly continued: boolean;
  /** The end of the spool was not reached: what was not used of `left` is for what still waits. */
  readonly isBehind: boolean;
  /** Lines that may still be kept in the second that began at `sinceWallMs`. */
  readonly left: number;
  readonly sinceWallMs: number;
  /** Lines dropped in that second. */
  readonly dropped: number;
  /** Lines and bytes that found no place since the last time it was said. */
  readonly lost: number;
  readonly lostBytes: number;
}

/** The state before the first byte. */
export const FIRST_STATE: LineState = {
  level: "INFO",
  skipping: false,
  continued: false,
  isBehind: false,
  left: 0,
  sinceWallMs: 0,
  dropped: 0,
  lost: 0,
  lostBytes: 0,
};

/** A piece of a spool and what holds for it. */
export interface BatchInput {
  readonly bytes: Buffer;
  readonly state: LineState;
  /** The time that its lines get. */
  readonly timestamp: string;
  readonly nowWallMs: number;
  readonly linesPerSecond: number;
  /** So many bytes may be written; the first line always may when `isFresh`. */
  readonly bytesMax: number;
  readonly isFresh: boolean;
  /** `part`: a line without its end is shown; `last`: nothing will follow at all. */
  readonly end: "more" | "part" | "last";
  /** The piece ends where the spool ends now. */
  readonly reachesEnd: boolean;
  /** Nothing can be written: lines are counted as lost. */
  readonly discard: boolean;
  readonly onLine: ((line: string) => void) | undefined;
}

/** What a piece became. */
export interface Batch {
  readonly output: string;
  /** Bytes that are dealt with. */
  readonly used: number;
  readonly state: LineState;
  /** The file has no room for the next line. */
  readonly isFull: boolean;
}

const NEWLINE = 10;
const RETURN = 13;
const SECOND_MS = 1_000;
/** So much of a pause of the reader counts for what may be kept after it. Chosen, not measured. */
const PAUSE_MS_MAX = 3_600_000;
const CUT_MARK = " … (cut at 64 KiB)";

/** Makes lines of a piece of a spool. */
export function readBatch(input: BatchInput): Batch {
  const builder = new BatchBuilder(input);
  builder.begin();
  const used = builder.takeAll();
  return builder.finish(used);
}

class BatchBuilder {
  readonly #input: BatchInput;
  readonly #parts: string[] = [];
  #bytes = 0;
  #isFull = false;
  #state: { -readonly [K in keyof LineState]: LineState[K] };

  constructor(input: BatchInput) {
    this.#input = input;
    this.#state = { ...input.state };
  }

  /** A second that passed allows new lines, and is the time to say what was dropped in it. */
  begin(): void {
    const { nowWallMs, linesPerSecond, discard } = this.#input;
    const state = this.#state;
    const passedMs = nowWallMs - state.sinceWallMs;
    if (passedMs >= SECOND_MS || passedMs < 0) {
      const countedMs = passedMs < 0 ? SECOND_MS : Math.min(PAUSE_MS_MAX, passedMs);
      const gained = gainedIn(countedMs, linesPerSecond);
      state.left = gained + (state.isBehind ? state.left : 0);
      state.sinceWallMs = nowWallMs;
      if (!discard) this.#tellDropped();
    }
    if (!discard) this.#tellLost();
  }

  /** Takes as many lines as there are and fit; the number of bytes that are dealt with. */
  takeAll(): number {
    const { bytes } = this.#input;
    let at = this.#afterHole();
    while (at < bytes.length) {
      const newline = bytes.indexOf(NEWLINE, at);
      const next = newline === -1 ? this.#takeOpen(at) : this.#takeWhole(at, newline);
      if (next === at) return at;
      at = next;
    }
    return at;
  }

  finish(used: number): Batch {
    const isEnd = used === this.#input.bytes.length && this.#input.end === "last";
    if (isEnd && !this.#input.discard) this.#tellDropped();
    this.#state.isBehind = this.#isFull || !this.#input.reachesEnd;
    return { output: this.#parts.join(""), used, state: this.#state, isFull: this.#isFull };
  }

  /** Where a disk lost what was written, or what was read was given back, there are zeros: they are no text. */
  #afterHole(): number {
    const { bytes } = this.#input;
    if (bytes[0] !== 0) return 0;
    let at = 0;
    while (at < bytes.length && bytes[at] === 0) at += 1;
    return at;
  }

  /** A line with its end at `newline`; the position behind it, or `at` when it has to wait. */
  #takeWhole(at: number, newline: number): number {
    const state = this.#state;
    const isEmpty = newline === at || (newline === at + 1 && this.#input.bytes[at] === RETURN);
    const isOver = state.skipping || (state.continued && isEmpty);
    if (!(isOver || this.#emit(at, newline))) return at;
    state.skipping = false;
    state.continued = false;
    return newline + 1;
  }

  /** What has no end yet. */
  #takeOpen(at: number): number {
    const { bytes, end } = this.#input;
    const state = this.#state;
    if (state.skipping) return bytes.length;
    if (bytes.length - at > SERVICE_LINE_BYTES_MAX) {
      if (!this.#emit(at, bytes.length)) return at;
      state.skipping = true;
      state.continued = false;
      return bytes.length;
    }
    if (end === "more" || !this.#emit(at, bytes.length)) return at;
    state.continued = end === "part";
    return bytes.length;
  }

  /** Writes the line between two positions, or counts it. False: the file has no room for it. */
  #emit(from: number, to: number): boolean {
    const { bytes, discard, linesPerSecond, onLine, timestamp } = this.#input;
    const state = this.#state;
    const isCounted = discard || (linesPerSecond > 0 && state.left < 1);
    if (isCounted && onLine === undefined) {
      this.#count(discard);
      return true;
    }
    const text = toText(bytes, from, to);
    if (isCounted) {
      onLine?.(text);
      this.#count(discard);
      return true;
    }
    const level = detectLevel(text) ?? (isContinuation(text) ? state.level : "INFO");
    if (!this.#write(formatServiceLine(timestamp, level, text))) return false;
    onLine?.(text);
    state.level = level;
    state.left -= 1;
    return true;
  }

  #count(discard: boolean): void {
    if (discard) this.#state.lost += 1;
    else this.#state.dropped += 1;
  }

  #write(line: string): boolean {
    const { bytesMax, isFresh } = this.#input;
    const size = Buffer.byteLength(line) + 1;
    const isFirst = isFresh && this.#bytes === 0;
    if (!isFirst && this.#bytes + size > bytesMax) {
      this.#isFull = true;
      return false;
    }
    this.#bytes += size;
    this.#parts.push(line, "\n");
    return true;
  }

  #tellDropped(): void {
    const { dropped } = this.#state;
    if (dropped === 0) return;
    const { linesPerSecond } = this.#input;
    if (this.#tell(`${dropped} lines dropped: more than ${linesPerSecond} lines in a second`)) {
      this.#state.dropped = 0;
    }
  }

  #tellLost(): void {
    const { lost, lostBytes } = this.#state;
    if (lost === 0 && lostBytes === 0) return;
    const bytes = lostBytes === 0 ? "" : `${lost === 0 ? "" : " and "}${lostBytes} bytes of output`;
    const lines = lost === 0 ? "" : `${lost} lines`;
    if (!this.#tell(`${lines}${bytes} dropped: the log could not take them`)) return;
    this.#state.lost = 0;
    this.#state.lostBytes = 0;
  }

  /** What the log itself says stands between the program's lines. */
  #tell(text: string): boolean {
    return this.#write(formatServiceLine(this.#input.timestamp, "WARNING", `fleetd: ${text}`));
  }
}

const gainedIn = (passedMs: number, linesPerSecond: number): number =>
  Math.max(1, Math.floor((linesPerSecond * passedMs) / SECOND_MS));

/** The text of a line: valid, without its carriage return, with NULs made visible, and at most as long as it may be. */
function toText(bytes: Buffer, from: number, to: number): string {
  const end = to > from && bytes[to - 1] === RETURN ? to - 1 : to;
  if (end - from > SERVICE_LINE_BYTES_MAX) return cutText(decode(bytes, from, from + SERVICE_LINE_BYTES_MAX));
  const text = decode(bytes, from, end);
  // What is not UTF-8 grows threefold.
  return text.length * 3 > SERVICE_LINE_BYTES_MAX && Buffer.byteLength(text) > SERVICE_LINE_BYTES_MAX
    ? cutText(text)
    : text;
}

function decode(bytes: Buffer, from: number, to: number): string {
  const text = bytes.toString("utf8", from, to);
  return text.includes("\0") ? text.replaceAll("\0", "␀") : text;
}

function cutText(text: string): string {
  const bytes = Buffer.from(text, "utf8");
  let end = Math.min(bytes.length, SERVICE_LINE_BYTES_MAX - Buffer.byteLength(CUT_MARK));
  // Not in the middle of a character.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString("utf8", 0, end) + CUT_MARK;
}

/** A state whose second began at `fromWallMs` at the earliest: a quiet time of the program is no allowance for later. */
export const withoutRest = (state: LineState, fromWallMs: number): LineState =>
  state.sinceWallMs >= fromWallMs - SECOND_MS ? state : { ...state, sinceWallMs: fromWallMs - SECOND_MS };

/** A state that was written down, read back; null when it is none. */
export function parseState(value: unknown): LineState | null {
  if (typeof value !== "object" || value === null) return null;
  const state = value as Record<keyof LineState, unknown>;
  const level = LOG_LEVELS.find((one) => one === state.level);
  const numbers = [state.left, state.sinceWallMs, state.dropped, state.lost, state.lostBytes];
  const areNumbers = numbers.every((one) => typeof one === "number" && Number.isFinite(one));
  const areFlags = [state.skipping, state.continued, state.isBehind].every((one) => typeof one === "boolean");
  return level !== undefined && areNumbers && areFlags ? (value as LineState) : null;
}
