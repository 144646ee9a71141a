/**
 * A log that rotates. Lines are kept in memory for up to a second and written as one piece, so a burst costs one write
 * and a silent daemon costs nothing: the timer runs only while something waits.
 *
 * What must never happen is that the log stops its daemon. So every failure ends here: lines wait, within bounds, until
 * the disk takes them again; what finds no room is counted. Whatever others do to the files (a rename by logrotate, a
 * removal, a truncation) is seen at the next write, since the path is looked at before it.
 */
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  statSync,
  writeSync,
} from "node:fs";
import { concatBytes, toUtf8 } from "../base/bytes.ts";
import { messageOf } from "../base/errors.ts";
import type { Clock } from "../base/ports/clock.ts";
import type { LogFile, LogFileEvents, LogLimits } from "../base/ports/log-file.ts";
import {
  asidePath,
  begunOf,
  currentPath,
  fittingLimits,
  isOld,
  listAside,
  removeDoomed,
} from "./log-names.ts";

/** A line is on its way to the file at latest after this time. */
const FLUSH_AFTER_MS = 500;
/** A disk that took nothing is tried again after this time. */
const TRY_AGAIN_MS = 5_000;
/** So much waits in memory: what is more is written at once, or lost if that is not possible. Chosen, not measured. */
const WRITE_AT_BYTES = 64 * 1024;
const WAITING_BYTES_MAX = 256 * 1024;

/** Opens the log in `folder`, which is made when the first line is written. One process may do so at a time. */
export function openLogFile(
  folder: string,
  options: { readonly limits: () => LogLimits; readonly clock: Clock } & LogFileEvents,
): LogFile {
  return new RotatingLogFile(folder, options);
}

/** The file that is open. `bytes`: its size as far as this process knows. */
interface OpenFile {
  readonly descriptor: number;
  readonly device: number;
  readonly inode: number;
  readonly begunWallMs: number;
  bytes: number;
}

class RotatingLogFile implements LogFile {
  readonly #folder: string;
  readonly #path: string;
  readonly #options: { readonly limits: () => LogLimits; readonly clock: Clock } & LogFileEvents;
  #file: OpenFile | null = null;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  /** How much of the first waiting line is in the file already: a full disk takes a part. */
  #writtenBytes = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #isFailing = false;
  #lost = 0;

  constructor(folder: string, options: { limits: () => LogLimits; clock: Clock } & LogFileEvents) {
    this.#folder = folder;
    this.#path = currentPath(folder);
    this.#options = options;
  }

  write(line: string): void {
    const bytes = toUtf8(`${line}\n`);
    if (this.#waitingBytes + bytes.length > WAITING_BYTES_MAX) {
      this.#lost += 1;
      return;
    }
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes >= WRITE_AT_BYTES && !this.#isFailing) this.flush();
    else this.#timer ??= this.#later(this.#isFailing ? TRY_AGAIN_MS : FLUSH_AFTER_MS);
  }

  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#waiting.length === 0) return;
    try {
      this.#writeWaiting();
    } catch (thrown) {
      this.#timer = this.#later(TRY_AGAIN_MS);
      if (this.#isFailing) return;
      this.#isFailing = true;
      this.#options.onTrouble(messageOf(thrown));
      return;
    }
    if (!this.#isFailing) return;
    this.#isFailing = false;
    const lost = this.#lost;
    this.#lost = 0;
    this.#options.onRecovered(lost);
  }

  close(): void {
    this.flush();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#letGo();
  }

  #later(durationMs: number): ReturnType<typeof setTimeout> {
    const timer = setTimeout(() => this.flush(), durationMs);
    timer.unref();
    return timer;
  }

  #writeWaiting(): void {
    const limits = fittingLimits(this.#options.limits());
    this.#leaveMovedFile();
    while (this.#waiting.length > 0) {
      const file = this.#openedFor(this.#waiting[0]?.length ?? 0, limits);
      this.#writeGroup(file, limits.fileBytes);
    }
  }

  /** Lets go of the file when its path is another file, or none, by now. */
  #leaveMovedFile(): void {
    if (this.#file === null) return;
    const found = statSync(this.#path, { throwIfNoEntry: false });
    if (found?.ino !== this.#file.inode || found.dev !== this.#file.device) this.#letGo();
    // Somebody may have cut it (logrotate's copytruncate); we append, so only our count has to follow.
    else this.#file.bytes = found.size;
  }

  #openedFor(lineBytes: number, limits: LogLimits): OpenFile {
    const nowWallMs = this.#options.clock.wallMs();
    if (this.#file === null) this.#open(limits, nowWallMs);
    const file = this.#file;
    if (file === null) throw new Error(`Cannot write log "${this.#path}": it did not open`);
    const isDue = file.bytes + lineBytes > limits.fileBytes || isOld(nowWallMs - file.begunWallMs, limits);
    if (file.bytes === 0 || !isDue) return file;
    this.#putAside();
    return this.#openedFor(lineBytes, limits);
  }

  #open(limits: LogLimits, nowWallMs: number): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    removeDoomed(listAside(this.#folder), limits, nowWallMs);
    const descriptor = openSync(this.#path, "a+", 0o600);
    const { ino: inode, dev: device, size } = fstatSync(descriptor);
    this.#writtenBytes = 0;
    this.#file = {
      descriptor,
      inode,
      device,
      bytes: size,
      begunWallMs: begunOf(readAt(descriptor, 0, 64)) ?? nowWallMs,
    };
    // A crash or a full disk may have left half a line; the next one starts anew.
    if (size > 0 && readAt(descriptor, size - 1, 1) !== "\n") {
      this.#file.bytes += writeSync(descriptor, "\n");
    }
  }

  #putAside(): void {
    this.#letGo();
    const last = listAside(this.#folder).at(-1)?.number ?? 0;
    renameSync(this.#path, asidePath(this.#folder, last + 1));
  }

  /** Writes as many waiting lines as fit into the file, at least one, and drops what is written. */
  #writeGroup(file: OpenFile, bytesMax: number): void {
    let count = 1;
    let size = this.#waiting[0]?.length ?? 0;
    for (const line of this.#waiting.slice(1)) {
      if (file.bytes + size + line.length > bytesMax) break;
      size += line.length;
      count += 1;
    }
    const bytes = concatBytes(this.#waiting.slice(0, count));
    try {
      while (this.#writtenBytes < bytes.length) {
        const written = writeSync(file.descriptor, bytes, this.#writtenBytes);
        this.#writtenBytes += written;
        file.bytes += written;
      }
    } finally {
      this.#dropWritten();
    }
  }

  #dropWritten(): void {
    let whole = 0;
    for (const line of this.#waiting) {
      if (this.#writtenBytes < line.length) break;
      this.#writtenBytes -= line.length;
      this.#waitingBytes -= line.length;
      whole += 1;
    }
    this.#waiting = this.#waiting.slice(whole);
  }

  #letGo(): void {
    if (this.#file !== null) closeSync(this.#file.descriptor);
    this.#file = null;
    this.#writtenBytes = 0;
  }
}

function readAt(descriptor: number, position: number, length: number): string {
  const bytes = new Uint8Array(length);
  const count = readSync(descriptor, bytes, 0, length, position);
  return new TextDecoder().decode(bytes.subarray(0, count));
}
