import { type Piece, SafeText, toSafeText } from "./safe-text.ts";

/** What a colour decision is made of; `isTerminal` is asked last, because the answer costs start-up time. */
export type ColourFacts = {
  /** `--color`, `--no-color`, or neither. */
  readonly flag: boolean | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly isTerminal: () => boolean;
};

/** The flag, then `NO_COLOR`, then `FORCE_COLOR` (`"0"` means no), then whether somebody is looking. */
export function decideColour({ flag, environment, isTerminal }: ColourFacts): boolean {
  if (flag !== undefined) return flag;
  // no-color.org: an empty variable counts as not set.
  if (isSet(environment["NO_COLOR"])) return false;
  const forced = environment["FORCE_COLOR"];
  if (isSet(forced)) return forced !== "0" && forced !== "false";
  return environment["TERM"] !== "dumb" && isTerminal();
}

/** Colours for one answer. Each takes a stranger's string or `SafeText` and gives `SafeText`. */
export type Style = Readonly<Record<keyof typeof CODES, (piece: Piece) => SafeText>>;

// Only the sixteen colours of the user's own theme, so that they stay readable on any background.
const CODES = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
  inverse: [7, 27],
} as const;

/** The colours, or functions that only make text safe. `hasColour` is asked at the first use and once. */
export function createStyle(hasColour: () => boolean): Style {
  let answer: boolean | undefined;
  const paint = (open: number, close: number) => (piece: Piece) => {
    const text = typeof piece === "string" ? toSafeText(piece) : piece;
    answer ??= hasColour();
    return answer ? new SafeText(`\u001B[${open}m${text}\u001B[${close}m`) : text;
  };
  return {
    bold: paint(...CODES.bold),
    dim: paint(...CODES.dim),
    red: paint(...CODES.red),
    green: paint(...CODES.green),
    yellow: paint(...CODES.yellow),
    cyan: paint(...CODES.cyan),
    inverse: paint(...CODES.inverse),
  };
}

const isSet = (value: string | undefined): value is string => value !== undefined && value !== "";
