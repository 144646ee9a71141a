import { expect, test } from "bun:test";
import { OrderedStops } from "../../../../src/fleet/supervisor/ordered-stops.ts";
import { knownOf, MemorySupervisor } from "../../../helpers/memory-supervisor.ts";

/** Three that need each other in a row, all running; nothing obeys SIGTERM. */
async function row() {
  const world = new MemorySupervisor();
  const services = [knownOf("a", { depends_on: ["b"] }), knownOf("b", { depends_on: ["c"] }), knownOf("c")];
  world.supervisor.begin(services, new Set());
  await world.settle();
  world.host.obeysTerm = false;
  const waiters = new Set<() => boolean>();
  const stops = new OrderedStops({
    definitions: () => services.map(({ definition }) => definition),
    until: async (isTrue) => {
      waiters.add(isTrue);
      while (!isTrue()) await world.clock.sleep(100, new AbortController().signal);
    },
  });
  return { world, stops };
}

test("OrderedStops stop one after the other, who needs others first", async () => {
  const { world, stops } = await row();
  let isOver = false;
  void stops.stop(world.supervisor.instances, false).then(() => {
    isOver = true;
  });
  await world.clock.advance(1_000);
  expect(world.states).toEqual({ a: "stopping", b: "running", c: "running" });
  for (let step = 0; step < 40; step += 1) await world.clock.advance(1_000);
  expect([world.states, isOver]).toEqual([{ a: "stopped", b: "stopped", c: "stopped" }, true]);
});

test("OrderedStops leave what is wanted again, and come to an end all the same", async () => {
  const { world, stops } = await row();
  const [a, b, c] = world.supervisor.instances;
  if (a === undefined || b === undefined || c === undefined) throw new Error("three are needed");
  let isOver = false;
  void stops.stop([a, b, c], false).then(() => {
    isOver = true;
  });
  await world.clock.advance(1_000);
  stops.withdraw([b, c]);
  for (let step = 0; step < 40; step += 1) await world.clock.advance(1_000);
  expect([world.states, isOver]).toEqual([{ a: "stopped", b: "running", c: "running" }, true]);
});
