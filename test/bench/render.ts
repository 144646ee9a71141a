import { failsGate, holds, type Row, type Spread } from "./row.ts";

/** The rows as a table for people: what, how much, between what, the budget, and whether it holds. */
export function renderTable(rows: readonly Row[]): string {
  const lines = [["what", "value", "median [min … max]", "against", "budget", ""], ...rows.map(toCells)];
  const widths = (lines[0] ?? []).map((_, column) =>
    Math.max(...lines.map((cells) => Bun.stringWidth(cells[column] ?? ""))),
  );
  const pad = (cell: string, column: number): string =>
    cell + " ".repeat(Math.max(0, (widths[column] ?? 0) - Bun.stringWidth(cell)));
  return lines.map((cells) => cells.map(pad).join("  ").trimEnd()).join("\n");
}

function toCells(row: Row): string[] {
  const { what, value, unit, measured, measuredUnit = "ms", against, budget, note } = row;
  const isRatio = unit === "×";
  const limit =
    budget === null ? "" : `${budget.direction === "at-most" ? "≤" : "≥"} ${format(budget.limit)} ${unit}`;
  return [
    note === "" ? what : `${what} (${note})`,
    `${format(value)} ${unit}`,
    `${spread(measured)}${isRatio ? ` ${measuredUnit}` : ""}`,
    against === null ? "" : `${against.what}: ${spread(against)} ${measuredUnit}`,
    limit,
    budget === null ? "" : verdict(row),
  ];
}

function verdict(row: Row): string {
  if (holds(row)) return "ok";
  return failsGate(row) ? "FAILS" : "over";
}

const spread = ({ median, min, max, runs }: Spread): string =>
  runs === 1 ? format(median) : `${format(median)} [${format(min)} … ${format(max)}]`;

function format(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(digits);
}
