import { toSafeJson } from "../../base/visible-text.ts";
import { Interruption, interrupt } from "../command-signal.ts";
import { type SafeText, toSafeText } from "./safe-text.ts";

/**
 * Prints the answer of a command as one JSON object, `{"schema":"fleetd.<command>/1", ...value}`.
 * The data is exact; what a terminal must not get raw is escaped.
 */
export function printJson(command: string, value: Readonly<Record<string, unknown>>): void {
  console.log(toJsonLine(command, value));
}

/** Prints text on stdout: a string is made visible and keeps its newlines, `SafeText` is printed as it is. */
export function printText(text: string | SafeText): void {
  console.log(toLine(text));
}

/** Prints on stderr what is not the answer, under the same rule as `printText`. */
export function printNotice(text: string | SafeText): void {
  console.error(toLine(text));
}

/** Prints one line after another until the command is stopped, as `watch` does. */
export type AnswerStream = {
  readonly text: (text: string | SafeText) => void;
  readonly json: (command: string, value: Readonly<Record<string, unknown>>) => void;
};

/**
 * For commands that print until they are stopped. `console.log` never says that its reader has left, so
 * `fleetd watch | head -1` would run for ever: here the command is then told to stop, and ends with exit code 0.
 * Each call writes before it returns; it throws the `Interruption` when nobody reads any more.
 */
export function openAnswerStream(): AnswerStream {
  const { fstatSync, writeSync } = process.getBuiltinModule("node:fs");
  // A terminal that was closed answers EIO; a file that does has a broken disk.
  const isReaderGone = (thrown: unknown): boolean =>
    hasCode(thrown, "EPIPE") || (hasCode(thrown, "EIO") && fstatSync(1).isCharacterDevice());
  const write = (line: string): void => {
    try {
      writeWhole((bytes, offset) => writeSync(1, bytes, offset), `${line}\n`);
    } catch (thrown) {
      if (!isReaderGone(thrown)) throw thrown;
      const reason = new Interruption("nobody reads the output any more", 0);
      interrupt(reason);
      throw reason;
    }
  };
  return {
    text: (text) => write(toLine(text)),
    json: (command, value) => write(toJsonLine(command, value)),
  };
}

// How long to let a slow reader catch up before trying again. Chosen, not measured.
const FULL_PIPE_WAIT_MS = 5;

/** Writes all of it. A pipe that another program made non-blocking takes a part, or says EAGAIN while it is full. */
export function writeWhole(writeSome: (bytes: Uint8Array, offset: number) => number, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let offset = 0; offset < bytes.length; ) {
    try {
      offset += writeSome(bytes, offset);
    } catch (thrown) {
      if (!hasCode(thrown, "EAGAIN")) throw thrown;
      Bun.sleepSync(FULL_PIPE_WAIT_MS);
    }
  }
}

const hasCode = (thrown: unknown, code: string): boolean =>
  thrown instanceof Error && "code" in thrown && thrown.code === code;

const toJsonLine = (command: string, value: Readonly<Record<string, unknown>>): string =>
  toSafeJson({ schema: `fleetd.${command}/1`, ...value });

const toLine = (text: string | SafeText): string =>
  String(typeof text === "string" ? toSafeText(text, { keepNewlines: true }) : text);
