/**
 * The log of one supervised program: reads its spools, writes its lines. For each piece, in this order: what will be
 * written is noted beside the spool, then it is written, then what lies before it is given back to the disk. Whoever
 * dies in between is followed by somebody who finds the note, see `recover.ts`.
 *
 * Nothing the disk says stops anybody: what cannot be written is counted, said once, and told in the log when it goes
 * again. What lies further back than the whole log may be long is not even read.
 */
import { basename } from "node:path";
import { messageOf } from "../../base/errors.ts";
import { toInstant } from "../../base/instant.ts";
import type { PumpLimits, ServiceLine, ServiceLog, ServiceLogOptions } from "../../base/ports/service-log.ts";
import { SERVICE_LINE_BYTES_MAX } from "../../base/service-line.ts";
import { fittingLimits } from "../log-names.ts";
import { DiskGuard } from "./disk-guard.ts";
import { lastLines } from "./last-lines.ts";
import { endLine, type LineFile, LineFiles, writeAll } from "./line-file.ts";
import { placePath, readPlace } from "./place-file.ts";
import { type Batch, type BatchInput, type LineState, readBatch, withoutRest } from "./read-batch.ts";
import { recover } from "./recover.ts";
import { currentBoot, Spool } from "./spool.ts";
import { removeLoneNotes, spoolsIn } from "./spool-names.ts";

/** So much of a spool is dealt with in one call: some milliseconds. */
const PIECE_BYTES = 256 * 1024;

/** One piece for all logs: only one is read at a time. */
const buffer = Buffer.alloc(PIECE_BYTES + SERVICE_LINE_BYTES_MAX);

/** Opens the log in `folder`; the file has the name of the folder. One process may do so at a time. */
export function openServiceLog(folder: string, options: ServiceLogOptions): ServiceLog {
  return new SpooledLog(folder, options);
}

class SpooledLog implements ServiceLog {
  readonly #folder: string;
  readonly #name: string;
  readonly #options: ServiceLogOptions;
  readonly #files: LineFiles;
  readonly #disk: DiskGuard;
  readonly #spools = new Map<string, Spool>();
  #isRecovered = false;

  constructor(folder: string, options: ServiceLogOptions) {
    this.#folder = folder;
    this.#name = basename(folder);
    this.#options = options;
    this.#files = new LineFiles(folder, this.#name);
    this.#disk = new DiskGuard(folder, options.clock, options);
  }

  get freesRead(): boolean | null {
    const answers = [...this.#spools.values()].map((spool) => spool.freesRead);
    return answers.includes(false) ? false : answers.includes(true) ? true : null;
  }

  follow(path: string): void {
    if (this.#spools.has(path)) return;
    this.#guard(() => this.#spools.set(path, new Spool(path)), undefined);
  }

  pump(): boolean {
    let isMore = false;
    for (const spool of this.#spools.values()) {
      if (this.#guard(() => this.#readOn(spool), false)) isMore = true;
    }
    return isMore;
  }

  finished(path: string): boolean {
    this.follow(path);
    const spool = this.#spools.get(path);
    if (spool === undefined) return false;
    spool.isOver = true;
    return this.#guard(() => {
      if (this.#readOn(spool)) return false;
      // The last piece may not be in the log; where the disk does not take it, it is lost as all else is now.
      this.#guard(() => this.#recoverOnce(), undefined);
      const found = spool.look();
      if (found !== null && found.size > spool.position) return false;
      spool.remove();
      this.#spools.delete(path);
      return true;
    }, false);
  }

  expire(): void {
    this.#guard(() => {
      const limits = fittingLimits(this.#options.limits());
      const nowWallMs = this.#options.clock.wallMs();
      if (!this.#files.isOverdue(limits, nowWallMs)) return this.#files.removeDoomed(limits, nowWallMs);
      // What a sudden death left undone belongs into the file before it is put aside.
      this.#recoverOnce();
      this.#files.putAside(limits, nowWallMs);
    }, undefined);
  }

  spools(): readonly string[] {
    return spoolsIn(this.#folder);
  }

  tail(count: number): readonly ServiceLine[] {
    return lastLines(this.#folder, this.#name, count);
  }

  close(): void {
    for (const spool of this.#spools.values()) spool.close();
    this.#spools.clear();
  }

  /** Nothing of this may stop the daemon: what the system says is told, and the next look tries again. */
  #guard<T>(attempt: () => T, otherwise: T): T {
    try {
      return attempt();
    } catch (thrown) {
      this.#disk.tellTrouble(messageOf(thrown));
      return otherwise;
    }
  }

  /** Reads a piece of a spool. True: more waits. */
  #readOn(spool: Spool): boolean {
    const { clock } = this.#options;
    const nowMonoMs = clock.monotonicMs();
    const pausedMs = spool.noteLook(nowMonoMs);
    const hasNews = spool.hasNews(clock.wallMs());
    const found = spool.isSilent() && !hasNews ? null : spool.look();
    if (found === null || (found.size === spool.position && !hasNews)) {
      // One open file for a silent program is enough.
      spool.place.close();
      return false;
    }
    const end = spool.endAt(found.size, this.#options.limits().partialMs, nowMonoMs);
    if (end === null) return false;
    const limits = fittingLimits(this.#options.limits());
    if (this.#skipTooMuch(spool, found.size, limits)) return true;
    const length = Math.min(buffer.length, found.size - spool.position);
    const count = this.#readPiece(spool, length);
    const isEnd = spool.position + count >= found.size;
    const nowWallMs = clock.wallMs();
    const batch = this.#write(spool, limits, {
      bytes: buffer.subarray(0, count),
      state: withoutRest(spool.state, nowWallMs - pausedMs),
      timestamp: toInstant(Math.min(nowWallMs, Math.floor(found.changedWallMs))),
      nowWallMs,
      linesPerSecond: limits.linesPerSecond,
      bytesMax: limits.fileBytes,
      isFresh: false,
      end: isEnd ? end : "more",
      reachesEnd: isEnd,
      discard: false,
      onLine: this.#onLineOf(spool),
    });
    spool.notePartial(found.size, isEnd && !batch.isFull, nowMonoMs);
    return batch.isFull || (batch.used > 0 && !isEnd);
  }

  #onLineOf({ path }: Spool): ((line: string) => void) | undefined {
    const { onLine } = this.#options;
    return onLine === undefined ? undefined : (line) => onLine(line, path);
  }

  /** Reads into the buffer. What the disk cannot read is gone past, so that it does not stand in the way for ever. */
  #readPiece(spool: Spool, length: number): number {
    try {
      return spool.read(buffer, length);
    } catch (thrown) {
      this.#skip(spool, length);
      throw thrown;
    }
  }

  /** Goes past what would be removed again before anybody could read it. */
  #skipTooMuch(spool: Spool, size: number, { totalBytes }: PumpLimits): boolean {
    const skipped = size - spool.position - totalBytes;
    if (skipped <= 0) return false;
    this.#skip(spool, skipped);
    return true;
  }

  #skip(spool: Spool, bytes: number): void {
    this.#guard(() => this.#recoverOnce(), undefined);
    const { state } = spool;
    const lostBytes = state.lostBytes + bytes;
    this.#advance(spool, spool.position + bytes, { ...state, skipping: true, lostBytes });
  }

  /** Moves on in a spool without writing anything. */
  #advance(spool: Spool, to: number, after: LineState): void {
    const nowWallMs = this.#options.clock.wallMs();
    const place = {
      from: to,
      to,
      log: { number: 0, inode: 0, size: 0 },
      added: 0,
      boot: currentBoot(),
      timestamp: "",
      nowWallMs,
      linesPerSecond: 0,
      end: "more",
      before: spool.state,
      after,
    } as const;
    spool.position = to;
    spool.state = after;
    this.#guard(() => spool.place.write(place), undefined);
    spool.free(to);
  }

  #write(spool: Spool, limits: PumpLimits, input: BatchInput): Batch {
    const refusal = this.#disk.refusal(limits.diskFreeBytes);
    if (refusal !== null) return this.#discard(spool, input, refusal);
    try {
      this.#recoverOnce();
      const batch = this.#files.open(input.nowWallMs, (file) => {
        if (this.#files.isDue(file, limits, input.nowWallMs)) return null;
        const room = { bytesMax: limits.fileBytes - file.size, isFresh: file.size === 0 };
        const made = readBatch({ ...input, ...room });
        if (made.isFull && made.used === 0 && file.size > 0) return null;
        this.#commit(spool, file, input, made);
        return made;
      });
      if (batch === null) this.#files.putAside(limits, input.nowWallMs);
      this.#disk.tellRecovered();
      // The next call goes on in a new file.
      return batch ?? { output: "", used: 0, state: input.state, isFull: true };
    } catch (thrown) {
      this.#disk.refuse();
      return this.#discard(spool, input, messageOf(thrown));
    }
  }

  #commit(spool: Spool, file: LineFile, input: BatchInput, batch: Batch): void {
    if (batch.used === 0 && batch.output === "") {
      spool.state = batch.state;
      return;
    }
    const bytes = Buffer.from(batch.output);
    const from = spool.position;
    const { timestamp, nowWallMs, linesPerSecond, end, state: before } = input;
    spool.place.write({
      from,
      to: from + batch.used,
      log: { number: file.number, inode: file.inode, size: file.size },
      added: bytes.length,
      boot: currentBoot(),
      timestamp,
      nowWallMs,
      linesPerSecond,
      end,
      before,
      after: batch.state,
    });
    if (bytes.length > 0) writeAll(file, bytes);
    spool.position = from + batch.used;
    spool.state = batch.state;
    // Not what belongs to this piece: whoever comes after a sudden death may have to read it once more.
    spool.free(from);
  }

  /** Nothing can be written: what is there is counted, so that it can be told later, and given back. */
  #discard(spool: Spool, input: BatchInput, why: string): Batch {
    this.#disk.tellTrouble(why);
    const batch = readBatch({ ...input, discard: true });
    this.#disk.countLost(batch.state.lost - input.state.lost);
    if (batch.used > 0) this.#advance(spool, spool.position + batch.used, batch.state);
    return batch;
  }

  /** Before the first line is written, what a sudden death left undone is done: it belongs before it. */
  #recoverOnce(): void {
    if (this.#isRecovered) return;
    const nowWallMs = this.#options.clock.wallMs();
    removeLoneNotes(this.#folder);
    for (const path of spoolsIn(this.#folder)) {
      const noted = readPlace(placePath(path));
      if (noted !== null) this.#files.open(nowWallMs, (file) => recover(path, noted.place, file));
    }
    this.#files.open(nowWallMs, endLine);
    this.#isRecovered = true;
  }
}
