import { beforeEach, expect, test } from "bun:test";
import { endLate, endRun } from "../../../../src/fleet/supervisor/end-run.ts";
import type { InstanceWorld } from "../../../../src/fleet/supervisor/instance-world.ts";
import { definitionOf, MemorySupervisor } from "../../../helpers/memory-supervisor.ts";

const KEY = { service: "web", number: 2, successor: false };
const NAME = "web:2";

let memory = new MemorySupervisor();
let told: string[] = [];
let world: InstanceWorld;
beforeEach(() => {
  memory = new MemorySupervisor();
  told = [];
  world = {
    ...memory.world("boot"),
    mayStart: () => true,
    onChanged: () => undefined,
    runStopCommand: (command) => {
      told.push(`stop command ${command.words.join(" ")}`);
      return Promise.resolve();
    },
    endNotify: (run) => told.push(`ended ${run}`),
  };
});

const spawned = async () => {
  const request = {
    ...(await world.prepare(definitionOf("web"), KEY, null)),
    run: "r",
    output: "/o",
    name: "n",
  };
  return (await memory.host.spawn({ ...request, limits: definitionOf("web").limits })).tree;
};

test("endRun() runs the stop command, sends the signal of the definition, and leaves nothing of it", async () => {
  const definition = definitionOf("web", { stop: { command: ["bye"], signal: "SIGINT" } });
  const tree = await spawned();
  const letGo = new AbortController().signal;
  await endRun(world, { name: NAME, tree, key: KEY, definition }, true, { hurry: letGo, letGo });
  expect([memory.host.alive, memory.host.forgotten, told]).toEqual([
    0,
    ["r"],
    ["stop command bye", "ended r"],
  ]);
});

test("endRun() that is not to be gentle runs no stop command", async () => {
  const definition = definitionOf("web", { stop: { command: ["bye"] } });
  const tree = await spawned();
  const letGo = new AbortController().signal;
  await endRun(world, { name: NAME, tree, key: KEY, definition }, false, { hurry: letGo, letGo });
  expect([memory.host.alive, told]).toEqual([0, ["ended r"]]);
});

test("endLate() leaves nothing of it", async () => {
  const tree = await spawned();
  await endLate(world, { name: NAME, tree }, new AbortController().signal);
  expect([memory.host.alive, memory.host.forgotten, told]).toEqual([0, ["r"], ["ended r"]]);
});
