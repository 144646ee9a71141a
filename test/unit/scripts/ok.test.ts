import { describe, expect, test } from "bun:test";
import { addCounts, countRed, formatCounts, parseCounts } from "../../../scripts/gate/counts.ts";
import { listStations, parseGateOptions } from "../../../scripts/gate/stations.ts";

const SUMMARY =
  " 40 pass\n 2 skip\n 1 todo\n 3 fail\n 1 error\n 124 expect() calls\nRan 46 tests across 6 files.";

describe("parseCounts()", () => {
  test("reads the summary: errors count as failed, todo as skipped", () => {
    expect(parseCounts(SUMMARY)).toEqual({ passed: 40, failed: 4, skipped: 3 });
  });

  test("reads a summary in colour", () => {
    const output = "\u001b[32m 7 pass\u001b[0m\n\u001b[2m 0 fail\u001b[0m\n";
    expect(parseCounts(output)).toEqual({ passed: 7, failed: 0, skipped: 0 });
  });

  test("reads nothing that the tests printed before", () => {
    const output = " 9 pass\n 9 fail\n 9 skip\n 1 pass\n 0 fail\n";
    expect(parseCounts(output)).toEqual({ passed: 1, failed: 0, skipped: 0 });
  });

  test("is undefined when the runner never came to a summary", () => {
    expect(parseCounts("bun test v1\n(pass) a\n")).toBeUndefined();
  });
});

test("countRed() counts a red station without a failed test as one", () => {
  expect(countRed({ passed: 2, failed: 0, skipped: 0 })).toEqual({ passed: 2, failed: 1, skipped: 0 });
  expect(countRed({ passed: 2, failed: 3, skipped: 0 })).toEqual({ passed: 2, failed: 3, skipped: 0 });
});

test("addCounts() adds each kind", () => {
  const sum = addCounts({ passed: 1, failed: 2, skipped: 3 }, { passed: 10, failed: 20, skipped: 30 });
  expect(sum).toEqual({ passed: 11, failed: 22, skipped: 33 });
});

test("formatCounts() names skipped tests only when there are any", () => {
  expect(formatCounts({ passed: 5, failed: 0, skipped: 0 })).toBe("5 passed, 0 failed");
  expect(formatCounts({ passed: 5, failed: 1, skipped: 2 })).toBe("5 passed, 1 failed, 2 skipped");
});

describe("parseGateOptions()", () => {
  test("takes the two flags in any order", () => {
    expect(parseGateOptions([])).toEqual({ ok: true, value: { keepGoing: false, long: false } });
    expect(parseGateOptions(["--long", "--keep-going"])).toEqual({
      ok: true,
      value: { keepGoing: true, long: true },
    });
  });

  test("refuses any other word", () => expect(parseGateOptions(["--fast"]).ok).toBe(false));
});

describe("listStations()", () => {
  test("builds after the cheap tests and before e2e", () => {
    expect(listStations({ long: false }).map(({ name }) => name)).toEqual([
      "biome ci",
      "tsc",
      "check-architecture",
      "unit tests",
      "integration tests",
      "build",
      "e2e tests",
      "fault tests",
    ]);
  });

  test("adds the long tests on demand", () => {
    expect(listStations({ long: true }).at(-1)?.name).toBe("long tests");
  });
});
