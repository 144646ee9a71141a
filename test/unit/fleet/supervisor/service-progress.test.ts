import { beforeEach, expect, test } from "bun:test";
import { awaitedBy, progressOf } from "../../../../src/fleet/supervisor/service-progress.ts";
import { describeAwaited } from "../../../../src/fleet/supervisor/service-view.ts";
import { knownOf, MemorySupervisor } from "../../../helpers/memory-supervisor.ts";

let world = new MemorySupervisor();
beforeEach(() => {
  world = new MemorySupervisor();
});

const find = (name: string) => world.supervisor.find([name]);
const progress = (name: string): string => progressOf(find(name));

test("progressOf() is that of all instances together", async () => {
  const probes = { readiness: { tcp: { port: 80 } } };
  world.supervisor.begin(
    [knownOf("web", { instances: 2, probes }), knownOf("job", { instances: 1 })],
    new Set(),
  );
  expect(progress("web")).toBe("idle");
  await world.settle();
  expect([progress("web"), progress("job")]).toEqual(["started", "ready"]);
  world.probes.get("web")?.onReady(true);
  expect(progress("web")).toBe("started");
  world.probes.get("web:2")?.onReady(true);
  expect(progress("web")).toBe("ready");
  world.host.end(find("job")[0]?.tree?.run ?? "", { kind: "code", code: 0 });
  await world.settle();
  await world.clock.advance(100);
  expect(progress("job")).toBe("completed");
  expect(progressOf([])).toBe("failed");
});

test("awaitedBy() names what a blocked instance waits for, and what that does", async () => {
  const services = [
    knownOf("web", { depends_on: { db: "ready", cache: "started" } }),
    knownOf("db", { probes: { readiness: { tcp: { port: 5432 } } } }),
    knownOf("cache"),
  ];
  world.supervisor.begin(services, new Set());
  await world.settle();
  const awaits = () => find("web").flatMap((one) => awaitedBy(one, find));
  expect(awaits()).toEqual([{ name: "db", condition: "ready", states: ["starting"] }]);
  expect(describeAwaited(awaits())).toBe("waits for db (starting)");
  world.probes.get("db")?.onReady(true);
  await world.settle();
  expect(awaits()).toEqual([]);
});
