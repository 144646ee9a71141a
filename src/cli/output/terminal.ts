import { createStyle, decideColour, type Style } from "./style.ts";

/** The width of text that nobody watches, and of a terminal that does not say. */
export const WIDTH_DEFAULT = 80;
const ROWS_DEFAULT = 24;

/** The style for stdout of this process; `color` is the global flag. Costs nothing until the first colour is used. */
export function openStyle(args: { readonly color: boolean | undefined }): Style {
  return createStyle(() => decideColour({ flag: args.color, environment: process.env, isTerminal }));
}

/** Columns of the terminal behind stdout, or 80 when there is none. */
export function terminalWidth(): number {
  // Asked first: `process.stdout` costs 10 ms, and through a pipe it knows no width anyway.
  return isTerminal() ? (process.stdout.columns ?? WIDTH_DEFAULT) : WIDTH_DEFAULT;
}

/** Columns and rows of the terminal behind stdout, or null when there is none. */
export function screenSize(): { readonly columns: number; readonly rows: number } | null {
  if (!isTerminal()) return null;
  const { columns, rows } = process.stdout;
  return { columns: columns ?? WIDTH_DEFAULT, rows: rows ?? ROWS_DEFAULT };
}

// `require` of a built-in is lazy, and `node:tty` costs 3 ms that an answer without colour need not pay.
function isTerminal(): boolean {
  return process.getBuiltinModule("node:tty").isatty(1);
}
