// The suite of kills around handlers, short for every commit and long for the long run.
import { expect, test } from "bun:test";
import { type Counted, HandlerKills, STEPS } from "./handler-kills.ts";

/** How many kills: aimed at each step, at random moments, and tries for a step that was not met. */
export interface HandlerKillPlan {
  readonly perStep: number;
  readonly random: number;
  readonly tries: number;
  readonly timeoutMs: number;
}

const SEED = Number(process.env["FLEETD_KILL_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
/** The `attempts` of the suite's rule. */
const ATTEMPTS = 5;

/** Defines a test per policy. */
export function defineHandlerKillTests(plan: HandlerKillPlan): void {
  for (const policy of ["park", "retry"] as const) {
    test.skipIf(process.platform !== "linux")(
      `a handler with on_crash ${policy} runs as often as that says, wherever its daemon dies`,
      async () => {
        const kills = new HandlerKills(policy, SEED);
        try {
          await kills.open();
          for (const step of STEPS) await meet(kills, step, plan);
          for (let count = 0; count < plan.random; count += 1) await kills.round(null);
          const counted = kills.counts();
          print(policy, counted);
          expect(wrong(policy, counted)).toEqual([]);
          expect(kills.leftOver).toEqual([]);
          expect(STEPS.filter((step) => !kills.steps().includes(step))).toEqual([]);
        } finally {
          await kills.close();
        }
      },
      plan.timeoutMs,
    );
  }
}

/** Some steps last for less than a millisecond, so a kill may miss them; then there is another one. */
async function meet(kills: HandlerKills, step: (typeof STEPS)[number], plan: HandlerKillPlan): Promise<void> {
  for (let count = 0; count < plan.perStep; count += 1) await kills.round(step);
  for (let count = 0; count < plan.tries && !kills.steps().includes(step); count += 1)
    await kills.round(step);
}

/** Messages of which something is not as it has to be. */
function wrong(policy: "park" | "retry", counted: readonly Counted[]): Counted[] {
  return counted.filter(({ state, runs, replies, receipts }) => {
    const isDone = state === "done" && replies === 1 && receipts === 1;
    if (policy === "retry") return !(isDone && runs >= 1 && runs <= ATTEMPTS);
    const isParked = state === "parked" && replies === 0 && receipts === 0;
    return !((isDone && runs === 1) || (isParked && runs <= 1));
  });
}

/** The table of run counts per step: how many messages ran how often, and what became of them. */
function print(policy: string, counted: readonly Counted[]): void {
  console.log(`\nhandlers, on_crash: ${policy}; ${counted.length} messages, FLEETD_KILL_SEED=${SEED}`);
  console.log(`${"the daemon died".padEnd(30)} messages   runs 0/1/2/more   done/parked   answers`);
  for (const step of STEPS) {
    const here = counted.filter(({ steps }) => steps.includes(step));
    const ran = [0, 1, 2].map((runs) => here.filter((one) => one.runs === runs).length);
    const more = here.filter((one) => one.runs > 2).length;
    const done = here.filter((one) => one.state === "done").length;
    const answers = here.reduce((sum, one) => sum + one.replies, 0);
    const cells = [[...ran, more].join("/").padEnd(17), `${done}/${here.length - done}`.padEnd(13), answers];
    console.log(`${step.padEnd(30)} ${String(here.length).padEnd(10)} ${cells.join(" ")}`);
  }
  for (const one of counted)
    console.log(`  ${one.id}  runs ${one.runs}  ${one.state}  ${one.steps.join(", ")}`);
}
