import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runGate } from "../../../scripts/gate/run-gate.ts";
import type { Station } from "../../../scripts/gate/stations.ts";

let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "fleetd-gate-"));
  await Bun.write(join(root, "green.ts"), 'console.log("nothing to see");');
  await Bun.write(join(root, "red.ts"), 'console.log("the reason"); process.exit(1);');
  await Bun.write(
    join(root, "suite/a.test.ts"),
    `import { test } from "bun:test";
     console.log("skipped: b, because it is a test");
     test("a", () => {});
     test.skipIf(true)("b", () => {});`,
  );
});

afterAll(() => rm(root, { recursive: true, force: true }));

const green: Station = { kind: "check", name: "green", words: ["green.ts"] };
const red: Station = { kind: "check", name: "red", words: ["red.ts"] };
const suite: Station = { kind: "tests", name: "suite", folder: "suite", options: [] };

/** Everything the gate prints, with the times taken out. */
async function run(stations: Station[], keepGoing: boolean): Promise<{ isGreen: boolean; lines: string[] }> {
  const printed: string[] = [];
  const print = (text: string): void => void printed.push(text);
  const isGreen = await runGate({ root, stations, keepGoing, env: process.env, print });
  return {
    isGreen,
    lines: printed
      .join("\n")
      .replaceAll(/\d+\.\d s/g, "T s")
      .split("\n"),
  };
}

test("runGate() prints a line per station, what was skipped and why, and the counts last", async () => {
  expect(await run([green, suite], false)).toEqual({
    isGreen: true,
    lines: [
      "ok   green (T s)",
      "     skipped: b, because it is a test",
      "     (skip) b",
      "ok   suite (T s, 1 passed, 0 failed, 1 skipped)",
      "1 passed, 0 failed, 1 skipped",
    ],
  });
});

test("runGate() stops at the first red station and shows its output", async () => {
  expect(await run([red, suite], false)).toEqual({
    isGreen: false,
    lines: ["the reason", "RED  red (T s)", "0 passed, 1 failed"],
  });
});

test("runGate() goes on after a red station if told so, and stays red", async () => {
  const { isGreen, lines } = await run([red, suite, green], true);
  expect(isGreen).toBe(false);
  expect(lines.slice(-2)).toEqual(["ok   green (T s)", "1 passed, 1 failed, 1 skipped"]);
});
