import { afterAll, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ServiceLogs } from "../../../src/daemon/supervision/service-logs.ts";
import { DEFAULT_SETTINGS } from "../../../src/fleet/settings/defaults.ts";
import { logLimitsOf } from "../../../src/fleet/supervisor/resolve-service.ts";
import { knownOf, MemorySupervisor } from "../../helpers/memory-supervisor.ts";

const root = mkdtempSync(join(tmpdir(), "fleetd-service-logs-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const DAY_MS = 24 * 3_600_000;

let world = new MemorySupervisor();
let folder = "";
let logs: ServiceLogs;
beforeEach(() => {
  world = new MemorySupervisor();
  world.clock.setWall(Date.now());
  folder = mkdtempSync(join(root, "services-"));
  const standard = logLimitsOf({}, DEFAULT_SETTINGS.supervisor);
  logs = new ServiceLogs({
    folder,
    clock: world.clock,
    instances: () => world.supervisor.instances,
    standard: () => standard,
    onTrouble: (_, detail) => world.told.push(detail),
    onRecovered: () => undefined,
  });
});

/** Begins with these services, each of which writes a line. */
async function begin(...services: ReturnType<typeof knownOf>[]): Promise<void> {
  world.supervisor.begin(services, new Set());
  await world.settle();
  for (const { key, run } of world.supervisor.instances) if (run !== null) logs.spool(key, run.run);
  logs.pump();
  // New lines are allowed as time passes.
  await world.clock.advance(1_000);
  for (const { key, run } of world.supervisor.instances) {
    if (run !== null) writeFileSync(logs.spool(key, run.run), "hello\n");
  }
  while (logs.pump());
}

const there = (): string[] => readdirSync(folder).sort();

test("expire() removes old lines of the silent, and at its pace", async () => {
  await begin(knownOf("web"), knownOf("short", { logs: { keep: "2s" } }));
  expect(logs.expire()).toBe(1_000);
  await world.clock.advance(10_000);
  expect(existsSync(join(folder, "short", "short.log"))).toBe(true);
  logs.expire();
  expect(existsSync(join(folder, "short", "short.log"))).toBe(false);
  expect(existsSync(join(folder, "web", "web.log"))).toBe(true);
  expect(there()).toEqual(["short", "web"]);
});

test("expire() removes what is left of services that are gone, when its time is over", async () => {
  await begin(knownOf("web"), knownOf("gone", { instances: 2 }));
  mkdirSync(join(folder, "unread"));
  writeFileSync(join(folder, "unread", "spool-1"), "of a service whose definition cannot be read\n");
  mkdirSync(join(folder, ".notify"));
  world.supervisor.redefine([knownOf("web")], new Set());
  await world.clock.advance(1_000);
  await world.settle();
  while (logs.pump());
  logs.expire();
  expect(there()).toEqual([".notify", "gone", "gone.2", "unread", "web"]);
  world.clock.setWall(world.clock.wallMs() + 15 * DAY_MS);
  logs.expire();
  expect(there()).toEqual([".notify", "unread", "web"]);
});

test("forget() removes everything of a service, unless there is one of this name again", async () => {
  await begin(knownOf("web", { instances: 2 }), knownOf("web2"));
  logs.forget("web");
  expect(there()).toEqual(["web", "web.2", "web2"]);
  world.supervisor.redefine([knownOf("web2")], new Set());
  await world.clock.advance(1_000);
  await world.settle();
  logs.forget("web");
  expect(there()).toEqual(["web2"]);
  logs.pump();
  expect([there(), world.told.filter((line) => line.startsWith("Cannot"))]).toEqual([["web2"], []]);
});
