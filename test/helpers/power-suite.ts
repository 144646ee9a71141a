// The suite of power cuts, short for every commit and long for the long run, with its negative control.
import { afterAll, expect, test } from "bun:test";
import { Figures, seconds } from "./figures.ts";
import { describe } from "./fleet-checker.ts";
import { whyNoDisk } from "./power-disk.ts";
import { PowerRun } from "./power-run.ts";

/** How many cuts at least, and how many sends the control loses. */
export interface PowerPlan {
  readonly cuts: number;
  readonly controlSends: number;
  readonly timeoutMs: number;
}

/** `FLEETD_POWER_SEED` plays a schedule again, as far as the machine lets it. */
const SEED = Number(process.env["FLEETD_POWER_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

/** Defines both tests. */
export function definePowerTests(plan: PowerPlan): void {
  const missing = whyNoDisk();
  const missingTrace = missing ?? (Bun.which("strace") === null ? "strace is missing" : null);
  if (missing !== null) console.log(`skipped: power cuts, because ${missing}`);
  else if (missingTrace !== null) console.log(`skipped: the control of power cuts, because ${missingTrace}`);
  const figures = new Figures(`power cuts: ext4 shut down without a flush, FLEETD_POWER_SEED=${SEED}`);
  afterAll(() => {
    if (missing === null) figures.print();
  });

  test.skipIf(missing !== null)(
    "the power may be cut at any moment",
    async () => {
      const startedMs = performance.now();
      const run = new PowerRun(SEED);
      const { counts } = run;
      try {
        await run.open();
        while (counts.cuts < plan.cuts) await run.round();
        const lost = counts.violations.filter(({ rule }) => rule === "lost").length;
        const twice = counts.violations.filter(({ rule }) => rule === "handled-twice").length;
        figures.add("cuts", `${counts.cuts} in ${seconds(performance.now() - startedMs)}`);
        figures.add("acknowledged, of these lost", `${counts.acknowledged}, ${lost}`);
        figures.add("given to a handler, of these handled twice", `${counts.handled}, ${twice}`);
        expect(counts.faults).toEqual([]);
        expect(describe(counts.violations)).toBe("");
        expect(counts.acknowledged).toBeGreaterThan(0);
      } finally {
        await run.close();
      }
    },
    plan.timeoutMs,
  );

  test.skipIf(missingTrace !== null)(
    "judge() finds what the same fleet loses on a disk that says that it flushed and did not",
    async () => {
      const run = new PowerRun(SEED);
      try {
        await run.open();
        const violations = await run.control(plan.controlSends);
        const lost = violations.filter(({ rule }) => rule === "lost").length;
        figures.add(
          "control without fsync: acknowledged, of these lost",
          `${run.counts.acknowledged}, ${lost}`,
        );
        expect(lost).toBeGreaterThan(0);
      } finally {
        await run.close();
      }
    },
    plan.timeoutMs,
  );
}
