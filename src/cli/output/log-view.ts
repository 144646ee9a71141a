import type { LogLevel, LogMetadata, LogRecord } from "../../base/log-line.ts";
import type { ServiceLine } from "../../base/ports/service-log.ts";
import { type Piece, type SafeText, safe } from "./safe-text.ts";
import type { Style } from "./style.ts";

/** A value longer than this is cut: a line of a log is read at a glance, `--json` has the rest. */
const VALUE_LENGTH_MAX = 120;

/** The colour of a level. */
export function paintOf(level: LogLevel, style: Style): (piece: Piece) => SafeText {
  switch (level) {
    case "DEBUG":
      return style.dim;
    case "INFO":
      return style.green;
    case "WARNING":
      return style.yellow;
    case "ERROR":
    case "CRITICAL":
      return style.red;
  }
}

/** A line of the log as people read it: `12:03:11 WARNING message  key=value`; the time is UTC, as in the file. */
export function renderLogRecord(record: LogRecord, style: Style): SafeText {
  const { timestamp, level, message, metadata } = record;
  const line = safe`${style.dim(timestamp.slice(11, 19))} ${paintOf(level, style)(level.padEnd(7))} ${message}`;
  const facts = renderFacts(metadata);
  return facts === "" ? line : safe`${line}  ${style.dim(facts)}`;
}

/** A line of a service's log as people read it, with the instance where there are several: `12:03:11 ERROR   web:1 text`. */
export function renderServiceLine(line: ServiceLine, instance: string | null, style: Style): SafeText {
  const { timestamp, level, text } = line;
  const begin = safe`${style.dim(timestamp.slice(11, 19))} ${paintOf(level, style)(level.padEnd(7))} `;
  return instance === null ? safe`${begin}${text}` : safe`${begin}${style.cyan(instance)} ${text}`;
}

function renderFacts(metadata: LogMetadata): string {
  return Object.entries(metadata)
    .map(([key, value]) => `${key}=${renderValue(value)}`)
    .join(" ");
}

// Words without spaces stand as they are; anything else is JSON, so that one value cannot be read as two.
function renderValue(value: unknown): string {
  const plain = typeof value === "string" && /^[^\s"=]+$/.test(value);
  const text = plain ? value : (JSON.stringify(value) ?? "");
  return text.length <= VALUE_LENGTH_MAX ? text : `${text.slice(0, VALUE_LENGTH_MAX)}…`;
}
