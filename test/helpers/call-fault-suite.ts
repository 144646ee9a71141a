// The suite of calls that fail, short for every commit and long for the long run.
import { afterAll, expect, test } from "bun:test";
import { CallFaults, OPERATIONS, type Operation, whyNoTrace } from "./call-faults.ts";
import { Figures, seconds } from "./figures.ts";
import { describe } from "./fleet-checker.ts";

/** How many calls of each operation fail, each in a run of its own. */
export interface CallFaultPlan extends Readonly<Record<Operation, number>> {
  readonly timeoutMs: number;
}

/** `FLEETD_CALLS_SEED` plays a schedule again, as far as the machine lets it. */
const SEED = Number(process.env["FLEETD_CALLS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

/** Another run may make its calls in another order, so a few more are tried where no fault was met; chosen, not measured. */
const SPARE = 15;

/** Defines a test per operation. */
export function defineCallFaultTests(plan: CallFaultPlan): void {
  const missing = whyNoTrace();
  if (missing !== null) console.log(`skipped: calls that fail, because ${missing}`);
  const figures = new Figures(`calls that fail: EIO, ENOSPC, EMFILE by strace, FLEETD_CALLS_SEED=${SEED}`);
  afterAll(() => {
    if (missing === null) figures.print();
  });

  for (const operation of OPERATIONS) {
    test.skipIf(missing !== null)(
      `${operation} stands a disk that fails at any call`,
      async () => {
        const startedMs = performance.now();
        const run = new CallFaults(SEED);
        try {
          await run.open();
          const calls = await run.callsOf(operation);
          expect(calls.length).toBeGreaterThan(0);
          run.counts.ends.clear();
          for (const call of run.choose(calls, plan[operation] + SPARE)) {
            if (run.counts.runs >= plan[operation] && run.counts.injected > 0) break;
            await run.inject(operation, call);
          }
          const violations = await run.judge();
          const { runs, injected, ends, faults } = run.counts;
          const lost = violations.filter(({ rule }) => rule === "lost").length;
          const list = [...ends].map(([end, count]) => `${end}: ${count}`).join(", ");
          const took = seconds(performance.now() - startedMs);
          figures.add(
            operation,
            `${runs} runs of ${calls.length} calls, ${injected} faults met, ${lost} lost, ends ${list}, ${took}`,
          );
          expect(faults).toEqual([]);
          expect(describe(violations)).toBe("");
          expect(injected).toBeGreaterThan(0);
        } finally {
          await run.close();
        }
      },
      plan.timeoutMs,
    );
  }
}
