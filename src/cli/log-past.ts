/** The past of a log: its last lines, read backwards, and only as much as they need. */
import { fromInstant } from "../base/instant.ts";
import { isAtLeast, type LogLevel } from "../base/log-line.ts";
import { type LogPart, linesBackward, listLogParts } from "../platform/log-reader.ts";

/** Which lines are wanted, and how many of them. */
export interface WantedLines {
  readonly level: LogLevel;
  readonly sinceWallMs: number;
  readonly limit: number;
}

/** A file of a log, or its beginning. */
export interface LogPiece extends Pick<LogPart, "path" | "changedWallMs"> {
  /** Bytes of it that are read. */
  readonly end: number;
}

type Dated = { readonly timestamp: string; readonly level: LogLevel };

export const isWanted = (line: Dated, { level, sinceWallMs }: Omit<WantedLines, "limit">): boolean =>
  isAtLeast(line.level, level) && fromInstant(line.timestamp) >= sinceWallMs;

/** The last lines that are wanted, oldest first. `parts`: newest first; `parse` answers null for what cannot be read. */
export function readPast<Line extends Dated>(
  parts: readonly LogPiece[],
  parse: (text: string) => Line | null,
  wanted: WantedLines,
): { readonly lines: readonly Line[]; readonly unreadable: number } {
  const lines: Line[] = [];
  let unreadable = 0;
  for (const { path, changedWallMs, end } of parts) {
    // Nothing in a file is younger than its last change, by the clock that wrote it.
    if (changedWallMs < wanted.sinceWallMs) continue;
    for (const text of linesBackward(path, end)) {
      const line = parse(text);
      if (line === null) unreadable += 1;
      else if (isWanted(line, wanted)) lines.push(line);
      if (lines.length >= wanted.limit) return { lines: lines.reverse(), unreadable };
    }
  }
  return { lines: lines.reverse(), unreadable };
}

/** The last `limit` lines of a log that `parse` can read, oldest first. */
export function lastLines<Line extends Dated>(
  log: { readonly folder: string; readonly name: string },
  parse: (text: string) => Line | null,
  limit: number,
): readonly Line[] {
  const whole = { end: Number.POSITIVE_INFINITY };
  const parts = listLogParts(log.folder, log.name).map((part) => ({ ...part, ...whole }));
  return readPast(parts, parse, { level: "DEBUG", sinceWallMs: Number.NEGATIVE_INFINITY, limit }).lines;
}
