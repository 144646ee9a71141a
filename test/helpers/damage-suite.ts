import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { type Before, type DamageCase, type DamageResult, DamageRun } from "./damage-run.ts";
import { classOf, type DamageKind, isPossible } from "./damaged-files.ts";
import { seconds } from "./figures.ts";
import { createRandom } from "./random.ts";

/** Which cases of the matrix of files and kinds of damage are played. */
export interface DamagePlan {
  readonly seed: number;
  /** How many cases of each class of files; `Infinity`: every file and every kind. */
  readonly perClass: number;
  readonly kinds: readonly DamageKind[];
  readonly befores: readonly Before[];
  /** Leaves out what takes long: a third server, some commands of each case, the comparison of the rebuilt index. */
  readonly isBrief?: boolean;
  /** Only files whose path matches. */
  readonly paths?: RegExp;
  readonly timeoutMs: number;
}

/** Every case there is, in a stable order. */
export function casesOf(run: DamageRun, plan: DamagePlan): DamageCase[] {
  return plan.befores.flatMap((before) =>
    run
      .files(before)
      .filter((path) => plan.paths?.test(path) ?? true)
      .flatMap((path) =>
        plan.kinds
          .filter((kind) => isPossible(join(run.keptFolder(before), path), kind))
          .map((kind): DamageCase => ({ before, path, kind })),
      ),
  );
}

/** Some of each class, by the seed. */
export function sampleOf(cases: readonly DamageCase[], plan: DamagePlan): DamageCase[] {
  const random = createRandom(plan.seed);
  const classes = Map.groupBy(cases, (one) => classOf(one.path));
  return [...classes.values()].flatMap((all) => {
    const rest = [...all];
    const taken: DamageCase[] = [];
    while (rest.length > 0 && taken.length < plan.perClass) {
      taken.push(...rest.splice(Math.floor(random() * rest.length), 1));
    }
    return taken;
  });
}

/** Plays the cases of `plan`, one after the other, and prints the table of them. */
export function defineDamageTests(plan: DamagePlan): void {
  const results: DamageResult[] = [];
  const run = new DamageRun(plan.seed, plan.isBrief);
  let startedMs = 0;
  beforeAll(async () => {
    startedMs = performance.now();
    await run.prepare();
  }, 120_000);
  afterAll(async () => {
    printTable(results, performance.now() - startedMs);
    await run.sandbox.close();
  }, 60_000);

  test.skipIf(process.platform !== "linux")(
    "10. every file of a server damaged: told by name, never a bug, mended, and nothing pushed lost or done twice",
    async () => {
      for (const one of sampleOf(casesOf(run, plan), plan)) results.push(await run.play(one));
      const broken = results.filter((result) => result.faults.length > 0);
      expect(
        broken.map(({ case: { before, path, kind }, faults }) => `${before} ${path} ${kind}: ${faults[0]}`),
      ).toEqual([]);
    },
    plan.timeoutMs,
  );
}

function printTable(results: readonly DamageResult[], durationMs: number): void {
  const rows = [...Map.groupBy(results, (one) => classOf(one.case.path))].map(([name, all]) => {
    const count = (mended: DamageResult["mended"]): number =>
      all.filter((one) => one.mended === mended).length;
    const waiting = all.reduce((sum, one) => sum + one.lostWaiting, 0);
    const faults = all.filter((one) => one.faults.length > 0).length;
    const figures = [
      all.length,
      count("nothing to mend"),
      count("itself"),
      count("doctor"),
      count("operator"),
      waiting,
      faults,
    ];
    return [name, ...figures.map(String)];
  });
  const head = ["file", "cases", "harmless", "by itself", "doctor", "backup", "waiting lost", "faults"];
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `  ${cells.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join("  ")}`;
  console.log([`\ndamaged files, ${seconds(durationMs)}`, line(head), ...rows.map(line)].join("\n"));
}
