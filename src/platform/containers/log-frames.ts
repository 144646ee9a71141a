/**
 * The log of a container as the engine sends it: frames of eight bytes (which stream, three of nothing, the length) and
 * one message each, which begins with its time when that was asked for.
 */

/** One message. */
export interface LogMessage {
  /** RFC 3339 with up to nanoseconds. */
  readonly time: string;
  readonly payload: Uint8Array;
}

const HEADER_BYTES = 8;
const LENGTH_AT = 4;
const SPACE = 0x20;

/** Takes pieces as they come, and answers the messages that are whole. */
export class LogFrames {
  #rest = new Uint8Array(0);

  push(piece: Uint8Array): readonly LogMessage[] {
    let bytes: Uint8Array = piece;
    if (this.#rest.length > 0) {
      bytes = new Uint8Array(this.#rest.length + piece.length);
      bytes.set(this.#rest);
      bytes.set(piece, this.#rest.length);
    }
    const messages: LogMessage[] = [];
    let at = 0;
    while (bytes.length - at >= HEADER_BYTES) {
      const length = new DataView(bytes.buffer, bytes.byteOffset + at + LENGTH_AT, 4).getUint32(0);
      const end = at + HEADER_BYTES + length;
      if (end > bytes.length) break;
      messages.push(split(bytes.subarray(at + HEADER_BYTES, end)));
      at = end;
    }
    this.#rest = bytes.slice(at);
    return messages;
  }
}

function split(frame: Uint8Array): LogMessage {
  const space = frame.indexOf(SPACE);
  const time = new TextDecoder().decode(frame.subarray(0, Math.max(0, space)));
  return { time, payload: frame.subarray(space + 1) };
}
