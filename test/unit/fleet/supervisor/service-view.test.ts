import { expect, test } from "bun:test";
import type { EndReason } from "../../../../src/fleet/supervisor/decide-restart.ts";
import { type InstanceState, NEW_INSTANCE } from "../../../../src/fleet/supervisor/instance-model.ts";
import {
  describeAwaited,
  nameOf,
  type ServiceState,
  stateOf,
  troubleOf,
  viewOf,
} from "../../../../src/fleet/supervisor/service-view.ts";
import { definitionOf, knownOf, MemorySupervisor } from "../../../helpers/memory-supervisor.ts";

const TREE = { identity: { pid: 7, start: "s" }, run: "r", cgroup: null };
const running = { kind: "running", tree: TREE, ready: false, sinceMonoMs: 0, readyMonoMs: null } as const;
const ended = (lastEnd: EndReason): Partial<InstanceState> => ({ wanted: true, lastEnd });
const looping = { failures: 9, failedMonoMs: [], isLooping: true };

test.each<[ServiceState, Partial<InstanceState>]>([
  ["stopped", {}],
  ["stopped", { lastEnd: { kind: "code", code: 1 } }],
  ["stopped", ended({ kind: "person" })],
  ["completed", ended({ kind: "code", code: 0 })],
  ["failed", ended({ kind: "code", code: 2 })],
  ["failed", ended({ kind: "spawn", detail: "x" })],
  ["blocked", { phase: { kind: "blocked" } }],
  ["starting", { phase: { kind: "spawning" } }],
  ["starting", { phase: running }],
  ["running", { phase: { ...running, ready: true } }],
  ["unready", { phase: { ...running, readyMonoMs: 5 } }],
  ["stopping", { phase: { kind: "ending", tree: TREE, next: "stay", why: { kind: "person" } } }],
  ["backoff", { phase: { kind: "waiting", untilMonoMs: 5 } }],
  ["crash-loop", { phase: { kind: "waiting", untilMonoMs: 5 }, history: looping }],
])("stateOf() says %s of %j", (word, state) => {
  expect(stateOf({ state: { ...NEW_INSTANCE, ...state } })).toBe(word);
});

test("nameOf() numbers instances only where there are several", () => {
  const key = { service: "web", number: 1, successor: false };
  expect(nameOf({ key, definition: definitionOf("web") })).toBe("web");
  expect(nameOf({ key, definition: definitionOf("web", { instances: 2 }) })).toBe("web:1");
  expect(nameOf({ key: { ...key, number: 2 }, definition: definitionOf("web") })).toBe("web:2");
});

test("troubleOf() says why an instance is not ready", () => {
  expect(troubleOf({ state: { ...NEW_INSTANCE, phase: { kind: "blocked" } } })).toBe(
    "it waits for what it depends on",
  );
  expect(troubleOf({ state: { ...NEW_INSTANCE, lastEnd: { kind: "code", code: 3 } } })).toBe("exit code 3");
  expect(troubleOf({ state: NEW_INSTANCE })).toBe("it is stopped");
});

test("describeAwaited() has each with what it does", () => {
  expect(
    describeAwaited([
      { name: "db", condition: "ready", states: ["starting", "backoff"] },
      { name: "migrate", condition: "completed", states: ["running"] },
      { name: "gone", condition: "started", states: [] },
    ]),
  ).toBe("waits for db (starting, backoff), the end of migrate (running), gone (unknown)");
});

test("viewOf() shows what runs, and what a run that is gone used no more", async () => {
  const world = new MemorySupervisor();
  world.supervisor.begin([knownOf("web", { limits: { memory: "64MiB" } })], new Set());
  await world.settle();
  const [instance] = world.supervisor.instances;
  if (instance === undefined) throw new Error("no instance");
  const usage = { cpus: 0.5, cpuMs: 10, residentBytes: 1024, processes: 1 };
  const facts = {
    nowMonoMs: world.clock.monotonicMs(),
    awaits: [],
    usage,
    cpuTrend: [],
    memoryTrend: [],
    origin: "given",
  } as const;
  expect(viewOf(instance, facts)).toMatchObject({
    name: "web",
    state: "running",
    pid: 101,
    usage,
    memoryLimitBytes: 64 * 1024 ** 2,
    lastEnd: null,
    origin: "given",
    command: ["/bin/true"],
  });
  world.host.end("run-1", { kind: "code", code: 4 });
  await world.settle();
  expect(viewOf(instance, { ...facts, nowMonoMs: world.clock.monotonicMs() })).toMatchObject({
    state: "backoff",
    pid: null,
    startedWallMs: null,
    usage: null,
    againInMs: 500,
    lastEnd: { kind: "code", text: "exit code 4" },
  });
});
