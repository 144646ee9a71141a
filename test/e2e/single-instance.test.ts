// One monitor per server, whoever starts how many at once; and what the others leave behind: a word to the one that runs.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { raceStarters } from "../helpers/starters.ts";
import { TempFleet } from "../helpers/temp-fleet.ts";
import { eventually } from "../helpers/temp-git.ts";

const fleet = new TempFleet();
beforeAll(() => fleet.init(["code1"]), 60_000);
afterAll(() => fleet.remove());

const WITHIN_MS = 60_000;

describe("one monitor per server", () => {
  test("of 30 that start at once one wins, and the others end with 69 and name it", async () => {
    const { winner, losers } = await raceStarters(fleet, "code1", 30);
    expect(losers.length).toBe(29);
    for (const { code, stderr } of losers) {
      expect(code).toBe(69);
      expect(stderr).toContain(`already running (pid ${winner.pid}, since `);
    }
    await winner.stop();
  }, 120_000);

  test("a holder that is killed frees its place at once", async () => {
    for (let round = 0; round < 5; round += 1) {
      const first = await fleet.monitor("code1");
      // Its end is the only thing that is waited for: the next one must not have to try twice.
      await first.stop("SIGKILL");
      const next = await fleet.monitor("code1");
      await next.stop();
    }
  }, 300_000);
});

describe("a second monitor", () => {
  test("hands its words and its folder to the first, which tells of them", async () => {
    const first = await fleet.monitor("code1", ["--json"]);
    const words = ["monitor", "--interval", "7s", "--remote", "https://me:hunter2@example.org/x.git"];
    const cwd = fleet.temporary;
    const second = await fleet.run(words, { as: "code1", cwd });
    expect(second.code).toBe(69);
    expect(second.stderr).toContain(`pid ${first.pid}`);
    await eventually(() => /second-instance.*\n/.test(first.stdout()), WITHIN_MS);
    const told = first
      .stdout()
      .split("\n")
      .filter((line) => line.includes("second-instance"))
      .map((line): unknown => JSON.parse(line));
    const argv = ["monitor", "--interval", "7s", "--remote", "https://***@example.org/x.git"];
    expect(told).toMatchObject([{ kind: "second-instance", argv, cwd }]);
    const ended = await first.stop();
    expect(ended.stdout).not.toContain("hunter2");
  }, 120_000);

  test("that was called with what moves a cursor does not move one, on the console or in the log", async () => {
    const first = await fleet.monitor("code1");
    const hostile = "\u001b[2J\u202eevil";
    await fleet.run(["monitor", "--config", hostile], { as: "code1" });
    await fleet.run(["monitor", "--remote", `${hostile}\nINFO forged`], { as: "code1" });
    await first.printed("a second monitor was started");
    const { stdout } = await first.stop();
    expect(stdout).not.toContain("\u001b[2J");
    expect(stdout).not.toContain("\u202e");
    const log = await fleet.text(["logs", "--server", "code1"]);
    expect(log).toContain("a second monitor was started");
    expect(log).not.toContain("\u001b[2J");
    expect(log).not.toMatch(/^INFO forged/m);
  }, 120_000);
});
