import { beforeEach, expect, test } from "bun:test";
import { knownOf, MemorySupervisor } from "../../../helpers/memory-supervisor.ts";

const PROBED = knownOf("web", { probes: { readiness: { tcp: { port: 80 } } } });

let world = new MemorySupervisor();
beforeEach(async () => {
  world = new MemorySupervisor();
  world.supervisor.begin([PROBED], new Set());
  await world.settle();
  world.probes.get("web")?.onReady(true);
});

test("replaceInstance() gives up when a person stops the service meanwhile", async () => {
  const replaced = world.supervisor.replace(world.supervisor.find(["web"]));
  await world.settle();
  world.supervisor.stop(world.supervisor.instances.filter(({ key }) => !key.successor));
  await world.clock.advance(1_000);
  expect(await replaced).toEqual([{ name: "web", detail: "it was stopped meanwhile" }]);
  expect([world.states, world.host.alive]).toEqual([{ web: "stopped" }, 0]);
});

test("replaceInstance() ends the new one before the old one is touched when it does not become ready", async () => {
  const replaced = world.supervisor.replace(world.supervisor.find(["web"]));
  await world.settle();
  world.probes.get("web'")?.onUnwell({ kind: "probe", detail: "503" });
  await world.clock.advance(1_000);
  expect(await replaced).toEqual([{ name: "web", detail: "probe: 503" }]);
  expect(world.host.signals).toEqual(["SIGTERM 102"]);
  expect(world.states).toEqual({ web: "running" });
});

test("replaceInstance() notes at each step which of the two is to stay", async () => {
  const replaced = world.supervisor.replace(world.supervisor.find(["web"]));
  await world.settle();
  const wanted = () => world.store.instances().map(({ key, wanted: is }) => [key.successor, is]);
  expect(wanted()).toEqual([
    [false, true],
    [true, true],
  ]);
  world.host.obeysTerm = false;
  world.probes.get("web'")?.onReady(true);
  await world.settle();
  expect(wanted()).toEqual([
    [false, false],
    [true, true],
  ]);
  await world.clock.advance(11_000);
  expect(await replaced).toEqual([]);
  expect(wanted()).toEqual([[false, true]]);
});
