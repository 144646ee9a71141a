import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { ProcessTree } from "../../../../src/base/ports/process-host.ts";
import { readProcess, readProcesses } from "../../../../src/platform/supervision/linux-processes.ts";
import { openProcessHost } from "../../../../src/platform/supervision/process-host.ts";
import { HostDriver, QUICK_REAPER } from "../../../helpers/host-driver.ts";
import { HELPER, HostScene, until } from "../../../helpers/host-scene.ts";

const isLinux = process.platform === "linux";
if (!isLinux) console.log("skipped: adoption of processes: needs Linux");

/** Everything is started by drivers; the host of the scene only cleans up. */
let scene: HostScene;
let drivers: HostDriver[] = [];
let trees: ProcessTree[] = [];

beforeEach(async () => {
  scene = new HostScene(await openProcessHost({ helper: HELPER }));
});

afterEach(async () => {
  for (const driver of drivers) await driver.kill();
  for (const tree of trees) {
    await scene.host.kill(tree, 60_000);
    scene.host.forget(tree);
  }
  drivers = [];
  trees = [];
  // An open host gives this process every orphan below it, also those of the test files that it runs after this one.
  scene.close();
});

function drive(below: readonly string[] = []): HostDriver {
  const driver = new HostDriver(below);
  drivers.push(driver);
  return driver;
}

async function spawnBy(driver: HostDriver, command: readonly string[], other = {}): Promise<ProcessTree> {
  const tree = await driver.ask<ProcessTree>({ do: "spawn", request: scene.request(command, other) });
  trees.push(tree);
  return tree;
}

const isRunning = ({ identity }: ProcessTree): boolean =>
  !["Z", undefined].includes(readProcess(identity.pid)?.state);

/** A first driver below `below`, and a second one beside it that adopts what the first one started. */
async function adoptFrom(
  below: readonly string[],
  start: (driver: HostDriver) => Promise<ProcessTree[]>,
): Promise<HostDriver> {
  const first = drive(below);
  const started = await start(first);
  const pid = below.length === 0 ? first.pid : childOf(first.pid);
  process.kill(pid, "SIGKILL");
  await until("the first driver is gone", () => ["Z", undefined].includes(readProcess(pid)?.state));
  const second = drive();
  for (const tree of started) {
    expect(isRunning(tree)).toBe(true);
    expect(await second.ask<ProcessTree>({ do: "adopt", tree })).toEqual(tree);
  }
  return second;
}

const childOf = (parent: number): number =>
  [...readProcesses().values()].find((row) => row.parent === parent)?.pid ?? 0;

describe.skipIf(!isLinux)("a daemon that is killed", () => {
  for (const [name, below] of [
    ["and nobody collects what it leaves", []],
    ["and what it leaves is collected at once", QUICK_REAPER],
  ] as const) {
    test(`leaves children whose codes and signals its successor knows, ${name}`, async () => {
      const ends = ["0", "7", "SIGSEGV", "SIGTERM", "255"].map((how) => ({ how, file: scene.path("end") }));
      const started: ProcessTree[] = [];
      const second = await adoptFrom(below, async (first) => {
        for (const { file } of ends) started.push(await spawnBy(first, ["waits.sh", file]));
        return started;
      });
      for (const { how, file } of ends) writeFileSync(file, how);
      for (const [index, { how }] of ends.entries()) {
        const run = started[index]?.run ?? "";
        const exit = how.startsWith("SIG")
          ? { kind: "signal", signal: how }
          : { kind: "code", code: Number(how) };
        expect(await second.exitOf(run)).toEqual(exit as never);
      }
    });
  }

  test("leaves trees that its successor ends wholly, also what detached itself and forgot its environment", async () => {
    const file = scene.path("pid");
    let tree: ProcessTree | null = null;
    const second = await adoptFrom([], async (first) => {
      tree = await spawnBy(first, ["detaches.sh", file, "forgets"]);
      await until("the grandchild runs", () => existsSync(file));
      return [tree];
    });
    const members = await second.ask<{ pid: number }[]>({ do: "members", tree });
    const grandchild = Number(readFileSync(file, "utf8"));
    expect(members.map(({ pid }) => pid)).toContain(grandchild);
    expect(await second.ask<unknown>({ do: "kill", tree })).toEqual([]);
    expect(["Z", undefined]).toContain(readProcess(grandchild)?.state);
    expect(await second.ask<unknown>({ do: "members", tree })).toEqual([]);
  });

  test("leaves a start that was not noted, and its successor finds it by its token", async () => {
    const first = drive();
    const output = scene.path("output");
    const tree = await spawnBy(first, ["ignores-term.sh"], { output });
    // Its environment can be read once the program is in its place.
    await until("the program runs", () => readFileSync(output, "utf8") === "ready\n");
    await first.kill();
    const second = drive();
    expect(await second.ask<ProcessTree>({ do: "find", run: tree.run })).toEqual(tree);
  });

  test("leaves output that goes on", async () => {
    const output = scene.path("output");
    const end = scene.path("end");
    const script = `while [ ! -e "${end}" ]; do echo line; sleep 0.01; done; echo last`;
    let tree: ProcessTree | null = null;
    const second = await adoptFrom([], async (first) => {
      tree = await spawnBy(first, ["sh", "-c", script], { output });
      return [tree];
    });
    writeFileSync(end, "");
    const { run } = tree ?? trees[0] ?? { run: "" };
    expect(await second.exitOf(run)).toEqual({ kind: "code", code: 0 });
    expect(readFileSync(output, "utf8")).toMatch(/^(line\n)+last\n$/);
  });
});

describe.skipIf(!isLinux)("a daemon that becomes a new program in its place", () => {
  test("knows how its children ended, and leaves no zombie of them", async () => {
    const driver = drive();
    const ends = ["3", "SIGKILL"].map((how) => ({ how, file: scene.path("end") }));
    const started: ProcessTree[] = [];
    for (const { file } of ends) started.push(await spawnBy(driver, ["waits.sh", file]));
    await driver.become();
    for (const tree of started) expect(await driver.ask<ProcessTree>({ do: "adopt", tree })).toEqual(tree);
    for (const { how, file } of ends) writeFileSync(file, how);
    expect(await driver.exitOf(started[0]?.run ?? "")).toEqual({ kind: "code", code: 3 });
    expect(await driver.exitOf(started[1]?.run ?? "")).toEqual({ kind: "signal", signal: "SIGKILL" });
    for (const { identity } of started) expect(readProcess(identity.pid)).toBeNull();
  });
});

describe.skipIf(!isLinux)("reap()", () => {
  test("leaves no zombie of what detached itself, and steals no exit code of a child", async () => {
    const driver = drive();
    const file = scene.path("pid");
    const detached = await spawnBy(driver, ["detaches.sh", file, "leaves"]);
    expect(await driver.exitOf(detached.run)).toEqual({ kind: "code", code: 0 });
    const orphan = Number(readFileSync(file, "utf8"));
    expect(readProcess(orphan)?.parent).toBe(driver.pid);
    process.kill(orphan, "SIGKILL");
    const end = scene.path("end");
    const child = await spawnBy(driver, ["waits.sh", end]);
    writeFileSync(end, "9");
    const zombies = (): number =>
      [...readProcesses().values()].filter((row) => row.parent === driver.pid && row.state === "Z").length;
    const deadlineMs = performance.now() + 60_000;
    do {
      await driver.ask<null>({ do: "reap" });
      await Bun.sleep(100);
    } while (zombies() > 0 && performance.now() < deadlineMs);
    expect(zombies()).toBe(0);
    expect(readProcess(orphan)).toBeNull();
    expect(await driver.exitOf(child.run)).toEqual({ kind: "code", code: 9 });
  });

  test("leaves to Bun what Bun waits for, also when the loop stood still for long", async () => {
    const driver = drive();
    // Longer than what a zombie of nobody is given.
    expect(await driver.ask<number>({ do: "stand-still", ms: 4_000 })).toBe(5);
  });
});
