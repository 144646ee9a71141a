/**
 * The terminal of this process as a whole screen, and back: whatever ends the process, the terminal is then as it was.
 * This file alone knows what a terminal is; what is drawn and what keys mean is elsewhere.
 */
import { writeSync } from "node:fs";
import { Interruption, interrupt } from "../command-signal.ts";
import { writeWhole } from "../output/print-answer.ts";
import type { SafeText } from "../output/safe-text.ts";
import { screenSize } from "../output/terminal.ts";
import { drawLines, type Frame } from "./draw-lines.ts";
import { type Key, parseKeys } from "./keys.ts";

/** A screen that is open. */
export interface FullScreen {
  size(): { readonly width: number; readonly height: number };
  /** Shows these lines, one for each row. */
  draw(lines: readonly SafeText[]): void;
  /** The next drawing begins anew: nobody knows what is there now. */
  forget(): void;
  /** Gives the terminal back. Called once more it does nothing. */
  close(): void;
}

/** What somebody does at the terminal. */
export interface ScreenEvents {
  readonly onKey: (key: Key) => void;
  readonly onResize: () => void;
}

// The other screen, no cursor, and no wrapping: a character that is wider than thought then harms its own line only.
const ENTER = "\u001B[?1049h\u001B[?25l\u001B[?7l";
const LEAVE = "\u001B[0m\u001B[?7h\u001B[?25h\u001B[?1049l";
/** A key that begins like a longer one is itself when nothing follows for so long. Chosen: slower than any line. */
const KEY_MS = 50;
const EXIT_HANGUP = 129;

/** Takes the terminal behind stdin and stdout, which there has to be. */
export function openFullScreen({ onKey, onResize }: ScreenEvents): FullScreen {
  const { stdin } = process;
  let shown: Frame | null = null;
  let isOpen = true;
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    for (const [target, event, listener] of listeners) target.off(event, listener);
    try {
      stdin.setRawMode(false);
      write(LEAVE);
    } catch {
      // The terminal is gone, and nothing is left to restore.
    }
    stdin.pause();
  };
  const gone = (): void => interrupt(new Interruption("the terminal is gone", EXIT_HANGUP));
  const show = (text: string): void => {
    if (!isOpen) return;
    try {
      write(text);
    } catch {
      gone();
    }
  };
  const redraw = (): void => {
    shown = null;
    onResize();
  };
  const resume = (): void => {
    // Whoever had the terminal meanwhile left it as he likes it.
    stdin.setRawMode(true);
    show(ENTER);
    redraw();
  };
  const listeners = [
    [stdin, "data", keyReader(onKey)],
    [stdin, "end", gone],
    [stdin, "error", gone],
    [process, "SIGWINCH", redraw],
    [process, "SIGCONT", resume],
    [process, "SIGHUP", () => interrupt(new Interruption("SIGHUP", EXIT_HANGUP))],
    [process, "exit", close],
  ] as [NodeJS.EventEmitter, string, (...given: unknown[]) => void][];
  // What is told of a crash is told after the terminal was given back.
  process.prependListener("uncaughtException", close);
  process.prependListener("unhandledRejection", close);
  for (const [target, event, listener] of listeners) target.on(event, listener);
  stdin.setRawMode(true);
  stdin.resume();
  show(ENTER);
  return {
    size: () => {
      const { columns, rows } = screenSize() ?? { columns: 80, rows: 24 };
      return { width: Math.max(1, columns), height: Math.max(1, rows) };
    },
    draw: (lines) => {
      const { columns } = screenSize() ?? { columns: 80 };
      const frame = { lines: lines.map(String), columns };
      const text = drawLines(shown, frame);
      shown = frame;
      if (text !== "") show(text);
    },
    forget: () => {
      shown = null;
    },
    close: () => {
      process.off("uncaughtException", close);
      process.off("unhandledRejection", close);
      close();
    },
  };
}

/** Tells keys as they are typed; the parts of one may come apart. */
function keyReader(onKey: (key: Key) => void): (bytes: unknown) => void {
  const decoder = new TextDecoder();
  let rest = "";
  let timer: ReturnType<typeof setTimeout> | undefined;
  const take = (input: string, escapeAlone: boolean): void => {
    clearTimeout(timer);
    const parsed = parseKeys(input, escapeAlone);
    rest = parsed.rest;
    if (rest !== "") timer = setTimeout(() => take(rest, true), KEY_MS);
    for (const key of parsed.keys) onKey(key);
  };
  return (bytes) => take(rest + decoder.decode(bytes as Uint8Array, { stream: true }), false);
}

const write = (text: string): void => writeWhole((bytes, offset) => writeSync(1, bytes, offset), text);
