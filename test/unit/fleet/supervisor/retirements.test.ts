import { expect, test } from "bun:test";
import type { Instance } from "../../../../src/fleet/supervisor/instance.ts";
import { Retirements } from "../../../../src/fleet/supervisor/retirements.ts";
import { knownOf, MemorySupervisor } from "../../../helpers/memory-supervisor.ts";

/** One that runs and takes its time to stop, and what was removed. */
async function one() {
  const world = new MemorySupervisor();
  world.supervisor.begin([knownOf("web")], new Set());
  await world.settle();
  world.host.obeysTerm = false;
  const removed: Instance[] = [];
  const retirements = new Retirements({
    store: world.store,
    until: async (isTrue) => {
      while (!isTrue()) await world.clock.sleep(100, new AbortController().signal);
    },
    remove: (instance) => removed.push(instance),
  });
  const [instance] = world.supervisor.instances;
  if (instance === undefined) throw new Error("no instance");
  return { world, retirements, removed, instance };
}

test("Retirements remove what is gone, and no longer want it before", async () => {
  const { world, retirements, removed, instance } = await one();
  void retirements.retire(instance);
  await world.settle();
  expect([retirements.has(instance), removed, world.store.instances()[0]?.wanted]).toEqual([true, [], false]);
  for (let step = 0; step < 20; step += 1) await world.clock.advance(1_000);
  expect([retirements.has(instance), removed]).toEqual([false, [instance]]);
});

test("Retirements leave what was taken back, and remove it once when it goes again", async () => {
  const { world, retirements, removed, instance } = await one();
  void retirements.retire(instance);
  await world.clock.advance(1_000);
  retirements.takeBack(instance);
  void retirements.retire(instance);
  for (let step = 0; step < 20; step += 1) await world.clock.advance(1_000);
  expect(removed).toEqual([instance]);
});
