/**
 * A line of a service's log: `<RFC 3339 ms Z> <level> <text>`, the level in small letters. Whoever writes and whoever
 * reads it is here. The text is the program's own: whoever shows it makes
 * hidden characters visible.
 *
 * Programs say how urgent a line is in many ways; what is looked for are the usual ones, near the beginning of the line.
 */
import { isInstant } from "./instant.ts";
import { LOG_LEVELS, type LogLevel, parseLogLevel } from "./log-line.ts";
import type { ServiceLine } from "./ports/service-log.ts";

/** The text of a line has at most this many bytes. */
export const SERVICE_LINE_BYTES_MAX = 64 * 1024;

/** How far into a line its level is looked for, in characters; chosen: times, hosts and names stand before it. */
const HEAD_LENGTH = 256;
/** A word that may be part of a sentence counts only so near the beginning. Chosen, not measured. */
const WORD_WITHIN = 80;

/** The line without its newline. */
export const formatServiceLine = (timestamp: string, level: LogLevel, text: string): string =>
  `${timestamp} ${level.toLowerCase()} ${text}`;

/** What stands in a line, or null when it is none: cut off, or somebody else's. */
export function parseServiceLine(line: string): ServiceLine | null {
  const timestamp = line.slice(0, 24);
  const end = line.indexOf(" ", 25);
  const level = parseLogLevel(line.slice(25, end === -1 ? undefined : end));
  if (line[24] !== " " || level === null || !isInstant(timestamp)) return null;
  return { timestamp, level, text: end === -1 ? "" : line.slice(end + 1) };
}

/**
 * The level that a line says it has, or null. In this order: syslog's `<3>`, a JSON field, `level=`, letters of glog,
 * a word. Words in small letters count only where nobody would write them in a sentence.
 */
export function detectLevel(text: string): LogLevel | null {
  const head = withoutColours(text.slice(0, HEAD_LENGTH));
  if (head.startsWith("<")) {
    const number = /^<(\d{1,3})>/.exec(head)?.[1];
    if (number !== undefined) return ofSyslog(Number(number) % 8);
  }
  if (head.startsWith("{")) return ofJson(text.slice(0, 4 * HEAD_LENGTH));
  const field = FIELD.exec(head)?.[1];
  if (field !== undefined) return ofWord(field);
  const glog = GLOG.exec(head)?.[1];
  if (glog !== undefined) return ofWord(glog);
  const near = head.slice(0, WORD_WITHIN);
  const word = (LOUD.exec(near) ?? QUIET.exec(near))?.[1];
  if (word !== undefined) return ofWord(word);
  return FAILURE.test(near) ? "ERROR" : null;
}

/** Whether a line only goes on with what the one before it began, as the lines of a stack trace do. */
export const isContinuation = (text: string): boolean => CONTINUATION.test(text);

const WORDS =
  "trace|debug|dbg|verbose|info|notice|warn(?:ing)?|err(?:or)?|severe|crit(?:ical)?|alert|emerg(?:ency)?|fatal|panic";
/** `level=warn`, `severity: "ERROR"` of logfmt and its like. */
const FIELD = /(?:^|[\s,[{])(?:level|lvl|severity|loglevel)[=:]\s?"?([A-Za-z]{3,9})/i;
/** `E0102 15:04:05.678901`: glog and klog. */
const GLOG = /^([IWEF])\d{4} \d\d:\d\d:\d\d/;
/** A word in capital letters, alone. */
const LOUD = new RegExp(String.raw`(?:^|[\s[(|:<"])(${WORDS.toUpperCase()})(?=$|[\s\]):|,>"!])`);
/** A word in any letters, in brackets or before a colon at the beginning: `[warn]`, `error: no such file`. */
const QUIET = new RegExp(String.raw`(?:[[(<|]\s?(?=\w+\s?[\])>|])|^(?=\w+\s?:(?!:)))(${WORDS})\b`, "i");
/** What runtimes print before they end: `TypeError: x is not a function`, `Traceback (most recent call last):`. */
const FAILURE =
  /^(?:(?:Uncaught |Unhandled |Caused by: )?[\w.$]*(?:Error|Exception)\b(?=:|$| in| at)|Traceback \()/;
const CONTINUATION = /^(?:[ \t]|Caused by: |\.\.\. )/;
const JSON_LEVEL =
  /"(?:level|severity|lvl|loglevel|log\.level|levelname|severity_text|@l)"\s*:\s*(?:"([A-Za-z]{1,20})"|(\d{1,3})\b)/i;

function withoutColours(head: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape sequences of colours begin with one
  return head.includes("\u001b") ? head.replace(/\u001b\[[0-9;]*m/g, "") : head;
}

function ofJson(head: string): LogLevel | null {
  const found = JSON_LEVEL.exec(head);
  if (found === null) return null;
  return found[1] === undefined ? ofNumber(Number(found[2])) : ofWord(found[1]);
}

/** Numbers to 7 are syslog's, from 10 on those of bunyan and pino. */
function ofNumber(number: number): LogLevel | null {
  if (number < 8) return ofSyslog(number);
  if (number < 10) return null;
  return LOG_LEVELS[Math.min(LOG_LEVELS.length - 1, Math.max(0, Math.floor(number / 10) - 2))] ?? null;
}

function ofSyslog(number: number): LogLevel {
  if (number <= 2) return "CRITICAL";
  if (number <= 4) return number === 3 ? "ERROR" : "WARNING";
  return number === 7 ? "DEBUG" : "INFO";
}

function ofWord(word: string): LogLevel | null {
  const small = word.toLowerCase();
  if (/^(?:t|d|trace|debug|dbg|verbose)$/.test(small)) return "DEBUG";
  if (/^(?:i|info|information|notice|default)$/.test(small)) return "INFO";
  if (/^(?:w|warn|warning)$/.test(small)) return "WARNING";
  if (/^(?:e|err|eror|error|severe)$/.test(small)) return "ERROR";
  return /^(?:f|c|crit|critical|alert|emerg|emergency|fatal|panic)$/.test(small) ? "CRITICAL" : null;
}
