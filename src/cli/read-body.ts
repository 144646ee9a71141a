import { causedBy, FleetError, messageOf } from "../base/errors.ts";
import { LIMITS } from "../fleet/messaging/model.ts";
import { readFileUpTo } from "../platform/files.ts";

/** Where a message's text comes from: a word, `-` or a pipe, a file. */
export interface BodySource {
  readonly word: string | undefined;
  readonly file: string | undefined;
}

/** A body and the line end that a pipe adds to it; what is larger is refused without being read to its end. */
const BYTES_MAX = LIMITS.bodyBytesMax + 2;

/**
 * The text of a message. Without a word and a file it is read from standard input, or written in `$EDITOR` when
 * somebody sits at a terminal.
 * @throws FleetError USAGE when there is no source, BAD_INPUT when it is no text
 */
export async function readBody(source: BodySource): Promise<string> {
  if (source.file !== undefined) {
    if (source.word !== undefined)
      throw new FleetError("USAGE", "Cannot take the body from two places: word and --file");
    return decode(readBytes(source.file), `"${source.file}"`);
  }
  if (source.word !== undefined && source.word !== "-") return source.word;
  if (source.word === undefined && process.stdin.isTTY === true)
    return await (await import("./edit-body.ts")).editBody();
  return checked(decode(await readStdin(), "standard input").replace(/\r?\n$/, ""));
}

/** A text that was typed is checked as a word is, what was read from somewhere is data. */
function checked(text: string): string {
  if (Buffer.byteLength(text) <= LIMITS.bodyBytesMax) return text;
  throw tooLarge("was read as the body");
}

const tooLarge = (what: string): FleetError =>
  new FleetError("BAD_INPUT", `Cannot send what ${what}: it is over 256 KiB, need less`);

function readBytes(path: string): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = readFileUpTo(path, BYTES_MAX);
  } catch (thrown) {
    throw causedBy("BAD_INPUT", `Cannot read the body from "${path}": ${messageOf(thrown)}`, thrown);
  }
  // Before it is read as text: what was cut may end in half a character.
  if (bytes.length <= LIMITS.bodyBytesMax) return bytes;
  throw tooLarge("was read as the body");
}

async function readStdin(): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of Bun.stdin.stream()) {
    size += part.length;
    if (size > BYTES_MAX) throw tooLarge("comes from standard input");
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function decode(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (thrown) {
    throw causedBy("BAD_INPUT", `Cannot send what is in ${name}: it is not UTF-8 text`, thrown);
  }
}
