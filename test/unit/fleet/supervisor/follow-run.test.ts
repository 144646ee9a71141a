import { expect, test } from "bun:test";
import {
  followRun,
  isAskedBy,
  needsProbe,
  saysWhenReady,
} from "../../../../src/fleet/supervisor/follow-run.ts";
import type { InstanceWorld, ProbeWatch } from "../../../../src/fleet/supervisor/instance-world.ts";
import { definitionOf } from "../../../helpers/memory-supervisor.ts";

test("needsProbe() says yes to a startup or readiness probe, not to liveness alone", () => {
  const probe = { tcp: { port: 80 } };
  expect(
    [{}, { startup: probe }, { readiness: probe }, { liveness: probe }].map((probes) =>
      needsProbe(definitionOf("web", { probes })),
    ),
  ).toEqual([false, true, true, false]);
});

test("saysWhenReady() says yes to a probe, and to a host that hears of it", () => {
  const asked = definitionOf("web", { probes: { readiness: { tcp: { port: 80 } } } });
  const plain = definitionOf("web");
  const health = () => () => undefined;
  expect([saysWhenReady(asked, undefined), saysWhenReady(plain, health)]).toEqual([true, true]);
  expect(saysWhenReady(plain, undefined)).toBe(false);
});

test.each<[string, Record<string, unknown>, string[]]>([
  ["counts where nothing else is asked", {}, ["ready", "probes stopped", "health stopped"]],
  ["is not heard where probes are asked", { readiness: { tcp: { port: 80 } } }, ["probes stopped"]],
])("followRun(): the health that the host hears %s", (_, probes, told) => {
  const heard: string[] = [];
  const world: Pick<InstanceWorld, "watchProbes"> = {
    watchProbes: () => ({
      line: () => undefined,
      answers: () => ({}),
      stop: () => heard.push("probes stopped"),
    }),
  };
  const run = followRun(world, {
    key: { service: "web", number: 1, successor: false },
    definition: definitionOf("web", { probes }),
    tree: { identity: { pid: 1, start: "s" }, run: "r", cgroup: null },
    progress: "begun",
    onStarted: () => heard.push("started"),
    onReady: () => heard.push("ready"),
    onUnwell: () => heard.push("unwell"),
    health: (onReady) => {
      onReady(true);
      return () => heard.push("health stopped");
    },
  });
  run.stop();
  expect(heard).toEqual(told);
});

test("followRun() knows how far the run has come", () => {
  let watched: ProbeWatch | null = null;
  const world: Pick<InstanceWorld, "watchProbes"> = {
    watchProbes: (watch) => {
      watched = watch;
      return { line: () => undefined, answers: () => ({}), stop: () => undefined };
    },
  };
  const run = followRun(world, {
    key: { service: "web", number: 1, successor: false },
    definition: definitionOf("web"),
    tree: { identity: { pid: 1, start: "s" }, run: "r", cgroup: null },
    progress: "begun",
    onStarted: () => undefined,
    onReady: () => undefined,
    onUnwell: () => undefined,
    health: undefined,
  });
  const told = (tell: (watch: ProbeWatch) => void): string => {
    if (watched !== null) tell(watched);
    return run.progress;
  };
  expect([
    run.progress,
    told((watch) => watch.onStarted()),
    told((watch) => watch.onReady(true)),
    told((watch) => watch.onReady(false)),
  ]).toEqual(["begun", "started", "ready", "unready"]);
});

test("isAskedBy() compares what is asked with what a definition asks", () => {
  const definition = definitionOf("web", { probes: { liveness: { tcp: { port: 80 } } } });
  expect(isAskedBy({ asks: structuredClone(definition.probes) }, definition)).toBe(true);
  expect(isAskedBy({ asks: definitionOf("web").probes }, definition)).toBe(false);
});
