/**
 * After a sudden death: brings what was noted and what stands in the log together. The piece that was noted last may
 * stand there wholly, in part, or not at all; it is made anew from the spool, and what is missing of it is written.
 * @see place-file.ts
 */
import { closeSync, ftruncateSync, openSync } from "node:fs";
import { endLine, type LineFile, readAt, writeAll } from "./line-file.ts";
import type { Place } from "./place-file.ts";
import { type Batch, readBatch } from "./read-batch.ts";

/** Writes what is missing in `file` of the piece of `spool` that was noted as `place`. Errors are those of node:fs. */
export function recover(spool: string, place: Place, file: LineFile): void {
  if (!isMissing(place, file)) return;
  const batch = makeAgain(spool, place);
  if (batch === null) return;
  const bytes = Buffer.from(batch.output);
  // A power cut may have taken from the log what had been there before: then nothing of the piece is in it.
  if (file.size < place.log.size) endLine(file);
  const begin = Math.min(place.log.size, file.size);
  const there = readAt(file.descriptor, begin, file.size - begin);
  if (bytes.subarray(0, there.length).equals(there)) {
    writeAll(file, bytes.subarray(there.length));
    return;
  }
  // Other settings, or another version, make something else of it.
  ftruncateSync(file.descriptor, begin);
  writeAll({ ...file, size: begin }, bytes);
}

/** Nothing was written after the piece that is missing, so it was meant for the file that is there now. */
const isMissing = (place: Place, file: LineFile): boolean =>
  place.added > 0 &&
  place.log.number === file.number &&
  place.log.inode === file.inode &&
  file.size < place.log.size + place.added;

/** What the noted piece became, made once more; null when a power cut took it from the spool. */
function makeAgain(spool: string, place: Place): Batch | null {
  let descriptor: number;
  try {
    descriptor = openSync(spool, "r");
  } catch {
    // Nobody removes a spool before its last piece was written, so somebody else did.
    return null;
  }
  try {
    const bytes = readAt(descriptor, place.from, place.to - place.from);
    if (bytes.length < place.to - place.from) return null;
    return readBatch({
      bytes,
      state: place.before,
      timestamp: place.timestamp,
      nowWallMs: place.nowWallMs,
      linesPerSecond: place.linesPerSecond,
      bytesMax: Number.POSITIVE_INFINITY,
      isFresh: true,
      end: place.end,
      reachesEnd: true,
      discard: false,
      onLine: undefined,
    });
  } finally {
    closeSync(descriptor);
  }
}
