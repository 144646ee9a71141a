// What was acknowledged survives kill -9 at any point, and nobody has to repair anything afterwards.
import { expect, test } from "bun:test";
import { existsSync, rmSync } from "node:fs";
import { seconds } from "../helpers/figures.ts";
import { describe, judge } from "../helpers/fleet-checker.ts";
import { gather, listLocks, readLogs } from "../helpers/fleet-evidence.ts";
import { killHard } from "../helpers/kill.ts";
import { holdLocks, KillRun } from "../helpers/kill-run.ts";
import { defineKillTests } from "../helpers/kill-suite.ts";
import { eventually } from "../helpers/temp-git.ts";

defineKillTests({
  sends: 90,
  sendersDaemon: 12,
  receiver: 40,
  inits: 3,
  founders: 2,
  compactions: 3,
  timeoutMs: 120_000,
});

test.skipIf(process.platform !== "linux")(
  "a push that was killed while the remote had its refs locked delays the next send, which says so, by a minute",
  async () => {
    const run = new KillRun(0);
    const { sandbox } = run;
    try {
      await sandbox.init("a");
      holdLocks(sandbox.remote, "touch locked; while [ -e locked ]; do sleep 0.01; done");
      const killed = sandbox.startSend("a", { to: "b" });
      expect(await eventually(() => existsSync(`${sandbox.remote}/locked`), 60_000)).toBe(true);
      killHard(killed.pid, "tree");
      await killed.ended;
      holdLocks(sandbox.remote, "true");
      rmSync(`${sandbox.remote}/locked`);
      const names = listLocks(sandbox.remote).map((lock) => lock.slice(sandbox.remote.length));
      expect(names.sort()).toEqual(["/refs/fleet/log/a.lock", "/refs/fleet/state/a.lock"]);

      const delayed = await sandbox.send("a", { to: "b" });
      expect(delayed.exitCode).toBe(75);
      expect(readLogs(sandbox).filter((entry) => entry.type === "message")).toEqual([]);
      console.log(
        `\na send in the way of a lock answers 75 after ${seconds(delayed.endedWallMs - delayed.startedWallMs)}`,
      );
      expect(run.ageLocks("a")).toBe(true);

      // By itself: nobody sends anything, a daemon starts.
      const monitor = await sandbox.monitor("a");
      const messages = () => readLogs(sandbox).filter((entry) => entry.type === "message").length;
      expect(await eventually(() => messages() === 2, 60_000)).toBe(true);
      await monitor.stop();
      expect(describe(judge(sandbox.sends, await gather(sandbox)))).toBe("");
    } finally {
      rmSync(`${sandbox.remote}/locked`, { force: true });
      await sandbox.close();
    }
  },
  120_000,
);
