import { describe, expect, test } from "bun:test";
import { hasPushBudget, PushBudget } from "../../../src/daemon/push-budget.ts";

const RULES = { mode: "auto", burst: 2, every: 1000 } as const;

describe("hasPushBudget()", () => {
  test.each([
    ["github.com", true],
    ["ssh.github.com", true],
    ["GitHub.com.", true],
    ["ssh.dev.azure.com", true],
    ["acme.visualstudio.com", true],
    ["gitlab.com", true],
    ["gitlab.example.org", false],
    ["notgithub.com", false],
    ["127.0.0.1", false],
    [null, false],
  ])("of %p is %p", (host, expected) => {
    expect(hasPushBudget(host)).toBe(expected);
  });
});

describe("PushBudget", () => {
  test("is waited for until what was pushed too often is paid", () => {
    const budget = new PushBudget(null, () => ({ ...RULES, mode: "on" }));
    budget.owe(0, RULES.burst + 2);
    expect([budget.waitMs(0), budget.waitMs(RULES.every)]).toEqual([3 * RULES.every, 2 * RULES.every]);
    const free = new PushBudget(null, () => ({ ...RULES, mode: "off" }));
    free.owe(0, 99);
    expect(free.waitMs(0)).toBe(0);
  });

  test("bounds nothing where there is no budget or it is switched off", () => {
    for (const budget of [
      new PushBudget("host.example", () => RULES),
      new PushBudget("github.com", () => ({ ...RULES, mode: "off" })),
    ]) {
      for (let count = 0; count < 10; count += 1) budget.take(0);
      expect([budget.holds, budget.waitMs(0), budget.heartbeatMs(50)]).toEqual([false, 0, 0]);
    }
  });

  test("holds anywhere when it is switched on", () => {
    const budget = new PushBudget(null, () => ({ ...RULES, mode: "on" }));
    budget.take(0);
    budget.take(0);
    expect([budget.waitMs(0), budget.waitMs(400), budget.waitMs(1000)]).toEqual([1000, 600, 0]);
  });

  test("a heartbeat of one in fifty servers comes every 1,000 s at most", () => {
    expect(new PushBudget("github.com", () => RULES).heartbeatMs(50)).toBe(1_000_000);
  });

  test("a change of the settings holds at once", () => {
    let burst = 1;
    const budget = new PushBudget("github.com", () => ({ ...RULES, burst }));
    budget.take(0);
    expect(budget.waitMs(0)).toBe(1000);
    burst = 3;
    expect(budget.waitMs(500)).toBe(500);
  });
});
