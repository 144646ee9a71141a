/** How many tests ended how. */
export type Counts = { readonly passed: number; readonly failed: number; readonly skipped: number };

/** Nothing run yet. */
export const NO_TESTS: Counts = { passed: 0, failed: 0, skipped: 0 };

/**
 * Reads the summary that `bun test` ends with, or `undefined` if it never came to one: a test that calls
 * `process.exit(0)` ends the run early and green. Errors outside of a test count as failed, tests yet to be written as
 * skipped. What the tests themselves printed before the summary is not read.
 */
export function parseCounts(output: string): Counts | undefined {
  const plain = Bun.stripANSI(output);
  const start = [...plain.matchAll(/^ *\d+ pass$/gm)].at(-1)?.index;
  if (start === undefined) return undefined;
  const summary = plain.slice(start);
  const numberOf = (word: string): number =>
    Number(new RegExp(`^ *(\\d+) ${word}$`, "m").exec(summary)?.[1] ?? 0);
  return {
    passed: numberOf("pass"),
    failed: numberOf("fail") + numberOf("errors?"),
    skipped: numberOf("skip") + numberOf("todo"),
  };
}

/** A red station without a failed test, such as a linter, counts as one. */
export const countRed = (counts: Counts): Counts => (counts.failed === 0 ? { ...counts, failed: 1 } : counts);

/** Both together. */
export const addCounts = (a: Counts, b: Counts): Counts => ({
  passed: a.passed + b.passed,
  failed: a.failed + b.failed,
  skipped: a.skipped + b.skipped,
});

/** `"12 passed, 0 failed"`, and `", 1 skipped"` when there are any. */
export function formatCounts({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}
