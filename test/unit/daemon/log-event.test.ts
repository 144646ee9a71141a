import { describe, expect, test } from "bun:test";
import type { MonitorEvent } from "../../../src/daemon/events.ts";
import { describeEvent, messageOfEvent } from "../../../src/daemon/log-event.ts";
import type { HandledMessage } from "../../../src/fleet/messaging/answer-messages.ts";

const SECRET = "the password is hunter2";
const handled = (changes: Partial<HandledMessage> = {}): HandledMessage => ({
  message: {
    format: 1,
    id: "019e1a2b-0000-7000-8000-0000000000ab",
    at: "2026-07-24T13:33:20.000Z",
    from: "code2",
    seq: 3,
    epoch: "00000000000000e1",
    prev: null,
    type: "message",
    to: ["code1"],
    subject: SECRET,
    body: SECRET,
    labels: { note: SECRET },
  } as unknown as HandledMessage["message"],
  direct: true,
  rule: null,
  act: "nothing",
  replyId: null,
  silence: null,
  ...changes,
});
const message = (changes: Partial<HandledMessage> = {}): MonitorEvent => ({
  kind: "message",
  handled: handled(changes),
});

const EVENTS: readonly (readonly [MonitorEvent, string, string])[] = [
  [
    {
      kind: "ready",
      socket: "/s",
      remote: "/r",
      version: "1.2.3",
      pid: 7,
      settings: { intervalMs: 1, autoReply: true, logLevel: "info", groups: [] },
    },
    "INFO",
    "ready: /r",
  ],
  [message(), "INFO", "message: code2 → code1, 000000ab"],
  [message({ silence: "history" }), "DEBUG", "message: code2 → code1, 000000ab"],
  [message({ replyId: "x-12345678" }), "INFO", "message: code2 → code1, 000000ab, answered 12345678"],
  [
    message({ silence: "budget-peer" }),
    "WARNING",
    "message: code2 → code1, 000000ab, not answered: the budget per peer is spent",
  ],
  [{ kind: "pushed", entries: 1 }, "INFO", "pushed: 1 entry, confirmed by the remote"],
  [{ kind: "pushed", entries: 2 }, "INFO", "pushed: 2 entries, confirmed by the remote"],
  [
    { kind: "trouble", during: "fetch", detail: "no route\nhint: no", retryMs: 2000 },
    "ERROR",
    "trouble: fetch: no route; again in 2 s",
  ],
  [{ kind: "recovered", during: "push" }, "INFO", "recovered: push works again"],
  [{ kind: "quarantined", count: 2 }, "WARNING", "quarantined: 2 batch(es) that were not what they claim"],
  [{ kind: "notice", text: "a lock was removed" }, "WARNING", "notice: a lock was removed"],
  [
    { kind: "health", verdict: "critical", was: "ok", problems: ["the disk is full", "no git"] },
    "ERROR",
    "health: critical: the disk is full; no git",
  ],
  [{ kind: "health", verdict: "warn", was: null, problems: ["a"] }, "WARNING", "health: warn: a"],
  [{ kind: "health", verdict: "ok", was: "warn", problems: [] }, "INFO", "health: all is well again"],
  [
    {
      kind: "configured",
      file: "/etc/fleetd/fleetd.yaml",
      changes: [
        { key: "interval", before: "10s", after: "2s", restart: false },
        { key: "server", before: "a", after: "b", restart: true },
      ],
    },
    "INFO",
    "configured: interval 10s -> 2s, server a -> b (needs a restart of the monitor)",
  ],
  [
    { kind: "configured", file: null, changes: [] },
    "INFO",
    "configured: nothing changed (no file, the defaults)",
  ],
  [
    { kind: "misconfigured", detail: "line 1: no" },
    "ERROR",
    "misconfigured: line 1: no; what held before still holds",
  ],
  [{ kind: "failed", detail: "disk I/O error" }, "ERROR", "failed: disk I/O error"],
  [
    { kind: "operation", type: "git_pull", durationMs: 12.3456, success: true, metadata: { lines: 2 } },
    "DEBUG",
    "git_pull: done after 12 ms",
  ],
  [
    { kind: "second-instance", pid: 9, argv: ["monitor", "--json"], cwd: "/home/a" },
    "WARNING",
    "second instance: a second monitor was started: fleetd monitor --json (pid 9, in /home/a); it ended, this one goes on",
  ],
  [
    { kind: "reexec", state: "begins", from: "1.0.0", to: "1.1.0" },
    "INFO",
    "being replaced: 1.0.0 by 1.1.0, in the same process",
  ],
  [
    { kind: "reexec", state: "done", from: "1.0.0", to: "1.1.0" },
    "INFO",
    "replaced: 1.0.0 by 1.1.0, in the same process",
  ],
  [
    { kind: "reexec", state: "failed", detail: "Permission denied" },
    "ERROR",
    "not replaced: Permission denied; the program before goes on",
  ],
  [{ kind: "stopping" }, "INFO", "stopping"],
  [{ kind: "crashed", detail: "no space" }, "CRITICAL", "crashed: no space"],
];

describe("describeEvent()", () => {
  test.each(EVENTS)("puts %j into words", (event, level, words) => {
    const described = describeEvent(event);
    expect(described.level).toBe(level as typeof described.level);
    expect(messageOfEvent(described)).toBe(words);
  });

  test("never tells subject, body or labels of a message", () => {
    for (const silence of ["history", "budget-host", null] as const) {
      expect(JSON.stringify(describeEvent(message({ silence })))).not.toContain("hunter2");
    }
  });

  test("keeps what a handler wrote to stderr for the console alone", () => {
    const { aside, ...logged } = describeEvent({
      kind: "handler",
      from: "code2",
      id: "019e1a2b-0000-7000-8000-0000000000ab",
      rule: "deploy",
      state: "done",
      attempt: 1,
      exitCode: 3,
      reason: "",
      durationMs: 1500,
      replyId: null,
      silence: null,
      stderr: `+ echo ${SECRET}`,
    });
    expect(aside).toContain("hunter2");
    expect(JSON.stringify(logged)).not.toContain("hunter2");
    expect(logged).toMatchObject({ level: "WARNING", title: "handled(3)" });
  });

  test("cuts a call that is too long for a line, and keeps it whole as a fact", () => {
    const argv = ["x".repeat(1_000)];
    const described = describeEvent({ kind: "second-instance", pid: 9, argv, cwd: "/" });
    expect(described.detail.length).toBeLessThan(350);
    expect(described.metadata).toEqual({ pid: 9, argv, cwd: "/" });
  });

  test("begins a log with version, pid and settings", () => {
    const [first] = EVENTS;
    expect(first === undefined ? null : describeEvent(first[0]).metadata).toMatchObject({
      version: "1.2.3",
      pid: 7,
      interval_ms: 1,
      auto_reply: true,
      log_level: "info",
    });
  });

  test("keeps all that git said of a trouble as a fact", () => {
    const event: MonitorEvent = { kind: "trouble", during: "push", detail: "one\ntwo", retryMs: 1.5 };
    expect(describeEvent(event).metadata).toEqual({ during: "push", detail: "one\ntwo", retry_ms: 2 });
  });
});
