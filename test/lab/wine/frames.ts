/** Pieces of several streams over one connection: a kind, a length, and so many bytes. */

/** What a piece is. An empty piece of stdin is its end. */
export const KINDS = { call: 1, stdin: 2, stdout: 3, stderr: 4, exit: 5 } as const;

const HEAD_BYTES = 5;

/** One piece as it goes over the connection. */
export function frame(kind: number, payload: string | Uint8Array): Uint8Array {
  const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
  const whole = new Uint8Array(HEAD_BYTES + bytes.length);
  const view = new DataView(whole.buffer);
  view.setUint8(0, kind);
  view.setUint32(1, bytes.length);
  whole.set(bytes, HEAD_BYTES);
  return whole;
}

/** Puts pieces together again, however they were cut. */
export class FrameReader {
  readonly #onFrame: (kind: number, payload: Uint8Array) => void;
  #rest: Uint8Array = new Uint8Array();

  constructor(onFrame: (kind: number, payload: Uint8Array) => void) {
    this.#onFrame = onFrame;
  }

  push(bytes: Uint8Array): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    while (this.#rest.length >= HEAD_BYTES) {
      const view = new DataView(this.#rest.buffer, this.#rest.byteOffset);
      const end = HEAD_BYTES + view.getUint32(1);
      if (this.#rest.length < end) return;
      const payload = this.#rest.slice(HEAD_BYTES, end);
      this.#rest = this.#rest.slice(end);
      this.#onFrame(view.getUint8(0), payload);
    }
  }
}
