// Whole fleets in simulated time: whatever a seed brings, no promise is broken; and what is broken on purpose is found.
import { expect, test } from "bun:test";
import { join } from "node:path";
import { playSeeds } from "../helpers/simulated-seeds.ts";
import { MUTANTS } from "../simulation/mutants.ts";
import { planOf, play } from "../simulation/play.ts";
import { shrink } from "../simulation/shrink.ts";

/** 200 seeds, so few of them large that all are played in a minute on two processors. FLEETD_SIMULATE_SEEDS asks for more. */
const LARGE = Number(process.env["FLEETD_SIMULATE_SEEDS"] ?? 2);
const SMALL_SEEDS = { first: 3, last: 200, servers: 4, hours: 0.1 };
/** A mutant that lives longer than this is one that nobody would find. */
const SEEDS_PER_MUTANT = 20;
/** Far above what the slowest machine needed. */
const TIMEOUT_MS = 20 * 60_000;

const SMALL = {
  servers: 4,
  hours: 0.5,
  everyRound: false,
  realSignatures: false,
  doubleFaults: false,
  mutant: null,
  only: null,
};
const MAIN = join(import.meta.dir, "../simulation/main.ts");

test(
  `${LARGE} seeds of 8 servers and 2 hours keep every promise`,
  async () => {
    expect(await playSeeds({ first: 1, last: LARGE, servers: 8, hours: 2 })).toEqual([]);
  },
  TIMEOUT_MS,
);

test(
  "198 seeds of 4 servers and 6 minutes keep every promise",
  async () => {
    expect(await playSeeds(SMALL_SEEDS)).toEqual([]);
  },
  TIMEOUT_MS,
);

for (const { name, does, breaks } of MUTANTS) {
  test(
    `the simulation finds a fleetd that ${does}`,
    () => {
      const found = Array.from({ length: SEEDS_PER_MUTANT }, (_, number) => number + 1).find((seed) => {
        const wanted = { ...SMALL, mutant: name };
        return play(planOf(seed, wanted), wanted).broken.some(({ rule }) => breaks.includes(rule));
      });
      console.log(`\n${name}: found in seed ${found}`);
      expect(found).toBeDefined();
    },
    TIMEOUT_MS,
  );
}

test(
  "a seed gives the same run again, in this process and in another one",
  async () => {
    const first = play(planOf(7, SMALL), SMALL);
    play(planOf(8, SMALL), SMALL);
    const second = play(planOf(7, SMALL), SMALL);
    expect(second).toEqual(first);
    const other = await simulate("--seed", "7", "--servers", "4", "--hours", "0.5", "--json");
    expect(other.exitCode).toBe(0);
    const { runs } = JSON.parse(other.stdout) as { runs: { traceHash: string }[] };
    expect(runs.map(({ traceHash }) => traceHash)).toEqual([first.traceHash]);
  },
  TIMEOUT_MS,
);

test(
  "rounds that can find nothing new are left out without anything becoming of it",
  () => {
    const [few, all] = [SMALL, { ...SMALL, everyRound: true }].map((wanted) =>
      play(planOf(11, wanted), wanted),
    );
    expect(few?.broken).toEqual([]);
    expect(all?.broken).toEqual([]);
    expect(all?.counts.acknowledged).toBe(few?.counts.acknowledged ?? -1);
    expect(all?.counts.events).toBeGreaterThan(few?.counts.events ?? 0);
  },
  TIMEOUT_MS,
);

test(
  "a failure is made small: what does not matter for it is left out",
  () => {
    const wanted = { ...SMALL, mutant: "hopeful-push" };
    const plan = planOf(1, wanted);
    const { ids } = shrink(
      plan,
      "lied",
      (some) => play(some, wanted),
      (runs) => runs < 60,
    );
    expect(ids.length).toBeLessThanOrEqual(4);
    const small = { ...wanted, only: ids };
    expect(play(planOf(1, small), small).broken.map(({ rule }) => rule)).toContain("lied");
  },
  TIMEOUT_MS,
);

test(
  "a failure ends with 1, and says how to see it again",
  async () => {
    const words = ["--seed", "1", "--servers", "3", "--hours", "0.3", "--mutant", "hopeful-push"];
    const { exitCode, stdout } = await simulate(...words);
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(
      /again: bun run simulate --seed 1 --servers 3 --hours 0\.3 --only [\d,]+ --mutant hopeful-push/,
    );
  },
  TIMEOUT_MS,
);

test("words that simulate does not know end with 64", async () => {
  expect((await simulate("--sead", "1")).exitCode).toBe(64);
  expect((await simulate("--seed", "5..3")).exitCode).toBe(64);
  expect((await simulate("--help")).exitCode).toBe(0);
});

async function simulate(...words: readonly string[]): Promise<{ exitCode: number; stdout: string }> {
  const child = Bun.spawn([process.execPath, MAIN, ...words], { stdio: ["ignore", "pipe", "ignore"] });
  const stdout = await new Response(child.stdout).text();
  return { exitCode: await child.exited, stdout };
}
