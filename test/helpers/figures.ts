/** Figures of a suite, printed as a table at its end. */
export class Figures {
  readonly #title: string;
  readonly #rows: [string, string][] = [];

  constructor(title: string) {
    this.#title = title;
  }

  add(name: string, value: string | number): void {
    this.#rows.push([name, String(value)]);
  }

  print(): void {
    const width = Math.max(...this.#rows.map(([name]) => name.length));
    const lines = this.#rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`);
    console.log([`\n${this.#title}`, ...lines].join("\n"));
  }
}

/** Seconds with one decimal. */
export const seconds = (durationMs: number): string => `${(durationMs / 1000).toFixed(1)} s`;

/** The value that `share` (0 to 1) of the values do not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
