import { boundedLine } from "../../base/line-pattern.ts";
import type { Clock } from "../../base/ports/clock.ts";

/** One line may take so long to be looked at; a pattern that takes longer on somebody's line is given up. Chosen. */
const LINE_MS_MAX = 250;

/** Waits for a line that matches. */
export interface LineWatch {
  /** Looks at a line; true when it is the one that was waited for. */
  look(line: string): boolean;
  readonly isSeen: boolean;
  /** What came of it until now. */
  readonly detail: string;
}

/** Watches for a line that matches `pattern`; `wasSeen`: it was, under an earlier daemon. */
export function watchLines(pattern: string, clock: Pick<Clock, "monotonicMs">, wasSeen: boolean): LineWatch {
  const expression = new RegExp(pattern, "u");
  let isSeen = wasSeen;
  let isGivenUp = false;
  return {
    look(line) {
      if (isSeen || isGivenUp) return false;
      const startedMs = clock.monotonicMs();
      isSeen = expression.test(boundedLine(line));
      isGivenUp = !isSeen && clock.monotonicMs() - startedMs > LINE_MS_MAX;
      return isSeen;
    },
    get isSeen() {
      return isSeen;
    },
    get detail() {
      if (isSeen) return "the line was written";
      return isGivenUp ? "the pattern takes too long on the lines of this service" : "no line matches yet";
    },
  };
}
