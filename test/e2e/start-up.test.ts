import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { compile } from "../../scripts/build/compile.ts";
import { FLEETD } from "../helpers/temp-fleet.ts";
import { TempGit } from "../helpers/temp-git.ts";

// The budget is twice a program that only says hello; half of it again is room for a noisy machine.
const RATIO_BUDGET = 2;
const RATIO_MAX = RATIO_BUDGET * 1.5;
// 40 pairs gave a median that moved by less than a tenth from run to run on two busy cores.
const PAIRS = 40;

const temp = new TempGit();
const hello = join(temp.folder, process.platform === "win32" ? "hello.exe" : "hello");

beforeAll(async () => {
  const entry = join(import.meta.dir, "../bench/hello.ts");
  await compile({ entry, outFile: hello, version: "0.0.0" });
});
afterAll(() => temp.remove());

test("fleetd --version starts in at most twice the time of a compiled hello-world", () => {
  expect(run([hello]).stdout).toBe("hello\n");
  expect(run([FLEETD, "--version"]).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  // One right after the other, so what the machine does meanwhile weighs on both.
  const pairs = Array.from(
    { length: PAIRS },
    () => [run([FLEETD, "--version"]).ms, run([hello]).ms] as const,
  );
  const ratio = median(pairs.map(([own, bare]) => own / bare));
  const [own, bare] = [median(pairs.map(([ms]) => ms)), median(pairs.map(([, ms]) => ms))];
  console.log(
    `fleetd --version ${own.toFixed(1)} ms, hello-world ${bare.toFixed(1)} ms: ratio ${ratio.toFixed(2)}, ` +
      `budget ${RATIO_BUDGET}, fails above ${RATIO_MAX}`,
  );
  expect(ratio).toBeLessThanOrEqual(RATIO_MAX);
});

function run(command: string[]): { ms: number; stdout: string } {
  const startMs = performance.now();
  const { stdout, exitCode } = Bun.spawnSync(command, { env: temp.environment, cwd: temp.folder });
  const ms = performance.now() - startMs;
  expect(exitCode).toBe(0);
  return { ms, stdout: stdout.toString() };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
