import { expect, test } from "bun:test";
import {
  factsOf,
  groupNameOf,
  isOtherPhase,
  rulesOf,
} from "../../../../src/fleet/supervisor/instance-facts.ts";
import { NEW_INSTANCE, type Phase } from "../../../../src/fleet/supervisor/instance-model.ts";
import { FakeClock } from "../../../helpers/fake-clock.ts";
import { definitionOf } from "../../../helpers/memory-supervisor.ts";

test("rulesOf() takes policy and pauses of the definition", () => {
  expect(rulesOf(definitionOf("web", { restart: "always", backoff: { first: "1s" } }))).toEqual({
    policy: "always",
    firstMs: 1_000,
    longestMs: 60_000,
    stableMs: 10_000,
    failures: 5,
    withinMs: 60_000,
    slowMs: 300_000,
  });
});

test("factsOf() has the time, the rules, and whether it may start", () => {
  const definition = definitionOf("web", { start_timeout: "5s" });
  const clock = new FakeClock();
  expect(factsOf(definition, { clock, random: () => 0.5, mayStart: ({ name }) => name === "web" })).toEqual({
    nowMonoMs: clock.monotonicMs(),
    random: 0.5,
    rules: rulesOf(definition),
    startTimeoutMs: 5_000,
    mayStart: true,
  });
});

test("isOtherPhase() tells what runs and is ready from what runs and is not", () => {
  const tree = { identity: { pid: 7, start: "s" }, run: "r", cgroup: null };
  const running = (ready: boolean): Phase => ({
    kind: "running",
    tree,
    ready,
    sinceMonoMs: 0,
    readyMonoMs: null,
  });
  const differ = (one: Phase, other: Phase): boolean =>
    isOtherPhase({ ...NEW_INSTANCE, phase: one }, { ...NEW_INSTANCE, phase: other });
  expect(differ(running(true), running(true))).toBe(false);
  expect(differ(running(false), running(true))).toBe(true);
  expect(differ(running(true), { kind: "stopped" })).toBe(true);
  expect(differ({ kind: "stopped" }, { kind: "stopped" })).toBe(false);
});

test("groupNameOf() names instance and run", () => {
  const key = { service: "web", number: 2, successor: false };
  expect(groupNameOf(key, "0123456789abcdef")).toBe("web.2.01234567");
});
