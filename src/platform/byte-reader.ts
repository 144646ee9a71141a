const LINE_FEED = 0x0a;

/** The part of a stream's reader that is used here; Bun and the DOM declare the whole differently. */
interface Source {
  read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>;
  cancel(): Promise<void>;
}

/** Reads a pipe in lines, in exact lengths or to its end, without waiting for more than was asked for. */
export class ByteReader {
  readonly #source: Source;
  #chunk: Buffer = Buffer.alloc(0);
  #offset = 0;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#source = stream.getReader();
  }

  /** The next line without its line feed if all of it has arrived, else null. Costs no turn of the event loop. */
  lineNow(): string | null {
    const end = this.#chunk.indexOf(LINE_FEED, this.#offset);
    if (end === -1) return null;
    const line = this.#chunk.toString("latin1", this.#offset, end);
    this.#offset = end + 1;
    return line;
  }

  /** Exactly `count` bytes, as a copy, if all of them have arrived, else null. */
  bytesNow(count: number): Uint8Array | null {
    const end = this.#offset + count;
    if (end > this.#chunk.length) return null;
    const bytes = Uint8Array.prototype.slice.call(this.#chunk, this.#offset, end);
    this.#offset = end;
    return bytes;
  }

  /** The next line without its line feed, or null at the end. @throws Error when it is longer than `bytesMax` */
  async line(bytesMax: number): Promise<string | null> {
    let head = "";
    for (;;) {
      const end = this.#chunk.indexOf(LINE_FEED, this.#offset);
      const stop = end === -1 ? this.#chunk.length : end;
      const piece = this.#chunk.toString("latin1", this.#offset, stop);
      if (head.length + piece.length > bytesMax) throw new Error("Cannot read a line: it is too long");
      this.#offset = end === -1 ? stop : stop + 1;
      if (end !== -1) return head + piece;
      head += piece;
      if (!(await this.#next())) return null;
    }
  }

  /** Exactly `count` bytes. @throws Error when the pipe ends before */
  async bytes(count: number): Promise<Uint8Array> {
    const result = new Uint8Array(count);
    let filled = 0;
    while (filled < count) {
      if (this.#offset === this.#chunk.length && !(await this.#next())) {
        throw new Error("Cannot read an answer: the pipe ended in its middle");
      }
      const part = this.#chunk.subarray(this.#offset, this.#offset + count - filled);
      result.set(part, filled);
      filled += part.length;
      this.#offset += part.length;
    }
    return result;
  }

  /** Everything to the end, of which `bytesMax` are kept; `onOverflow` is called once when there is more. */
  async rest(bytesMax: number, onOverflow: () => void): Promise<Uint8Array> {
    const kept: Uint8Array[] = [];
    let keptBytes = 0;
    let overflowed = false;
    while (this.#offset < this.#chunk.length || (await this.#next())) {
      const part = this.#chunk.subarray(this.#offset, this.#offset + bytesMax - keptBytes);
      if (part.length > 0) kept.push(part);
      keptBytes += part.length;
      if (this.#offset + part.length < this.#chunk.length && !overflowed) {
        overflowed = true;
        onOverflow();
      }
      this.#offset = this.#chunk.length;
    }
    return kept.length === 1 && kept[0] !== undefined ? kept[0] : Buffer.concat(kept);
  }

  /** Stops reading; pending reads end as at the end of the pipe. */
  async cancel(): Promise<void> {
    await this.#source.cancel();
  }

  async #next(): Promise<boolean> {
    const { done, value } = await this.#source.read();
    if (done || value === undefined) return false;
    this.#chunk = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    this.#offset = 0;
    return true;
  }
}
