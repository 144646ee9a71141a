import type { SimulateOptions } from "./arguments.ts";
import type { Plan } from "./happening.ts";
import { MUTANTS } from "./mutants.ts";
import { makePlan } from "./plan.ts";
import { only } from "./shrink.ts";
import { type Outcome, simulate } from "./simulate.ts";

type Wanted = Pick<
  SimulateOptions,
  "servers" | "hours" | "everyRound" | "realSignatures" | "doubleFaults" | "mutant" | "only"
>;

/** Every tenth seed signs for real, and every tenth runs every round: what is left out elsewhere must not matter. */
const SHARE = 10;

/** The plan of one seed. */
export function planOf(seed: number, wanted: Wanted): Plan {
  const mutant = MUTANTS.find(({ name }) => name === wanted.mutant) ?? null;
  const { servers, hours, doubleFaults } = wanted;
  const plan = makePlan(seed, { servers, hours, doubleFaults, focus: mutant?.focus ?? null });
  return wanted.only === null ? plan : only(plan, wanted.only);
}

/** Plays a plan. */
export function play(plan: Plan, wanted: Wanted, keepsTrace = false): Outcome {
  return simulate(plan, {
    hasRealSignatures: wanted.realSignatures || plan.seed % SHARE === 0,
    skipsIdle: !wanted.everyRound && plan.seed % SHARE !== 5,
    mutant: MUTANTS.find(({ name }) => name === wanted.mutant) ?? null,
    keepsTrace,
  });
}
