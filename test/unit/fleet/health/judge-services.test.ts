import { expect, test } from "bun:test";
import { judgeServices } from "../../../../src/fleet/health/judge-services.ts";
import type { FailingService, Verdict } from "../../../../src/fleet/health/model.ts";

const failing = (name: string, state: FailingService["state"], why: string | null = "exit code 3") => ({
  name,
  state,
  why,
});

test.each<[FailingService[], Verdict, string]>([
  [[], "ok", "3 of 5 running"],
  [[failing("a", "backoff")], "ok", "3 of 5 running, 1 to be started again"],
  [[failing("a", "failed")], "warn", "a failed: exit code 3"],
  [[failing("a", "unready")], "warn", "a is not ready"],
  [
    [failing("a", "failed"), failing("b", "crash-loop", "x\ny")],
    "critical",
    "b is in a crash loop: x; a failed: exit code 3",
  ],
  [
    ["a", "b", "c", "d", "e"].map((name) => failing(name, "failed", null)),
    "warn",
    "a failed; b failed; c failed; and 2 more",
  ],
])("judgeServices() of %p is %p", (services, verdict, evidence) => {
  const judged = judgeServices({ total: 5, running: 3, failing: services });
  expect(judged).toMatchObject({ verdict, evidence, figure: "3 of 5 running" });
  expect(judged.fix).toBe(verdict === "ok" ? null : `fleetd status ${evidence.split(" ")[0]}`);
});
