import { parseDuration } from "../../base/duration.ts";
import { FleetError } from "../../base/errors.ts";
import { fromInstant } from "../../base/instant.ts";
import {
  isAtLeast,
  LOG_LEVELS,
  type LogLevel,
  type LogRecord,
  parseLogLevel,
  parseLogLine,
} from "../../base/log-line.ts";
import { systemClock } from "../../platform/clock.ts";
import { LogFollower, linesBackward, listLogParts } from "../../platform/log-reader.ts";
import { commandSignal } from "../command-signal.ts";
import { renderLogRecord } from "../output/log-view.ts";
import { openAnswerStream, printNotice } from "../output/print-answer.ts";
import { openStyle } from "../output/terminal.ts";
import { parseCount, typed } from "../session.ts";
import { loadSettings, requireServer } from "../settings.ts";
import { didYouMean } from "../suggest.ts";

/** The arguments of `logs`, as typed. */
export interface LogsArguments {
  readonly follow: boolean;
  readonly level: string | undefined;
  readonly since: string | undefined;
  readonly limit: string | undefined;
  readonly json: boolean;
  readonly color: boolean | undefined;
  readonly server: string | undefined;
  readonly config: string | undefined;
}

/** Without a bound in time this many lines are shown. */
const LIMIT_DEFAULT = 200;
/** The daemon writes twice a second at most. */
const LOOK_EVERY_MS = 250;

interface Wanted {
  readonly level: LogLevel;
  readonly sinceWallMs: number;
  readonly limit: number;
}

/** Prints the end of the daemon's log, and with `--follow` what comes. Reads the files: no daemon has to run. */
export async function logs(args: LogsArguments): Promise<void> {
  const wanted = parseWanted(args);
  const { logs: folder } = requireServer(await loadSettings(args));
  const stream = openAnswerStream();
  const style = openStyle(args);
  let day = "";
  const print = (record: LogRecord): void => {
    if (args.json) {
      stream.json("logs", { ...record });
      return;
    }
    const [date = ""] = record.timestamp.split("T", 1);
    if (date !== day) stream.text(style.dim(date));
    day = date;
    stream.text(renderLogRecord(record, style));
  };
  // Stands at the end before the past is read, and the past ends there: no line is lost between the two or told twice.
  const follower = args.follow ? new LogFollower(folder) : null;
  try {
    const { records, unreadable } = readPast(partsBefore(folder, follower), wanted);
    for (const record of records) print(record);
    if (unreadable > 0) printNotice(`${unreadable} line(s) of the log are not readable and left out`);
    if (records.length === 0 && !args.json && follower === null) printNotice("No such lines in the log");
    if (follower !== null) await follow(follower, wanted, print);
  } finally {
    follower?.close();
  }
}

function parseWanted({ level, since, limit }: LogsArguments): Wanted {
  const least = parseLogLevel(level ?? "debug");
  if (least === null) {
    const names = LOG_LEVELS.map((one) => one.toLowerCase());
    throw new FleetError(
      "USAGE",
      `Cannot read --level "${level}": need one of ${names.join(", ")}${didYouMean(level ?? "", names)}`,
    );
  }
  const agoMs = since === undefined ? null : typed<number>(parseDuration(since));
  const usual = agoMs === null ? LIMIT_DEFAULT : Number.POSITIVE_INFINITY;
  return {
    level: least,
    sinceWallMs: agoMs === null ? Number.NEGATIVE_INFINITY : systemClock.wallMs() - agoMs,
    limit: limit === undefined ? usual : parseCount("limit", limit),
  };
}

const isWanted = (record: LogRecord, { level, sinceWallMs }: Wanted): boolean =>
  isAtLeast(record.level, level) && fromInstant(record.timestamp) >= sinceWallMs;

interface Part {
  readonly path: string;
  readonly changedWallMs: number;
  /** Bytes of it that are read. */
  readonly end: number;
}

/** The files of the log, newest first, as far as they lie before the place where a follower stands. */
function partsBefore(folder: string, follower: LogFollower | null): Part[] {
  const parts = listLogParts(folder).map((part) => ({ ...part, end: Number.POSITIVE_INFINITY }));
  const place = follower?.standsAt ?? null;
  const at = parts.findIndex(({ inode }) => inode === place?.inode);
  return place === null || at === -1
    ? parts
    : parts.slice(at).map((part, index) => (index === 0 ? { ...part, end: place.position } : part));
}

/** The last records that are wanted, oldest first; only as much is read as they need. */
function readPast(parts: readonly Part[], wanted: Wanted): { records: LogRecord[]; unreadable: number } {
  const records: LogRecord[] = [];
  let unreadable = 0;
  for (const { path, changedWallMs, end } of parts) {
    // Nothing in a file is younger than its last change, by the clock that wrote it.
    if (changedWallMs < wanted.sinceWallMs) continue;
    for (const line of linesBackward(path, end)) {
      const record = parseLogLine(line);
      if (record === null) unreadable += 1;
      else if (isWanted(record, wanted)) records.push(record);
      if (records.length >= wanted.limit) return { records: records.reverse(), unreadable };
    }
  }
  return { records: records.reverse(), unreadable };
}

async function follow(
  follower: LogFollower,
  wanted: Wanted,
  print: (record: LogRecord) => void,
): Promise<void> {
  const signal = commandSignal();
  while (!signal.aborted) {
    for (const line of follower.next()) {
      const record = parseLogLine(line);
      if (record !== null && isWanted(record, wanted)) print(record);
    }
    // Being told to stop ends the wait, and the loop.
    await systemClock.sleep(LOOK_EVERY_MS, signal).catch(() => undefined);
  }
}
