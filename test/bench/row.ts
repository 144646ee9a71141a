/** What a row may come to. `ratio` compares two medians of one run and is the only kind that fails the gate. */
export interface Budget {
  readonly kind: "ratio" | "absolute";
  /** `at-least`: more is better. */
  readonly direction: "at-most" | "at-least";
  readonly limit: number;
}

/** Several measurements of one thing, in the unit of the row. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly runs: number;
}

/** One line of the table. `value` is what the budget speaks of; null `budget`: only reported. */
export interface Row {
  readonly name: string;
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  readonly measured: Spread;
  /** Of a ratio: what both sides are measured in; "ms" when left out. */
  readonly measuredUnit?: string;
  /** What was measured in between, for a ratio. */
  readonly against: (Spread & { readonly what: string }) | null;
  readonly budget: Budget | null;
  readonly note: string;
}

/** A ratio that is over its budget by this factor fails; what lies between is noise or a warning. */
export const GATE_FACTOR = 1.5;

/** The median of some numbers; the mean of the middle two when their count is even. */
export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** Median, smallest and largest of some measurements. */
export const spreadOf = (values: readonly number[]): Spread => ({
  median: medianOf(values),
  min: Math.min(...values),
  max: Math.max(...values),
  runs: values.length,
});

/** Whether the row keeps its budget; true where there is none. */
export function holds({ value, budget }: Pick<Row, "value" | "budget">): boolean {
  if (budget === null) return true;
  return budget.direction === "at-most" ? value <= budget.limit : value >= budget.limit;
}

/** Whether the row ends the run with exit code 1: absolute figures depend on the machine and never do. */
export const failsGate = ({ value, budget }: Pick<Row, "value" | "budget">): boolean =>
  budget?.kind === "ratio" && budget.direction === "at-most" && !(value <= budget.limit * GATE_FACTOR);

/** A row that compares two sides measured in turns: the ratio is the median of the pairs' ratios. */
export function ratioRow(
  row: Pick<Row, "name" | "what" | "measuredUnit"> & {
    readonly limit: number | null;
    readonly note?: string;
  },
  measured: readonly number[],
  against: { readonly what: string; readonly values: readonly number[] },
): Row {
  const ratios = measured.map((value, pair) => value / (against.values[pair] ?? Number.NaN));
  return {
    name: row.name,
    what: row.what,
    value: medianOf(ratios),
    unit: "×",
    measured: spreadOf(measured),
    ...(row.measuredUnit === undefined ? {} : { measuredUnit: row.measuredUnit }),
    against: { ...spreadOf(against.values), what: against.what },
    budget: row.limit === null ? null : { kind: "ratio", direction: "at-most", limit: row.limit },
    note: row.note ?? "",
  };
}

/** A row about the median of one measurement. */
export function absoluteRow(
  row: Pick<Row, "name" | "what" | "unit"> & {
    readonly direction: Budget["direction"];
    readonly limit: number | null;
    readonly note?: string;
  },
  measured: readonly number[],
): Row {
  const { name, what, unit, direction, limit, note = "" } = row;
  const spread = spreadOf(measured);
  const budget = limit === null ? null : ({ kind: "absolute", direction, limit } as const);
  return { name, what, value: spread.median, unit, measured: spread, against: null, budget, note };
}
