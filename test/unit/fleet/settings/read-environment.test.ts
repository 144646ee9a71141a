import { describe, expect, test } from "bun:test";
import { parseFileSettings } from "../../../../src/fleet/settings/model.ts";
import { readEnvironment, VARIABLES } from "../../../../src/fleet/settings/read-environment.ts";

describe("readEnvironment()", () => {
  test.each<[string, string, unknown]>([
    ["FLEETD_SERVER", "code1", { server: "code1" }],
    ["FLEETD_SERVER", "007", { server: "007" }],
    ["FLEETD_INTERVAL", "30", { interval: 30 }],
    ["FLEETD_INTERVAL", "2m", { interval: "2m" }],
    ["FLEETD_BREAKER_FAILURES", "3", { breaker: { failures: 3 } }],
    ["FLEETD_LOG_LEVEL", "debug", { log: { level: "debug" } }],
    ["FLEETD_LOG_TOTAL", "1 GiB", { log: { total: "1 GiB" } }],
    ["FLEETD_GROUPS", "db, web", { groups: ["db", "web"] }],
    ["FLEETD_GROUPS", "[]", { groups: [] }],
    ["FLEETD_LABELS", "role=db,expr=a=b", { labels: { role: "db", expr: "a=b" } }],
    ["FLEETD_LABELS", '{"role":"db,web"}', { labels: { role: "db,web" } }],
    ["FLEETD_AUTO_REPLY", "off", { auto_reply: { enabled: "off" } }],
    ["FLEETD_AUTO_REPLY_ENABLED", "no", { auto_reply: { enabled: "no" } }],
    ["SERVER_ID", "code2", { server: "code2" }],
    ["MONITOR_INTERVAL", "5", { interval: 5 }],
  ])("readEnvironment() reads %s=%s", (variable, text, value) => {
    const read = readEnvironment({ [variable]: text });
    expect(read.value).toEqual(value as Record<string, unknown>);
    expect([...read.variables.values()]).toEqual([variable]);
    expect(parseFileSettings(read.value).ok).toBe(true);
  });

  test("readEnvironment() takes fleetd's own names before the old ones", () => {
    const read = readEnvironment({ SERVER_ID: "old", FLEETD_SERVER: "new", FLEETD_AUTO_REPLY: "off" });
    expect(read.value).toEqual({ server: "new", auto_reply: { enabled: "off" } });
    expect(read.variables.get("server")).toBe("FLEETD_SERVER");
  });

  test("readEnvironment() takes an empty variable for none", () => {
    expect(readEnvironment({ FLEETD_SERVER: "", SERVER_ID: "old", FLEETD_GROUPS: "" }).value).toEqual({
      server: "old",
    });
  });

  test.each([
    ["FLEETD_LABELS", "role", "need NAME=VALUE, separated by commas"],
    ["FLEETD_GROUPS", "[1", "it begins like JSON and is none"],
  ])("readEnvironment() names %s when %s cannot be read", (variable, text, message) => {
    expect(readEnvironment({ [variable]: text }).problems).toEqual([{ variable, message }]);
  });

  test("readEnvironment() tells what has the prefix and is none of fleetd's", () => {
    const read = readEnvironment({
      FLEETD_INTERVALL: "1",
      FLEETD_HOME: "/x",
      PATH: "/bin",
      FLEETD_DEBUG: "1",
    });
    expect(read.strangers).toEqual(["FLEETD_INTERVALL"]);
  });

  test("VARIABLES has every variable once", () => {
    expect(new Set(VARIABLES).size).toBe(VARIABLES.length);
    expect(VARIABLES).toContain("FLEETD_POLL_IDLE_AFTER");
  });
});
