import { expect, test } from "bun:test";
import { problemsFirst, toVerdictCode, type Verdict, worstOf } from "../../../../src/fleet/health/model.ts";

test.each<[Verdict[], Verdict]>([
  [["ok", "ok"], "ok"],
  [["ok", "unknown"], "warn"],
  [["ok", "warn"], "warn"],
  [["warn", "unknown", "critical"], "critical"],
  [["unknown", "critical"], "critical"],
  [["unknown", "unknown"], "unknown"],
  [[], "unknown"],
])("worstOf(%p) is %s: unknown is never healthy", (verdicts, worst) => {
  expect(worstOf(verdicts)).toBe(worst);
});

test("toVerdictCode() has 0 ok, 1 warn, 2 critical, 3 nothing could be judged", () => {
  expect((["ok", "warn", "critical", "unknown"] as const).map(toVerdictCode)).toEqual([0, 1, 2, 3]);
});

test("problemsFirst() leaves out what is well and keeps the order within a verdict", () => {
  const all = (["ok", "unknown", "warn", "critical", "warn"] as const).map((verdict, at) => ({
    verdict,
    at,
  }));
  expect(problemsFirst(all).map(({ at }) => at)).toEqual([3, 2, 4, 1]);
});
