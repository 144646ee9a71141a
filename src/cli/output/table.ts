import { displayWidth, truncate } from "./display-width.ts";
import { type Piece, SafeText, safe } from "./safe-text.ts";
import type { Style } from "./style.ts";

const GAP = "  ";
// Narrower than this a cut column says nothing. Chosen, not measured.
const COLUMN_WIDTH_MIN = 6;

export type Column = {
  readonly title: string;
  readonly align?: "left" | "right";
  /** Stays whole when the line is too long: ids and numbers, which are of no use cut. */
  readonly keepWhole?: boolean;
};

export type Table = {
  readonly columns: readonly Column[];
  /** Cells in the order of the columns; a string is made visible, `SafeText` keeps its colours. */
  readonly rows: readonly (readonly Piece[])[];
};

/** A table with a dim header, columns aligned by what they take on a screen, lines of at most `width` columns. */
export function renderTable({ columns, rows }: Table, style: Style, width: number): SafeText {
  const header = columns.map(({ title }) => style.dim(title));
  const lines = [header, ...rows].map((row) => columns.map((_, index) => String(safe`${row[index] ?? ""}`)));
  const widths = fitWidths(columns, measure(columns, lines), width);
  return new SafeText(lines.map((cells) => renderLine(cells, columns, widths)).join("\n"));
}

function measure(columns: readonly Column[], lines: readonly (readonly string[])[]): number[] {
  return columns.map((_, index) => Math.max(...lines.map((cells) => displayWidth(cells[index] ?? ""))));
}

// Takes from the widest column that may be cut, one column of the screen at a time, until the line fits or none may.
function fitWidths(columns: readonly Column[], natural: readonly number[], width: number): readonly number[] {
  const gaps = GAP.length * (columns.length - 1);
  const widths = natural.map((size, index) => (columns[index]?.keepWhole ? size : Math.min(size, width)));
  for (let surplus = sum(widths) + gaps - width; surplus > 0; surplus -= 1) {
    const index = widest(columns, widths);
    if (index === -1) break;
    widths[index] = (widths[index] ?? 0) - 1;
  }
  return widths;
}

function widest(columns: readonly Column[], widths: readonly number[]): number {
  let found = -1;
  for (const [index, size] of widths.entries()) {
    const mayShrink = columns[index]?.keepWhole !== true && size > COLUMN_WIDTH_MIN;
    if (mayShrink && size > (widths[found] ?? 0)) found = index;
  }
  return found;
}

// Nothing follows the last cell that says something, so no line ends in spaces.
function renderLine(cells: readonly string[], columns: readonly Column[], widths: readonly number[]): string {
  const last = cells.findLastIndex((cell) => cell !== "");
  return cells
    .slice(0, last + 1)
    .map((cell, index) => {
      const text = truncate(cell, widths[index] ?? 0);
      const padding = " ".repeat(Math.max(0, (widths[index] ?? 0) - displayWidth(text)));
      if (columns[index]?.align === "right") return padding + text;
      return index === last ? text : text + padding;
    })
    .join(GAP);
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
