/**
 * A line of the log: `{"timestamp","level","message","server","metadata"}`, one JSON object. Whoever writes and whoever
 * reads it is here, so the two cannot differ.
 *
 * What strangers wrote may stand in a line, so it is bounded, every hidden character in it is escaped (a log is read
 * with `cat`, too), and the password of any URL is taken out, wherever the URL came from.
 */
import { toUtf8 } from "./bytes.ts";
import { isInstant } from "./instant.ts";
import { toSafeJson } from "./visible-text.ts";

/** The levels from the least to the most urgent. */
export const LOG_LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Facts that belong to a line; values that JSON can say. */
export type LogMetadata = Readonly<Record<string, unknown>>;

/** One line, read or to be written. `timestamp`: RFC 3339 with milliseconds and `Z`. */
export interface LogRecord {
  readonly timestamp: string;
  readonly level: LogLevel;
  readonly message: string;
  readonly server: string;
  readonly metadata: LogMetadata;
}

/** A line has at most this many bytes, its newline not counted. */
export const LOG_LINE_BYTES_MAX = 16 * 1024;

// A character takes up to 6 bytes as an escape, so texts of this length always fit into a line.
const LONG_MESSAGE = 1_500;
const LONG_VALUE = 200;
const KEYS_MAX = 5;

/** The line of `record` without its newline; what is too long is cut, and `metadata.cut` then says so. */
export function formatLogLine(record: LogRecord): string {
  const line = toLine(record);
  if (fits(line)) return line;
  const shorter = toLine({
    ...record,
    message: shorten(record.message, LONG_MESSAGE),
    metadata: cut(record),
  });
  if (fits(shorter)) return shorter;
  return toLine({ ...record, message: shorten(record.message, LONG_MESSAGE), metadata: { cut: true } });
}

/** The record of a line, or null when it is none: a half-written line, or somebody else's. */
export function parseLogLine(line: string): LogRecord | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    // A line that was cut off by a full disk or a crash: "none" is the answer.
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const { timestamp, level, message, server, metadata } = value as Partial<Record<keyof LogRecord, unknown>>;
  const known = LOG_LEVELS.find((one) => one === level);
  if (typeof timestamp !== "string" || !isInstant(timestamp) || known === undefined) return null;
  if (typeof message !== "string" || typeof server !== "string") return null;
  const facts = typeof metadata === "object" && metadata !== null ? (metadata as LogMetadata) : {};
  return { timestamp, level: known, message, server, metadata: facts };
}

/** The level that a word means in any case, or null. */
export const parseLogLevel = (word: string): LogLevel | null =>
  LOG_LEVELS.find((level) => level === word.toUpperCase()) ?? null;

/** Whether `level` is as urgent as `least` or more. */
export const isAtLeast = (level: LogLevel, least: LogLevel): boolean =>
  LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(least);

/** `text` without the credentials of the URLs in it: all of them in http, where a name may be a token; else passwords. */
export const withoutCredentials = (text: string): string =>
  text.replace(/(https?:\/\/)[^\s/"\\]*@/gi, "$1***@").replace(/(:\/\/[^\s/:@"\\]*):[^\s/"\\]*@/g, "$1:***@");

const toLine = ({ timestamp, level, message, server, metadata }: LogRecord): string =>
  withoutCredentials(toSafeJson({ timestamp, level, message, server, metadata }));

// Two bytes and more per character only where there are some, so most lines need no second look.
const fits = (line: string): boolean =>
  line.length * 3 <= LOG_LINE_BYTES_MAX || toUtf8(line).length <= LOG_LINE_BYTES_MAX;

const shorten = (text: string, length: number): string =>
  text.length <= length ? text : `${text.slice(0, length)}…`;

function cut({ metadata }: LogRecord): LogMetadata {
  const kept = Object.entries(metadata)
    .slice(0, KEYS_MAX)
    .map(([key, value]) => [shorten(key, LONG_VALUE), shortValue(value)]);
  return { ...Object.fromEntries(kept), cut: true };
}

const shortValue = (value: unknown): unknown => {
  if (typeof value === "object" && value !== null) return shorten(toSafeJson(value), LONG_VALUE);
  return typeof value === "string" ? shorten(value, LONG_VALUE) : value;
};
