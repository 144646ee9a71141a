/**
 * A file of variables, read and never run: `NAME=value` a line, `export` before it, comments, quotes. Nothing is
 * expanded: `$HOME` and `$(date)` are four and seven characters, whatever a shell would make of them.
 */
import { fail, ok, type Result } from "../../base/result.ts";
import { isReservedVariable, variableProblem } from "../../base/variable-name.ts";

/** What is larger is no file of variables. */
export const ENV_FILE_BYTES_MAX = 256 * 1024;
const VARIABLES_MAX = 1_000;
const VALUE_LENGTH_MAX = 32_768;

/** Something about a line, counted from 1. */
export interface EnvFileNote {
  readonly line: number;
  readonly message: string;
}

/** The variables of a file, the last of two with one name, and what was left out of it. */
export interface EnvFile {
  readonly variables: Readonly<Record<string, string>>;
  readonly dropped: readonly EnvFileNote[];
}

/** Reads the text of a file of variables; everything that is wrong is named. A value is never quoted in an error. */
export function parseEnvFile(text: string): Result<EnvFile, readonly EnvFileNote[]> {
  if (text.length > ENV_FILE_BYTES_MAX) {
    return fail([{ line: 1, message: `it is over ${ENV_FILE_BYTES_MAX / 1024} KiB` }]);
  }
  const reader: Reader = { rest: text.replace(/^\uFEFF/, "").replace(/\r\n?/g, "\n"), line: 1 };
  const variables = new Map<string, string>();
  const dropped: EnvFileNote[] = [];
  const problems: EnvFileNote[] = [];
  while (reader.rest !== "") {
    const { line } = reader;
    const entry = readEntry(reader);
    if (entry === null) continue;
    if ("message" in entry) problems.push({ line, message: entry.message });
    else if (isReservedVariable(entry.name)) {
      dropped.push({ line, message: `"${entry.name}" is reserved for fleetd and left out` });
    } else variables.set(entry.name, entry.value);
    if (variables.size > VARIABLES_MAX)
      return fail([{ line, message: `need at most ${VARIABLES_MAX} variables` }]);
  }
  if (problems.length > 0) return fail(problems);
  return ok({ variables: Object.fromEntries(variables), dropped });
}

/** What is still to be read, and the number of the line it begins with. */
interface Reader {
  rest: string;
  line: number;
}

type Entry = { readonly name: string; readonly value: string } | { readonly message: string };

/** The next variable, or why there is none; null for an empty line or a comment. Always goes on to the next line. */
function readEntry(reader: Reader): Entry | null {
  const head = /^[ \t]*(?:export[ \t]+)?(?<name>[^=\n#'" \t]*)[ \t]*=[ \t]*/.exec(reader.rest);
  if (head === null) {
    const line = takeLine(reader);
    return /^[ \t]*(?:#.*)?$/.test(line) ? null : { message: "need NAME=VALUE" };
  }
  const name = head.groups?.["name"] ?? "";
  take(reader, head[0].length);
  const value = readValue(reader);
  const wrong = isReservedVariable(name) ? null : variableProblem(name);
  if (wrong !== null) return { message: wrong };
  if (!value.ok) return { message: value.error };
  if (value.value.includes("\0")) return { message: "need a value without NUL" };
  return value.value.length > VALUE_LENGTH_MAX
    ? { message: `need a value of at most ${VALUE_LENGTH_MAX} characters` }
    : { name, value: value.value };
}

/** The value up to the end of its line, or of the line in which its quotes end. */
function readValue(reader: Reader): Result<string> {
  const quote = reader.rest[0];
  if (quote !== '"' && quote !== "'") {
    const plain = takeLine(reader);
    return ok(plain.replace(/(?:^|[ \t]+)#.*$/, "").trimEnd());
  }
  const length = quote === '"' ? lengthOfDoubleQuoted(reader.rest) : lengthOfSingleQuoted(reader.rest);
  if (length === null) {
    if (quote === '"') reader.rest = "";
    else takeLine(reader);
    return fail(
      quote === '"' ? "the double quote does not end" : "the single quote does not end in its line",
    );
  }
  const text = reader.rest.slice(1, length - 1);
  take(reader, length);
  const tail = takeLine(reader);
  if (!/^[ \t]*(?:#.*)?$/.test(tail)) return fail("something follows the closing quote");
  return ok(quote === '"' ? withoutEscapes(text) : text);
}

/** With both quotes; null when the second is missing. It may end lines later. */
function lengthOfDoubleQuoted(text: string): number | null {
  for (let at = 1; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === '"') return at + 1;
  }
  return null;
}

function lengthOfSingleQuoted(text: string): number | null {
  const end = /['\n]/.exec(text.slice(1));
  return end?.[0] === "'" ? end.index + 2 : null;
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  '"': '"',
  "\\": "\\",
  $: "$",
  "`": "`",
};

/** A backslash before anything else stays, as in a shell; before the end of a line both go. */
const withoutEscapes = (text: string): string =>
  text.replace(/\\(.)/gsu, (whole, sign: string) => (sign === "\n" ? "" : (ESCAPES[sign] ?? whole)));

function takeLine(reader: Reader): string {
  const end = reader.rest.indexOf("\n");
  const line = end === -1 ? reader.rest : reader.rest.slice(0, end);
  take(reader, line.length + 1);
  return line;
}

function take(reader: Reader, count: number): void {
  reader.line += reader.rest.slice(0, count).split("\n").length - 1;
  reader.rest = reader.rest.slice(count);
}
