import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startOfProcess } from "../../../src/platform/process-identity.ts";
import { liveProcesses } from "../../../src/platform/processes/linux-table.ts";
import { openProcessTable, openUsageSource } from "../../../src/platform/processes/process-table.ts";
import { openProcessorClock } from "../../../src/platform/processes/processor-clock.ts";
import { StatFiles } from "../../../src/platform/processes/stat-files.ts";
import { Holders } from "../../helpers/listening.ts";
import { untilHolds } from "../../helpers/temp-git.ts";
import { processTableContract } from "./process-table.contract.ts";

processTableContract("this system", openProcessTable);

const isLinux = process.platform === "linux";
if (!isLinux) console.log("skipped: details of /proc: this is no Linux");
const isRoot = process.getuid?.() === 0;
const unshare = isLinux && isRoot ? Bun.which("unshare") : null;
if (unshare === null) console.log("skipped: another network namespace: it takes root and unshare");
const setpriv = isLinux && isRoot ? Bun.which("setpriv") : null;
if (setpriv === null) console.log("skipped: sockets of other users: it takes root and setpriv");

describe.skipIf(!isLinux)("Linux", () => {
  const folder = mkdtempSync(join(tmpdir(), "fleetd-processes-"));
  const holders = new Holders();
  afterEach(() => holders.close());
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const sleep = Bun.which("sleep") ?? "sleep";

  test("a row's start is what startOfProcess() says, and the rest is what the system says", async () => {
    const table = await openProcessTable();
    const [own] = await table.pick([process.pid]);
    expect(own?.start).toBe(startOfProcess(process.pid));
    const usage = process.memoryUsage.rss();
    expect(own?.residentBytes).toBeWithin(usage / 3, usage * 3);
    const { user, system } = process.cpuUsage();
    expect(own?.cpuMs).toBeWithin((user + system) / 1000 / 2, ((user + system) / 1000) * 2 + 100);
    const child = holders.spawn(["setsid", sleep, "60"]);
    await untilHolds(async () => (await table.pick([child.pid]))[0]?.name === "sleep", 30_000);
    expect((await table.pick([child.pid]))[0]).toMatchObject({
      parent: process.pid,
      group: child.pid,
      session: child.pid,
    });
    expect((await table.details(child.pid))?.commandLine).toEqual([sleep, "60"]);
  });

  test("a usage source says the same at each look, also of an id whose process ended", async () => {
    const source = await openUsageSource();
    try {
      const [first, second] = [holders.spawn([sleep, "60"]), holders.spawn([sleep, "60"])];
      const pids = async (...asked: number[]) => (await source.pick(asked)).map(({ pid }) => pid);
      for (const _ of [1, 2, 3]) expect(await pids(first.pid, second.pid)).toEqual([first.pid, second.pid]);
      const table = await openProcessTable();
      expect((await source.pick([first.pid]))[0]?.start).toBe(
        (await table.pick([first.pid]))[0]?.start ?? "",
      );
      first.kill("SIGKILL");
      await first.exited;
      expect(await pids(first.pid, second.pid)).toEqual([second.pid]);
      expect(await pids()).toEqual([]);
      expect((await source.list()).some(({ pid }) => pid === second.pid)).toBe(true);
    } finally {
      source.close();
    }
  });

  test("a usage source follows those it is told, and whoever is new", async () => {
    const source = await openUsageSource();
    try {
      const first = holders.spawn([sleep, "60"]);
      await source.list();
      const second = holders.spawn([sleep, "60"]);
      const pids = async (...known: number[]) => (await source.follow(known)).map(({ pid }) => pid);
      expect(await pids()).toContain(second.pid);
      const later = await pids(first.pid);
      expect(later).toContain(first.pid);
      expect(later).not.toContain(second.pid);
      expect(await pids(second.pid, first.pid)).toEqual(expect.arrayContaining([first.pid, second.pid]));
    } finally {
      source.close();
    }
  });

  test.each([
    ["with the clock of each process", openProcessorClock],
    ["without", () => Promise.resolve(null)],
  ])("a usage source sees what a process has become, %s", async (how, openClock) => {
    const source = new StatFiles(await openClock());
    try {
      const go = join(folder, `go ${how}`);
      const script = 'while ! test -e "$0"; do sleep 0.05; done; exec sleep 60';
      const child = holders.spawn(["sh", "-c", script, go]);
      await untilHolds(async () => (await source.pick([child.pid]))[0]?.name === "sh", 30_000);
      const row = async () => (await source.pick([child.pid]))[0];
      for (const _ of [1, 2, 3]) expect((await row())?.name).toBe("sh");
      await Bun.write(go, "");
      await untilHolds(async () => (await row())?.name === "sleep", 30_000);
      const busy = holders.spawn([process.execPath, "-e", "for (;;);"]);
      const cpuMs = async () => (await source.pick([busy.pid]))[0]?.cpuMs ?? 0;
      await untilHolds(async () => (await cpuMs()) > 200, 60_000);
      expect(await row()).toMatchObject({ name: "sleep", parent: process.pid });
    } finally {
      source.close();
    }
  });

  test.each(["a) R 1 (b", "two words", "ümläut"])("a name may be %p", async (name) => {
    const table = await openProcessTable();
    copyFileSync(sleep, join(folder, name));
    const child = holders.spawn([join(folder, name), "60"]);
    await untilHolds(async () => (await table.pick([child.pid]))[0]?.name === name, 30_000);
    expect((await table.pick([child.pid]))[0]).toMatchObject({ pid: child.pid, parent: process.pid });
  });

  test("a zombie is dead, and liveProcesses() leaves it out", async () => {
    const table = await openProcessTable();
    // The shell becomes a program that never waits for the child of the shell.
    const parent = holders.spawn(["sh", "-c", "true & exec sleep 60"]);
    const zombie = async () =>
      (await table.list()).find((row) => row.parent === parent.pid && row.state === "dead");
    await untilHolds(async () => (await zombie()) !== undefined, 30_000);
    const pid = (await zombie())?.pid ?? 0;
    expect(liveProcesses().some((row) => row.pid === pid)).toBe(false);
  });

  test("a socket that was inherited has all its holders as owners", async () => {
    const table = await openProcessTable();
    const holder = await holders.start({ heirs: 2 });
    const [found] = await table.listeners(holder.port);
    expect(found?.owners).toHaveLength(3);
    expect(found?.owners?.map(({ name }) => name).toSorted()).toContain("sleep");
  });

  test("two sockets of one address are one entry with both owners", async () => {
    const table = await openProcessTable();
    const first = await holders.start({ reuse: true });
    const second = await holders.start({ reuse: true, port: first.port });
    const found = await table.listeners(first.port);
    expect(found).toHaveLength(1);
    expect(found[0]?.owners?.map(({ pid }) => pid).toSorted()).toEqual([first.pid, second.pid].toSorted());
  });

  test("isOurs() is true for what fleetd started as a service and for what came of it", async () => {
    const table = await openProcessTable();
    const ours = await holders.startOurs({ heirs: 1 });
    const stranger = await holders.start();
    const heir = (await table.list()).find(({ parent }) => parent === ours.pid);
    expect(await table.isOurs(ours.pid)).toBe(true);
    expect(await table.isOurs(heir?.pid ?? 0)).toBe(true);
    expect(await table.isOurs(stranger.pid)).toBe(false);
    expect(await table.isOurs(1)).toBe(false);
  });

  test.skipIf(unshare === null)("sockets of another network namespace are not this machine's", async () => {
    const table = await openProcessTable();
    // The port is chosen here: there, all are free.
    const here = await holders.start({ address: "127.0.0.1" });
    const { port } = here;
    const apart = await holders.start(
      { address: "127.0.0.1", port },
      { words: ["unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"] },
    );
    const [found] = await table.listeners(port);
    expect(found?.owners?.map(({ pid }) => pid)).toEqual([here.pid]);
    process.kill(here.pid, "SIGKILL");
    await here.exited;
    expect(apart.hasEnded()).toBe(false);
    expect(await table.listeners(port)).toEqual([]);
  });

  test.skipIf(setpriv === null)("sockets of others are somebody's, whom this user may not see", async () => {
    const holder = await holders.start();
    const script = `
      const { openProcessTable } = await import("./process-table.js");
      console.log(JSON.stringify(await (await openProcessTable()).listeners(${holder.port})));`;
    // The user has to get at what it runs.
    const built = await Bun.build({
      entrypoints: [join(import.meta.dir, "../../../src/platform/processes/process-table.ts")],
      outdir: folder,
      target: "bun",
    });
    expect(built.success).toBe(true);
    const bun = join(folder, "bun");
    copyFileSync(process.execPath, bun);
    await Bun.write(join(folder, "ask.js"), script);
    Bun.spawnSync(["chmod", "-R", "a+rX", folder]);
    const asked = Bun.spawnSync(
      ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", bun, join(folder, "ask.js")],
      { cwd: "/", env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent" } },
    );
    expect(asked.stderr.toString()).toBe("");
    expect(JSON.parse(asked.stdout.toString())).toEqual([
      { protocol: "tcp", address: "127.0.0.1", port: holder.port, user: "root", owners: null },
    ]);
  });
});
