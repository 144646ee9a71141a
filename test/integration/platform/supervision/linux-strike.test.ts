import { expect, test } from "bun:test";
import { join } from "node:path";
import { newestPid } from "../../../../src/platform/processes/linux-table.ts";
import { idsBetween, strikeSince } from "../../../../src/platform/supervision/linux-strike.ts";

const SUPERVISION = join(import.meta.dir, "../../../../src/platform/supervision");
const isLinux = process.platform === "linux";
if (!isLinux) console.log("skipped: ids of processes in their order: this is no Linux");

test("idsBetween() names the ids that were given away, also where they began anew", () => {
  expect(idsBetween(10, 10, 100)).toEqual([]);
  expect(idsBetween(10, 13, 100)).toEqual([11, 12, 13]);
  expect(idsBetween(98, 2, 100)).toEqual([99, 0, 1, 2]);
  expect(idsBetween(10, 5_000, 32_768)).toBeNull();
  expect(idsBetween(0, 5, 100)).toBeNull();
  expect(idsBetween(Number.NaN, 5, 100)).toBeNull();
});

test.skipIf(!isLinux)(
  "strikeSince() strikes at what was started since, and at nobody from before",
  async () => {
    const older = Bun.spawn(["sleep", "600"]);
    // Far enough apart: a few ids from before may be of forks that were not over.
    for (let count = 0; count < 20; count += 1) Bun.spawnSync(["true"]);
    const before = newestPid();
    const younger = [Bun.spawn(["sleep", "600"]), Bun.spawn(["sleep", "600"])];
    const struck: number[] = [];
    const settled = strikeSince(before, (pid) => {
      struck.push(pid);
      return pid === younger[0]?.pid || pid === younger[1]?.pid;
    });
    for (const child of [older, ...younger]) child.kill("SIGKILL");
    expect(settled).toBe("hit");
    expect(struck.filter((pid) => younger.some((child) => child.pid === pid))).toEqual(
      younger.map((child) => child.pid),
    );
    expect(struck).not.toContain(older.pid);
    await Promise.all([older, ...younger].map((child) => child.exited));
  },
);

// In a namespace of its own, whose ids nobody else is given.
const isolated = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
const canIsolate =
  isLinux &&
  Bun.spawnSync([...isolated, "sh", "-c", "echo 500 > /proc/sys/kernel/ns_last_pid"]).exitCode === 0;
if (!canIsolate) console.log("skipped: ids that begin anew: it takes root and unshare");

test.skipIf(!canIsolate)("the newest process comes first, also after ids began anew", () => {
  const script = `
    const { writeFileSync } = await import("node:fs");
    const { pidsNewestFirst } = await import(${JSON.stringify(join(SUPERVISION, "linux-processes.ts"))});
    const spawnAt = (id) => {
      writeFileSync("/proc/sys/kernel/ns_last_pid", String(id - 1));
      return Bun.spawn(["sleep", "600"]).pid;
    };
    const [old, newest] = [spawnAt(30_000), spawnAt(2_000)];
    const pids = pidsNewestFirst();
    console.log(JSON.stringify([pids[0] === newest, pids.at(-1) === old, newest < old]));
    process.exit(0);`;
  const { stdout, stderr } = Bun.spawnSync([...isolated, process.execPath, "-e", script]);
  expect([stdout.toString(), stderr.toString()]).toEqual(["[true,true,true]\n", ""]);
});
