import { expect, test } from "bun:test";
import { makePlan } from "../../simulation/plan.ts";
import { shrink } from "../../simulation/shrink.ts";
import type { Outcome } from "../../simulation/simulate.ts";

test("shrink() finds the few happenings that a failure takes", () => {
  const plan = makePlan(1, { servers: 8, hours: 2, focus: null, doubleFaults: false });
  const needed = [3, 17, 40];
  const play = ({ seed, happenings }: typeof plan): Outcome => {
    const isBroken = needed.every((id) => happenings.some((one) => one.id === id));
    const broken = isBroken ? [{ rule: "lost", detail: "", atMs: 0 }] : [];
    return { seed, broken, traceHash: "", trace: null, counts: NO_COUNTS };
  };
  expect(shrink(plan, "lost", play, () => true).ids).toEqual(needed);
});

const NO_COUNTS = { events: 0, faults: 0, sends: 0, acknowledged: 0, entries: 0, answers: 0, pushes: 0 };
