import { describe, expect, test } from "bun:test";
import { checkAdoptable, checkAdoption } from "../../../../src/fleet/supervisor/check-adoption.ts";
import { knownOf, MemorySupervisor } from "../../../helpers/memory-supervisor.ts";

describe("checkAdoptable()", () => {
  const parents = [
    { pid: 1, parent: 0 },
    { pid: 20, parent: 1 },
    { pid: 30, parent: 20 },
    { pid: 40, parent: 20 },
  ];
  const check = (pid: number): void =>
    checkAdoptable({ target: { pid, start: `boot:${pid}` }, selfPid: 30, parents });

  test.each([
    [1, "Cannot adopt process 1: it is the first process of this system"],
    [30, "Cannot adopt process 30: it is this daemon"],
    [20, "Cannot adopt process 20: this daemon came of it"],
  ])("refuses %d", (pid, message) => {
    expect(() => check(pid)).toThrow(message);
  });

  test("takes any other", () => {
    expect(() => check(40)).not.toThrow();
  });
});

test("checkAdoption() refuses what any member of another tree is, and knows processes by their start", async () => {
  const world = new MemorySupervisor();
  world.supervisor.begin([knownOf("web"), knownOf("db", { enabled: false })], new Set());
  await world.settle();
  const [db] = world.supervisor.find(["db"]);
  if (db === undefined) throw new Error("no instance");
  const check = (pid: number, start: string): void =>
    checkAdoption(db, { pid, start }, world.supervisor.instances, world.host);
  world.host.members = () => [{ pid: 555, start: "boot:555" }];
  expect(() => check(555, "boot:555")).toThrow('Cannot adopt process 555: it is part of "web"');
  expect(() => check(555, "boot:556")).not.toThrow();
});
