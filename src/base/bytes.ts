const encoder = new TextEncoder();
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The UTF-8 bytes of `text`. */
export const toUtf8 = (text: string): Uint8Array => encoder.encode(text);

/** The text of UTF-8 `bytes`, or null when they are not valid UTF-8. A byte order mark is kept. */
export function fromUtf8(bytes: Uint8Array): string | null {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    // The only failure of a fatal decoder is malformed input, and "no text" is the answer to it.
    return null;
  }
}

/** All `parts` one after the other in one array. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** Whether both hold the same bytes. Not constant-time: for public values. */
export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  for (let index = 0; index < left.length; index += 1) if (left[index] !== right[index]) return false;
  return true;
}

/** The bytes of a base64 text, or null when it is not base64. White space is ignored. */
export function fromBase64(text: string): Uint8Array | null {
  try {
    return Uint8Array.fromBase64(text.replace(/\s+/g, ""));
  } catch {
    // Malformed input is the only failure.
    return null;
  }
}

/** The bytes of a lowercase or uppercase hex text of even length; the caller has checked the characters. */
export const fromHex = (text: string): Uint8Array => Uint8Array.fromHex(text);
