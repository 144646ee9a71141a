/**
 * What a program that finds itself running already says to the one that runs: how it was called. Both ends are of the
 * same user; what is in it was typed by whoever called it, so it is hostile text wherever it is shown.
 */
import { fail, ok, type Result } from "../../base/result.ts";

/** The call of a second instance: its process id, its words after the program, and where it was called. */
export interface SecondInstance {
  readonly pid: number;
  readonly argv: readonly string[];
  readonly cwd: string;
}

/** Words that are handed over, and the characters of each; the rest is cut. Chosen: above what people type. */
export const WORDS_MAX = 128;
export const WORD_LENGTH_MAX = 4_096;
/** What is handed over has at most this many characters altogether, chosen. */
export const CALL_LENGTH_MAX = 64 * 1024;

/** `call` within its bounds. */
export function boundSecondInstance({ pid, argv, cwd }: SecondInstance): SecondInstance {
  const cut = (text: string): string => text.slice(0, WORD_LENGTH_MAX);
  const place = cut(cwd);
  let left = CALL_LENGTH_MAX - place.length;
  const words: string[] = [];
  for (const word of argv.slice(0, WORDS_MAX).map(cut)) {
    left -= word.length;
    if (left < 0) break;
    words.push(word);
  }
  return { pid, argv: words, cwd: place };
}

/** Reads what a second instance said; an error names the field that is not as it has to be. */
export function parseSecondInstance(value: unknown): Result<SecondInstance> {
  if (typeof value !== "object" || value === null) return fail("Cannot read second instance: need an object");
  const { pid, argv, cwd } = value as Readonly<Record<string, unknown>>;
  if (typeof pid !== "number" || !Number.isSafeInteger(pid) || pid < 1) {
    return fail("Cannot read second instance: pid: need a process id");
  }
  if (!isText(cwd)) return fail("Cannot read second instance: cwd: need a short text");
  if (!Array.isArray(argv) || argv.length > WORDS_MAX || !argv.every(isText)) {
    return fail("Cannot read second instance: argv: need a short list of short texts");
  }
  const words: readonly string[] = argv;
  if (words.reduce((sum, word) => sum + word.length, cwd.length) > CALL_LENGTH_MAX) {
    return fail("Cannot read second instance: argv: too long");
  }
  return ok({ pid, argv: words, cwd });
}

const isText = (value: unknown): value is string =>
  typeof value === "string" && value.length <= WORD_LENGTH_MAX;
