import { expect, test } from "bun:test";
import { parseSimulateOptions } from "../../simulation/arguments.ts";

test("parseSimulateOptions() reads a range, and what is left of a schedule", () => {
  expect(parseSimulateOptions(["--seed", "3..9", "--servers=4"])).toMatchObject({
    ok: true,
    value: { first: 3, last: 9, servers: 4, hours: 2, only: null },
  });
  expect(parseSimulateOptions(["--seed", "3", "--only", "3,17,40"])).toMatchObject({
    ok: true,
    value: { only: [3, 17, 40] },
  });
});

test("parseSimulateOptions() refuses what it does not understand", () => {
  for (const words of [
    ["--seed", "x"],
    ["--seed"],
    ["--servers", "1"],
    ["--hours", "0"],
    ["seed"],
    ["--only", "a"],
  ]) {
    expect(parseSimulateOptions(words).ok).toBe(false);
  }
  expect(parseSimulateOptions(["--seed", "1..2", "--only", "3"]).ok).toBe(false);
});
