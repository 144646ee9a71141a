import { beforeEach, describe, expect, test } from "bun:test";
import { parseLogLine } from "../../../src/base/log-line.ts";
import { type DaemonLog, openDaemonLog } from "../../../src/daemon/daemon-log.ts";
import type { MonitorEvent } from "../../../src/daemon/events.ts";
import { DEFAULT_SETTINGS } from "../../../src/fleet/settings/defaults.ts";
import { FakeClock } from "../../helpers/fake-clock.ts";
import { MemoryLog } from "../../helpers/memory-log.ts";

let file: MemoryLog;
let log: DaemonLog;
let told: MonitorEvent[] = [];
let settings = DEFAULT_SETTINGS;
beforeEach(() => {
  told = [];
  settings = DEFAULT_SETTINGS;
  log = openDaemonLog({
    server: "code1",
    settings: () => settings,
    clock: new FakeClock(),
    report: (event) => told.push(event),
    open: (events) => {
      file = new MemoryLog(events);
      return file;
    },
  });
});

const withLevel = (level: typeof settings.log.level): void => {
  settings = { ...settings, log: { ...settings.log, level } };
};
const messages = (): (string | undefined)[] => file.lines.map((line) => parseLogLine(line)?.message);

describe("openDaemonLog()", () => {
  test("writes an event with instant, level, server and facts", () => {
    log.take({ kind: "pushed", entries: 3 });
    log.close();
    expect(file.lines.map(parseLogLine)).toEqual([
      {
        timestamp: "2026-01-01T00:00:00.000Z",
        level: "INFO",
        message: "pushed: 3 entries, confirmed by the remote",
        server: "code1",
        metadata: { entries: 3 },
      },
    ]);
  });

  test("writes what is as urgent as the level that holds now", () => {
    log.take({ kind: "operation", type: "git_pull", durationMs: 1, success: true, metadata: {} });
    withLevel("debug");
    log.take({ kind: "operation", type: "git_push", durationMs: 1, success: true, metadata: {} });
    withLevel("error");
    log.take({ kind: "notice", text: "not urgent enough" });
    log.take({ kind: "failed", detail: "urgent" });
    log.close();
    expect(messages()).toEqual(["git_push: done after 1 ms", "failed: urgent"]);
  });

  test("has a failure written at once, and nothing else", () => {
    log.take({ kind: "stopping" });
    expect(file.flushes).toBe(0);
    log.take({ kind: "failed", detail: "disk I/O error" });
    expect(messages()).toEqual(["stopping", "failed: disk I/O error"]);
  });

  test("tells of a log that cannot be written once, and goes on", () => {
    file.setFull(true);
    for (const detail of ["one", "two", "three"]) log.take({ kind: "failed", detail });
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({ kind: "notice" });
    file.setFull(false);
    log.close();
    expect(messages()).toEqual(["failed: one", "failed: two", "failed: three"]);
    expect(told).toHaveLength(2);
  });
});
