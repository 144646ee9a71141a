import { expect, test } from "bun:test";
import { readCardHealth, saysTheSame, toCardHealth } from "../../../../src/fleet/health/card-health.ts";
import type { Check, HealthReport, Verdict } from "../../../../src/fleet/health/model.ts";

const check = (id: Check["id"], verdict: Verdict, figure = ""): Check => ({
  id,
  verdict,
  figure,
  threshold: "",
  evidence: "",
  fix: null,
});
const report = (verdict: Verdict, checks: Check[]): HealthReport => ({ verdict, judgedWallMs: 1, checks });

test("toCardHealth() is unknown while nobody has judged, and names what is not well, worst first", () => {
  expect(toCardHealth(null)).toEqual({ status: "unknown" });
  expect(toCardHealth(report("ok", [check("disk", "ok")]))).toEqual({ status: "ok" });
  const bad = report("critical", [check("clock", "warn"), check("disk", "critical"), check("git", "ok")]);
  expect(toCardHealth(bad)).toEqual({ status: "critical", summary: "disk critical, clock warn" });
  const alone = report("warn", [check("remote", "warn"), check("queue", "warn"), check("git", "ok")]);
  expect(toCardHealth(alone)).toEqual({ status: "ok" });
});

test.each<[Record<string, unknown>, { status: string; summary: string | null }]>([
  [{ status: "ok" }, { status: "ok", summary: null }],
  [
    { status: "warn", summary: "disk warn" },
    { status: "warn", summary: "disk warn" },
  ],
  [
    { status: 7, summary: {} },
    { status: "unknown", summary: null },
  ],
  [
    { status: "warn", summary: "x".repeat(500) },
    { status: "warn", summary: "x".repeat(120) },
  ],
])("readCardHealth(%p) takes only words", (health, read) => {
  expect(readCardHealth(health)).toEqual(read);
});

test("saysTheSame() ignores figures and notices every change of a verdict", () => {
  const before = report("warn", [check("disk", "warn", "900 MiB")]);
  expect(saysTheSame(before, report("warn", [check("disk", "warn", "800 MiB")]))).toBe(true);
  expect(saysTheSame(before, report("warn", [check("queue", "warn")]))).toBe(false);
  expect(saysTheSame(before, report("ok", [check("disk", "ok")]))).toBe(false);
  expect(saysTheSame(null, report("ok", []))).toBe(false);
});
