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

test("replaceInstance() leaves the old one where it cannot be noted that it goes", async () => {
  const replaced = world.supervisor.replace(world.supervisor.find(["web"]));
  await world.settle();
  world.database.failAlways("INSERT INTO instances");
  world.probes.get("web'")?.onReady(true);
  await world.clock.advance(1_000);
  expect(await replaced).toEqual([{ name: "web", detail: "Cannot use database: disk I/O error" }]);
  world.database.failAlways(null);
  await world.clock.advance(2_000);
  expect([world.states, world.host.signals]).toEqual([{ web: "running" }, ["SIGTERM 102"]]);
  expect(world.store.instances().map(({ key, wanted }) => [key.successor, wanted])).toEqual([[false, true]]);
});

test("replaceInstance() starts nothing that cannot be noted", async () => {
  world.database.failAlways("INSERT INTO instances");
  await expect(world.supervisor.renew("web", { kind: "watch", detail: "x" })).resolves.toEqual([]);
  const replaced = world.supervisor.replace(world.supervisor.find(["web"]));
  await expect(replaced).rejects.toThrow("disk I/O error");
  expect(Object.keys(world.states)).toEqual(["web"]);
});
