import { displayWidth } from "../output/display-width.ts";

/** What is on the screen now, and how large it is. */
export interface Frame {
  readonly lines: readonly string[];
  readonly columns: number;
}

// A terminal that knows it shows all of it at once; to another one it says nothing.
const BEGIN_FRAME = "\u001B[?2026h";
const END_FRAME = "\u001B[?2026l";
const CLEAR_SCREEN = "\u001B[2J";
const CLEAR_REST_OF_LINE = "\u001B[K";
const PLAIN = "\u001B[0m";

/** What turns the screen from `before` into `after`: only lines that differ; "" where none does. Null: it is unknown. */
export function drawLines(before: Frame | null, after: Frame): string {
  const isNew = before === null || before.columns !== after.columns || isLower(after, before);
  const changed = after.lines.flatMap((line, row) =>
    !isNew && before.lines[row] === line ? [] : [drawLine(line, row, after.columns)],
  );
  if (changed.length === 0 && !isNew) return "";
  return `${BEGIN_FRAME}${isNew ? CLEAR_SCREEN : ""}${changed.join("")}${END_FRAME}`;
}

const isLower = (after: Frame, before: Frame): boolean => after.lines.length !== before.lines.length;

// The cursor stays in the last column of a full line, so clearing from there on would take its last character.
function drawLine(line: string, row: number, columns: number): string {
  const clear = displayWidth(line) < columns ? CLEAR_REST_OF_LINE : "";
  return `\u001B[${row + 1};1H${line}${PLAIN}${clear}`;
}
