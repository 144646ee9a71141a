/**
 * What a container writes, appended to the spool of its run. Where the spool stands is noted with the time of a message, so
 * that a daemon that comes later goes on with the very next byte: the engine keeps the log, and the spool its length.
 */
import { closeSync, fstatSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { hasCode } from "../io-error.ts";
import type { Engine } from "./engine.ts";
import { LogFrames } from "./log-frames.ts";

/** Before the first message of this time the spool had this length. */
interface Place {
  readonly time: string;
  readonly length: number;
}

/** How often the place is noted: so much is read again after the death of a daemon. */
const NOTE_MS = 1_000;

/** Where the place in a spool is noted. */
const placePath = (spool: string): string => spool.replace(/spool-(?=[^/\\]*$)/, "place-");

/** Appends until the container ends, or `signal` aborts. @throws when the engine goes away */
export async function followLog(
  engine: Engine,
  id: string,
  spool: string,
  signal: AbortSignal,
): Promise<void> {
  const place = readPlace(spool);
  const response = await engine.open({
    method: "GET",
    path: `/containers/${id}/logs`,
    query: {
      follow: "1",
      stdout: "1",
      stderr: "1",
      timestamps: "1",
      ...(place === null ? {} : { since: toEngineTime(place.time) }),
    },
    signal,
  });
  const file = openSync(spool, "a", 0o600);
  try {
    await append(response, { file, spool, place });
  } finally {
    closeSync(file);
  }
}

/** The run is over. */
export const forgetPlace = (spool: string): void => rmSync(placePath(spool), { force: true });

async function append(
  response: Response,
  { file, spool, place }: { file: number; spool: string; place: Place | null },
): Promise<void> {
  const frames = new LogFrames();
  let length = fstatSync(file).size;
  // What the spool has already of what comes now.
  let known = place === null ? length : length - place.length;
  let lastTime = place?.time ?? "";
  let notedMs = 0;
  for await (const piece of response.body ?? []) {
    for (const { time, payload } of frames.push(piece)) {
      const isNewTime = time !== lastTime;
      lastTime = time;
      const skipped = Math.min(known, payload.length);
      known -= skipped;
      if (isNewTime && known === 0 && skipped === 0 && performance.now() - notedMs >= NOTE_MS) {
        writeFileSync(placePath(spool), JSON.stringify({ time, length }), { mode: 0o600 });
        notedMs = performance.now();
      }
      if (skipped < payload.length) length += writeAll(file, payload.subarray(skipped));
    }
  }
}

function writeAll(file: number, bytes: Uint8Array): number {
  let written = 0;
  while (written < bytes.length) written += writeSync(file, bytes, written);
  return written;
}

function readPlace(spool: string): Place | null {
  try {
    const { time, length }: Partial<Place> = JSON.parse(readFileSync(placePath(spool), "utf8"));
    return typeof time === "string" && typeof length === "number" ? { time, length } : null;
  } catch (thrown) {
    // None yet, or cut short by the death of its writer: then everything is read again.
    if (hasCode(thrown, "ENOENT") || thrown instanceof SyntaxError) return null;
    throw thrown;
  }
}

/** RFC 3339 with nanoseconds as the engine wants to have it: seconds with a fraction. */
export function toEngineTime(time: string): string {
  const match = /^(?<whole>[^.Z]+)(?:\.(?<fraction>\d+))?Z$/.exec(time);
  const seconds = Math.floor(Date.parse(`${match?.groups?.["whole"] ?? ""}Z`) / 1_000);
  return `${seconds}.${(match?.groups?.["fraction"] ?? "0").padEnd(9, "0")}`;
}
