// A remote whose own machine is in trouble: its side of a push dies, its disk is full, its locks stay, its tidying never ends.
import { expect, test } from "bun:test";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { describe as describeAll, judge } from "../helpers/fleet-checker.ts";
import { gather, readLogs } from "../helpers/fleet-evidence.ts";
import { FleetSandbox } from "../helpers/fleet-sandbox.ts";
import { makeOld } from "../helpers/killed-receivers.ts";
import { defineReceiverKills } from "../helpers/killed-receivers-suite.ts";
import { eventually } from "../helpers/temp-git.ts";
import { defineTidying } from "../helpers/tidying-suite.ts";

const TIMEOUT_MS = 120_000;
const WITHIN_MS = 60_000;

// Over ssh, and many of each: test/long/faults-remote.test.ts.
defineReceiverKills("file", 3, TIMEOUT_MS);
defineReceiverKills("http", 1, TIMEOUT_MS);
defineTidying(3, TIMEOUT_MS);

test.skipIf(process.platform !== "linux")(
  "the old lock of an own ref is removed and reported, that of another server stays",
  async () => {
    const sandbox = new FleetSandbox();
    try {
      for (const server of ["a", "b"]) await sandbox.init(server);
      const lockOf = (server: string): string => `${sandbox.remote}/refs/fleet/log/${server}.lock`;
      for (const server of ["a", "b"]) writeFileSync(lockOf(server), "");
      const young = await sandbox.send("a", { to: "b" });
      expect(young).toMatchObject({ exitCode: 75, stderr: expect.stringContaining("locked") });
      expect(existsSync(lockOf("a"))).toBe(true);
      for (const server of ["a", "b"]) makeOld(lockOf(server));
      const monitor = await sandbox.monitor("a");
      expect((await sandbox.send("a", { to: "b", more: ["--timeout", "60"] })).exitCode).toBe(0);
      const notices = monitor.events().filter((event) => event["kind"] === "notice");
      expect(JSON.stringify(notices)).toContain("log/a.lock");
      expect(existsSync(lockOf("a"))).toBe(false);
      expect(existsSync(lockOf("b"))).toBe(true);
      rmSync(lockOf("b"));
      await monitor.stop();
      expect(describeAll(judge(sandbox.sends, await gather(sandbox)))).toBe("");
    } finally {
      await sandbox.close();
    }
  },
  TIMEOUT_MS,
);

/** A disk of its own under the remote; null where that cannot be had. */
function smallDisk(folder: string): (() => void) | null {
  const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=1m", "fleetd-test", folder]);
  if (mounted.exitCode !== 0) return null;
  return () => void Bun.spawnSync(["umount", "-l", folder]);
}

const isRoot = process.platform === "linux" && process.getuid?.() === 0;
if (!isRoot) console.log("skipped: a remote whose disk is full: only root may mount one");

test.skipIf(!isRoot)(
  "a remote whose disk is full, or cannot be written, kills no message however often it says so",
  async () => {
    const sandbox = new FleetSandbox(
      "interval: 100ms\nretry: {retries: 1, first: 20ms, longest: 50ms}\nbreaker: {open_for: 1s}\n",
    );
    const unmount = smallDisk(sandbox.remote);
    try {
      if (unmount === null)
        return console.log("skipped: a remote whose disk is full: mounting is refused here");
      sandbox.temp.git(sandbox.remote, "init", "-q", "--bare");
      for (const server of ["a", "b"]) await sandbox.init(server);
      const filler = `${sandbox.remote}/filler`;
      Bun.spawnSync(["dd", "if=/dev/zero", `of=${filler}`, "bs=4k"]);
      for (let count = 0; count < 6; count += 1) {
        const sent = await sandbox.send("a", { to: "b" });
        expect(sent).toMatchObject({ exitCode: 75, stderr: expect.stringContaining("No space left") });
      }
      const queue = await sandbox.run("a", ["queue", "list", "--json"]);
      expect(JSON.parse(queue.stdout)).not.toMatchObject({
        items: expect.arrayContaining([{ state: "dead" }]),
      });
      const monitor = await sandbox.monitor("a");
      expect((await sandbox.send("a", { to: "b", more: ["--timeout", "1"] })).exitCode).toBe(75);
      rmSync(filler);
      const arrived = (): boolean =>
        readLogs(sandbox).filter((entry) => entry.type === "message").length === 7;
      expect(await eventually(arrived, WITHIN_MS)).toBe(true);
      Bun.spawnSync(["mount", "-o", "remount,ro", sandbox.remote]);
      expect((await sandbox.send("a", { to: "b", more: ["--timeout", "1"] })).exitCode).toBe(75);
      Bun.spawnSync(["mount", "-o", "remount,rw", sandbox.remote]);
      expect((await sandbox.send("a", { to: "b", more: ["--timeout", "60"] })).exitCode).toBe(0);
      await monitor.stop();
      expect(describeAll(judge(sandbox.sends, await gather(sandbox)))).toBe("");
    } finally {
      unmount?.();
      await sandbox.close();
    }
  },
  TIMEOUT_MS,
);
