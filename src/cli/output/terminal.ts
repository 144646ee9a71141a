import { createStyle, decideColour, type Style } from "./style.ts";

/** The width of text that nobody watches, and of a terminal that does not say. */
export const WIDTH_DEFAULT = 80;

/** The style for stdout of this process; `color` is the global flag. Costs nothing until the first colour is used. */
export function openStyle(args: { readonly color: boolean | undefined }): Style {
  return createStyle(() => decideColour({ flag: args.color, environment: process.env, isTerminal }));
}

/** Columns of the terminal behind stdout, or 80 when there is none. */
export function terminalWidth(): number {
  // Asked first: `process.stdout` costs 10 ms, and through a pipe it knows no width anyway.
  return isTerminal() ? (process.stdout.columns ?? WIDTH_DEFAULT) : WIDTH_DEFAULT;
}

// `require` of a built-in is lazy, and `node:tty` costs 3 ms that an answer without colour need not pay.
function isTerminal(): boolean {
  return process.getBuiltinModule("node:tty").isatty(1);
}
