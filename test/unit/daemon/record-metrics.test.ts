import { beforeEach, describe, expect, test } from "bun:test";
import type { MonitorEvent } from "../../../src/daemon/events.ts";
import { countersOf, type MetricsFeed, openMetricsFeed } from "../../../src/daemon/record-metrics.ts";
import { loadMetrics } from "../../../src/fleet/metrics/metrics-store.ts";
import { summarise } from "../../../src/fleet/metrics/summarise.ts";
import { DEFAULT_SETTINGS } from "../../../src/fleet/settings/defaults.ts";
import { FakeClock } from "../../helpers/fake-clock.ts";
import { memoryState } from "../../helpers/memory-database.ts";

let state = memoryState();
let clock = new FakeClock();
let told: MonitorEvent[] = [];
let feed: MetricsFeed;
beforeEach(() => {
  state = memoryState();
  clock = new FakeClock();
  told = [];
  feed = openMetricsFeed({ state, clock, settings: () => DEFAULT_SETTINGS, report: (one) => told.push(one) });
});

const operation = (type: string, success: boolean, metadata = {}): MonitorEvent => ({
  kind: "operation",
  type,
  durationMs: 5,
  success,
  metadata,
});
const message = (replyId: string | null, silence: string | null): MonitorEvent =>
  ({ kind: "message", handled: { replyId, silence } }) as unknown as MonitorEvent;
/** A handler that ended with `exitCode`, or was put aside. */
const handler = (exitCode: number | null, replyId: string | null): MonitorEvent => ({
  kind: "handler",
  from: "code2",
  id: "x",
  rule: "deploy",
  state: exitCode === null ? "parked" : "done",
  attempt: 1,
  exitCode,
  reason: "",
  durationMs: 1500,
  replyId,
  silence: null,
  stderr: "",
});
const summary = () => summarise(loadMetrics(state, 1, clock.wallMs()), 1, clock.wallMs());

test.each<[MonitorEvent, string[]]>([
  [operation("git_pull", true), ["git_pull_successes"]],
  [operation("git_pull", false), ["errors", "git_pull_failures"]],
  [operation("git_push", true, { entries: 0 }), ["heartbeats_sent"]],
  [operation("git_push", true, { entries: 1 }), []],
  [operation("git_push", false, { entries: 0 }), ["errors"]],
  [operation("handle", true), []],
  [message("r", null), ["messages_received", "messages_processed", "auto_responses"]],
  [message(null, "no-rule"), ["messages_received", "messages_processed"]],
  [message(null, "history"), []],
  [handler(0, "r"), ["auto_responses"]],
  [handler(3, null), []],
  [handler(null, null), ["errors"]],
  [{ kind: "failed", detail: "" }, ["errors"]],
  [{ kind: "trouble", during: "fetch", detail: "", retryMs: 1 }, []],
  [{ kind: "stopping" }, []],
])("countersOf(%j)", (event, counters) => {
  expect([...countersOf(event)]).toEqual(counters as never);
});

describe("openMetricsFeed()", () => {
  test("writes many events in one transaction", () => {
    const before = state.commits;
    for (let index = 0; index < 50; index += 1) feed.take(operation("git_pull", index % 5 > 0));
    feed.close();
    expect(state.commits).toBe(before + 1);
    expect(summary()).toMatchObject({
      count: 50,
      success_rate: 80,
      p50_ms: 5,
      counters: { git_pull_successes: 40, git_pull_failures: 10, errors: 10 },
    });
  });

  test("knows the run of a handler as an operation", () => {
    for (const exitCode of [0, 0, 3, null]) feed.take(handler(exitCode, null));
    feed.close();
    expect(summary().operations["handler"]).toMatchObject({ count: 4, success_rate: 50, p50_ms: 1500 });
  });

  test("counts sent messages from the outbox, whoever pushed them", () => {
    state.run(
      "INSERT INTO outbox(id, type, draft, created_wall_ms, state, pushed_wall_ms) VALUES('a', 'message', '{}', 0, 'pushed', ?)",
      clock.wallMs(),
    );
    feed.close();
    expect(summary().counters.messages_sent).toBe(1);
  });

  test("keeps what could not be written, tells of it once, and writes it later", () => {
    feed.take(operation("git_pull", true));
    state.failOnce("INSERT INTO operations");
    feed.close();
    expect(told).toMatchObject([{ kind: "notice" }]);
    expect(summary().count).toBe(0);
    feed.take(operation("git_pull", true));
    feed.close();
    expect(summary()).toMatchObject({ count: 2, counters: { git_pull_successes: 2 } });
    expect(told).toHaveLength(1);
  });
});
