const BARS = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"] as const;
const NOTHING = "·";

/**
 * `values` as bars of at most `width` columns, the highest one full; where there is nothing, a dot. A value below
 * `fullMin` is no full bar even if it is the highest.
 */
export function sparkline(values: readonly number[], width: number, fullMin = 0): string {
  const columns = groupInto(values, Math.max(1, width));
  const highest = Math.max(0, fullMin, ...columns);
  return columns
    .map((value) => {
      if (value <= 0) return NOTHING;
      return BARS[Math.ceil((value / highest) * BARS.length) - 1] ?? BARS[0];
    })
    .join("");
}

/** Sums neighbours, equally many in each column, until there are no more than `count` columns. */
function groupInto(values: readonly number[], count: number): number[] {
  const size = Math.max(1, Math.ceil(values.length / count));
  const columns: number[] = [];
  for (let start = 0; start < values.length; start += size) {
    columns.push(values.slice(start, start + size).reduce((sum, value) => sum + value, 0));
  }
  return columns;
}
