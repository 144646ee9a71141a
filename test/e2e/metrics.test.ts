import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { MetricsSummary } from "../../src/fleet/metrics/model.ts";
import { TempFleet } from "../helpers/temp-fleet.ts";
import { pauseAfter } from "../helpers/temp-git.ts";

const HOUR_MS = 3_600_000;
const fleet = new TempFleet();
beforeAll(async () => {
  await fleet.init(["code1", "code2"]);
});
afterAll(() => fleet.remove());

const summaryOf = async (server: string, hours = "24"): Promise<MetricsSummary> =>
  (await fleet.json(["metrics", "--hours", hours], { as: server })) as unknown as MetricsSummary;

async function eventuallySummary(
  server: string,
  isThere: (summary: MetricsSummary) => boolean,
): Promise<MetricsSummary> {
  const deadlineMs = performance.now() + 60_000;
  for (;;) {
    const askedMs = performance.now();
    const summary = await summaryOf(server);
    if (isThere(summary) || performance.now() > deadlineMs) return summary;
    await pauseAfter(askedMs, 50);
  }
}

describe("metrics", () => {
  test("of a server without a monitor are there and empty", async () => {
    const summary = await summaryOf("code1");
    expect(summary).toMatchObject({ count: 0, success_rate: null, counters: { errors: 0 } });
    expect(await fleet.text(["metrics"], { as: "code1" })).toContain("no operations");
  });

  test("are fed by real traffic, while the monitor runs and after kill -9", async () => {
    const monitor = await fleet.monitor("code2", ["--interval", "200ms"]);
    for (const number of [1, 2, 3]) {
      const words = ["send", `Status report ${number} please`, "--to", "code2", "--wait", "replied"];
      await fleet.json([...words, "--timeout", "60"], { as: "code1" });
    }
    const isThere = ({ counters, operations }: MetricsSummary): boolean =>
      counters.auto_responses === 3 && (operations["git_push"]?.count ?? 0) > 1;
    const summary = await eventuallySummary("code2", isThere);
    await monitor.stop("SIGKILL");
    expect(summary.counters).toMatchObject({
      messages_received: 3,
      messages_processed: 3,
      messages_sent: 3,
      auto_responses: 3,
      git_pull_failures: 0,
    });
    expect(summary.counters.git_pull_successes).toBeGreaterThan(0);
    expect(summary.counters.heartbeats_sent).toBeGreaterThan(0);
    for (const type of ["git_pull", "git_push", "handle"]) {
      const figures = summary.operations[type];
      expect(figures?.success_rate).toBe(100);
      const [p50 = -1, p95 = -1, p99 = -1] = [figures?.p50_ms, figures?.p95_ms, figures?.p99_ms].map(Number);
      expect(p50).toBeGreaterThan(0);
      expect(p95).toBeGreaterThanOrEqual(p50);
      expect(p99).toBeGreaterThanOrEqual(p95);
    }
    const after = await summaryOf("code2");
    expect(after.counters.auto_responses).toBe(3);
    expect((await summaryOf("code1")).counters.messages_sent).toBe(3);
  }, 90_000);

  test("count within the hours that are asked for, and nothing else", async () => {
    const database = new Database(`${fleet.root}/code1/state.db`);
    const now = Date.now();
    for (const [hours, count] of [
      [0.5, 1],
      [1.5, 10],
      [30, 100],
      [-2, 1000],
    ] as const) {
      const at = Math.floor(now - hours * HOUR_MS);
      const add =
        "INSERT INTO operations(at_wall_ms, type, duration_ms, success, metadata) VALUES(?, 'x', 5, 1, '{}')";
      database.run(add, [at]);
      const counted = "INSERT INTO counters(minute, name, count) VALUES(?, 'errors', ?)";
      database.run(counted, [Math.floor(at / 60_000), count]);
    }
    database.close();
    const errors = async (hours: string): Promise<unknown> => {
      const { counters, operations, from_future } = await summaryOf("code1", hours);
      return [counters.errors, operations["x"]?.count, from_future];
    };
    expect(await errors("1")).toEqual([1, 1, 1]);
    expect(await errors("2")).toEqual([11, 2, 1]);
    expect(await errors("24")).toEqual([11, 2, 1]);
    expect(await errors("48")).toEqual([111, 3, 1]);
  });

  test("fit into 80 columns", async () => {
    for (const hours of ["1", "24", "720"]) {
      const text = await fleet.text(["metrics", "--hours", hours], { as: "code2" });
      for (const line of text.split("\n")) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(80);
    }
  });

  test("name failures of the remote", async () => {
    const { rename } = await import("node:fs/promises");
    await rename(`${fleet.root}/remote.git`, `${fleet.root}/away.git`);
    const monitor = await fleet.monitor("code1");
    const summary = await eventuallySummary("code1", ({ counters }) => counters.git_pull_failures > 0);
    await monitor.stop();
    await rename(`${fleet.root}/away.git`, `${fleet.root}/remote.git`);
    expect(summary.counters.git_pull_failures).toBeGreaterThan(0);
    expect(summary.operations["git_pull"]?.success_rate).toBe(0);
  }, 60_000);
});
