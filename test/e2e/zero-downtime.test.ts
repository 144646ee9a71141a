// Services under load whose program, monitor or both are replaced: sockets that stay, and a new run beside the old one.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FleetSandbox, type Monitor } from "../helpers/fleet-sandbox.ts";
import { freePort } from "../helpers/free-port.ts";
import { killHard } from "../helpers/kill.ts";
import { Load } from "../helpers/load.ts";
import { untilHolds } from "../helpers/temp-git.ts";

const SERVES = join(import.meta.dir, "../fixtures/supervision/serves.ts");
const WITHIN_MS = 60_000;

const [handed, shared] = await Promise.all([freePort(), freePort()]);
const sandbox = new FleetSandbox();
const broken = join(sandbox.folder, "broken");
const program = (port: number) =>
  ["command:", `[${process.execPath}, ${SERVES}, "${port}", ${broken}]`].join(" ");
/** A program may take long to begin on a busy machine; only the one that never will is given up soon. */
const settings = (startTimeout: string): void =>
  writeFileSync(
    join(sandbox.folder, "fleetd.yaml"),
    `services:
  handed:
    ${program(0)}
    listen: 127.0.0.1:${handed}
    start_timeout: ${startTimeout}
    backoff: { first: 100ms }
    probes: { readiness: { log: "^ready$", interval: 50ms } }
    zero_downtime: true
  shared:
    ${program(shared)}
    start_timeout: ${startTimeout}
    probes: { readiness: { log: "^ready$", interval: 50ms } }
`,
  );
settings("60s");

interface Shown {
  readonly name: string;
  readonly pid: number | null;
  readonly state: string;
}

let monitor: Monitor;
const loads: Load[] = [];

async function list(): Promise<Shown[]> {
  const { stdout } = await sandbox.run("code1", ["list", "--json"]);
  return JSON.parse(stdout).services;
}

const pidOf = async (name: string): Promise<number> =>
  (await list()).find((one) => one.name === name && one.state === "running")?.pid ?? 0;

async function allRun(): Promise<void> {
  await untilHolds(async () => {
    const shown = await list().catch(() => []);
    return shown.length === 2 && shown.every(({ state }) => state === "running");
  }, WITHIN_MS);
}

/** Requests to a port, which have begun to be answered. */
async function loadOn(port: number): Promise<Load> {
  const load = new Load(`http://127.0.0.1:${port}/`, 8);
  loads.push(load);
  await untilHolds(() => Promise.resolve(load.answered > 50), WITHIN_MS);
  return load;
}

/** Processes of the fixture that serve now. */
const serving = (): number[] =>
  Bun.spawnSync(["pgrep", "-f", `${SERVES} .* ${broken}`])
    .stdout.toString()
    .split("\n")
    .filter((line) => line !== "")
    .map(Number);

beforeAll(async () => {
  await sandbox.init("code1");
  monitor = await sandbox.monitor("code1");
  await allRun();
}, 120_000);

afterEach(async () => {
  rmSync(broken, { force: true });
  await Promise.all(loads.splice(0).map((load) => load.end()));
});

afterAll(async () => {
  await sandbox.run("code1", ["stop", "--all", "--now"]);
  await sandbox.close();
  for (const pid of serving()) process.kill(pid, "SIGKILL");
}, 60_000);

describe("a service whose socket the monitor has", () => {
  test("refuses nobody while it is started anew again and again, with and without a gap between its runs", async () => {
    const load = await loadOn(handed);
    for (let round = 0; round < 3; round += 1) {
      const before = await pidOf("handed");
      // Plain "restart" goes the way that the definition asks for.
      expect(await sandbox.run("code1", ["restart", "handed"])).toMatchObject({
        exitCode: 0,
        stdout: "handed replaced\n",
      });
      const after = await pidOf("handed");
      expect(after).not.toBe(before);
      await untilHolds(() => Promise.resolve((load.answers.get(String(after)) ?? 0) > 20), WITHIN_MS);
    }
    process.kill(await pidOf("handed"), "SIGKILL");
    await allRun();
    const last = await pidOf("handed");
    await untilHolds(() => Promise.resolve((load.answers.get(String(last)) ?? 0) > 20), WITHIN_MS);
    await load.end();
    // A request that was being answered by what was killed is lost; one that waited is not.
    expect(load.failures.length).toBeLessThanOrEqual(8);
    expect(load.failures.filter((text) => /refused/i.test(text))).toEqual([]);
    console.log(`handed on: ${load.answered} requests, ${load.failures.length} cut off by the kill`);
  }, 180_000);

  test("loses no request while it is replaced", async () => {
    const load = await loadOn(handed);
    for (let round = 0; round < 3; round += 1) {
      const { exitCode, stdout } = await sandbox.run("code1", ["restart", "handed", "--zero-downtime"]);
      expect([exitCode, stdout]).toEqual([0, "handed replaced\n"]);
    }
    await load.end();
    console.log(`replaced 3 times: ${load.answered} requests, ${load.failures.length} failed`);
    expect([...load.failures]).toEqual([]);
  }, 180_000);

  test("keeps its socket when the monitor is killed, and the next monitor has the same one", async () => {
    const load = await loadOn(handed);
    const pid = await pidOf("handed");
    killHard(monitor.pid, "alone");
    await monitor.ended;
    monitor = await sandbox.monitor("code1");
    await allRun();
    expect(await pidOf("handed")).toBe(pid);
    // One socket, which both have, and for a moment whatever the monitor just starts.
    let owners: number[][] = [];
    await untilHolds(async () => {
      const { stdout } = await sandbox.run("code1", ["port", String(handed), "--json"]);
      const listeners: { owners: { pid: number }[] }[] = JSON.parse(stdout).listeners;
      owners = listeners.map((one) => one.owners.map((owner) => owner.pid));
      return owners.flat().length === 2;
    }, WITHIN_MS);
    expect(owners.map((pids) => pids.toSorted())).toEqual([[pid, monitor.pid].toSorted()]);
    expect((await sandbox.run("code1", ["restart", "handed"])).exitCode).toBe(0);
    await load.end();
    console.log(`monitor killed, then replaced: ${load.answered} requests, ${load.failures.length} failed`);
    expect([...load.failures]).toEqual([]);
  }, 180_000);

  test("refuses connections when it is stopped, and serves again when it is started", async () => {
    expect((await sandbox.run("code1", ["stop", "handed"])).exitCode).toBe(0);
    await expect(fetch(`http://127.0.0.1:${handed}/`)).rejects.toThrow();
    expect((await sandbox.run("code1", ["start", "handed"])).exitCode).toBe(0);
    expect(await (await fetch(`http://127.0.0.1:${handed}/`)).text()).toBe(String(await pidOf("handed")));
  }, 120_000);

  test("says who has its port when it is taken", async () => {
    await sandbox.run("code1", ["stop", "handed"]);
    const other = Bun.serve({ hostname: "127.0.0.1", port: handed, fetch: () => new Response("mine") });
    try {
      const { exitCode, stdout } = await sandbox.run("code1", ["start", "handed"]);
      expect(exitCode).toBe(1);
      expect(stdout).toContain(`Cannot listen on 127.0.0.1:${handed}: pid ${process.pid} (`);
    } finally {
      await other.stop(true);
    }
    expect((await sandbox.run("code1", ["start", "handed"])).exitCode).toBe(0);
  }, 120_000);
});

describe("a new run that never becomes ready", () => {
  test("goes, the old one serves on, and the command says why and ends with 1", async () => {
    settings("3s");
    expect((await sandbox.run("code1", ["reload"])).exitCode).toBe(0);
    for (const [name, port] of [
      ["handed", handed],
      ["shared", shared],
    ] as const) {
      const before = await pidOf(name);
      writeFileSync(broken, "");
      const load = await loadOn(port);
      const { exitCode, stderr } = await sandbox.run("code1", ["restart", name, "--zero-downtime"]);
      expect(exitCode).toBe(1);
      expect(stderr).toContain(`${name} stays as it was: probe: not ready within 3 s`);
      expect(await pidOf(name)).toBe(before);
      await load.end();
      rmSync(broken);
    }
    expect(serving().length).toBe(2);
    settings("60s");
    expect((await sandbox.run("code1", ["reload"])).exitCode).toBe(0);
  }, 180_000);
});

describe("a program that shares its port by itself", () => {
  test("is replaced", async () => {
    const load = await loadOn(shared);
    for (let round = 0; round < 5; round += 1) {
      const before = await pidOf("shared");
      const { exitCode } = await sandbox.run("code1", ["restart", "shared", "--zero-downtime"]);
      const after = await pidOf("shared");
      expect([exitCode, after === before]).toEqual([0, false]);
      await untilHolds(() => Promise.resolve((load.answers.get(String(after)) ?? 0) > 20), WITHIN_MS);
    }
    await load.end();
    console.log(
      `shared port: ${load.answered} requests, ${load.failures.length} failed ${load.failures[0] ?? ""}`,
    );
    // The kernel drops what a closing socket has not accepted; that is between the program and the kernel.
    expect(load.failures.filter((text) => /refused/i.test(text))).toEqual([]);
  }, 180_000);
});

describe("a monitor that is killed while a service is replaced", () => {
  test("leaves exactly one of the two, and nothing is refused", async () => {
    for (const delayMs of [0, 40, 120, 200, 300, 450, 600]) {
      const load = await loadOn(handed);
      const command = sandbox.start("code1", ["restart", "handed", "--zero-downtime"]);
      await Bun.sleep(delayMs);
      killHard(monitor.pid, "alone");
      await monitor.ended;
      await command.ended;
      monitor = await sandbox.monitor("code1");
      await allRun();
      await untilHolds(() => Promise.resolve(serving().length === 2), WITHIN_MS);
      expect(serving()).toContain(await pidOf("handed"));
      await load.end();
      expect([delayMs, load.failures]).toEqual([delayMs, []]);
    }
    expect(existsSync(broken)).toBe(false);
  }, 300_000);
});
