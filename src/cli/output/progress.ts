import { truncate } from "./display-width.ts";
import { toSafeText } from "./safe-text.ts";
import { WIDTH_DEFAULT } from "./terminal.ts";

// In a log a line for every step is noise. Chosen, not measured.
const LOG_INTERVAL_MS = 2_000;
const CLEAR_LINE = "\r\u001B[K";

/** Where progress goes and what time it is; `write` gets whole pieces, newlines included. */
export type ProgressTarget = {
  readonly isTerminal: boolean;
  /** Columns of the terminal. */
  readonly width: number;
  readonly monotonicMs: () => number;
  readonly write: (text: string) => void;
};

/** One line about what is going on, never part of the answer. */
export type Progress = {
  /** Shows `text` in place of the last one; in a log only when it is new, and one line each 2 s at most. */
  readonly update: (text: string) => void;
  /** Takes the line away from a terminal. Call it before the answer is printed, also after a failure. */
  readonly clear: () => void;
};

/** Progress on any target; `openProgress` is the one of this process. */
export function createProgress(target: ProgressTarget): Progress {
  let shown = "";
  let shownMonoMs = Number.NEGATIVE_INFINITY;
  const draw = (text: string): void => {
    // The last column stays free: a full line would wrap, and a wrapped line cannot be cleared.
    if (target.isTerminal) target.write(CLEAR_LINE + truncate(text, target.width - 1));
    else target.write(`${text}\n`);
  };
  return {
    update: (text) => {
      const visible = String(toSafeText(text));
      const nowMonoMs = target.monotonicMs();
      const isDue = target.isTerminal || nowMonoMs - shownMonoMs >= LOG_INTERVAL_MS;
      if (visible === shown || !isDue) return;
      shown = visible;
      shownMonoMs = nowMonoMs;
      draw(visible);
    },
    clear: () => {
      if (target.isTerminal && shown !== "") target.write(CLEAR_LINE);
      shown = "";
    },
  };
}

/** Progress on stderr of this process. */
export function openProgress(): Progress {
  return createProgress({
    isTerminal: process.stderr.isTTY === true,
    width: process.stderr.columns ?? WIDTH_DEFAULT,
    monotonicMs: () => performance.now(),
    write: (text) => process.stderr.write(text),
  });
}
