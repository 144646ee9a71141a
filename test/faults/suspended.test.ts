// Processes that are stopped for longer than every deadline, as a laptop's lid or a debugger does, and go on later.
import { expect, test } from "bun:test";
import { existsSync, rmSync } from "node:fs";
import { describe as describeAll, judge } from "../helpers/fleet-checker.ts";
import { gather, readLogs } from "../helpers/fleet-evidence.ts";
import { type CommandResult, FleetSandbox } from "../helpers/fleet-sandbox.ts";
import { holdLocks } from "../helpers/kill-run.ts";
import { descendantsOf, eventually } from "../helpers/temp-git.ts";

const TIMEOUT_MS = 120_000;
const WITHIN_MS = 60_000;
const SETTINGS = `
interval: 200ms
timeouts: {fetch: 1s, push: 1s, network: 1s}
retry: {retries: 1, first: 50ms, longest: 100ms}
breaker: {failures: 3, open_for: 1s, successes: 1}
heartbeat: {idle: 1s, every: 1s}
`;
/** Longer than every deadline above, and a probe of the breaker. */
const SUSPENDED_MS = 3_000;

/** Stops or continues a process and what it started. */
function signalTree(pid: number, name: "SIGSTOP" | "SIGCONT"): void {
  for (const one of [pid, ...descendantsOf(pid)]) {
    try {
      process.kill(one, name);
    } catch {
      // It has ended meanwhile.
    }
  }
}

/** 74 says that nothing was taken: the daemon was stopped while it wrote, and holds the database. */
function expectTold({ exitCode, stderr }: CommandResult): void {
  if (exitCode === 74) expect(stderr).toContain("locked");
  else expect([0, 75]).toContain(exitCode ?? -1);
}

test.skipIf(process.platform !== "linux")(
  "a daemon that was stopped in the middle of a push, with its git, goes on and doubles nothing",
  async () => {
    const sandbox = new FleetSandbox(SETTINGS);
    try {
      for (const server of ["a", "b"]) await sandbox.init(server);
      const monitor = await sandbox.monitor("a");
      const inPush = `${sandbox.remote}/in-push`;
      for (let round = 0; round < 2; round += 1) {
        if (round > 0) holdLocks(sandbox.remote, `touch ${inPush}; sleep 0.3`);
        const sent = sandbox.startSend("a", { to: "b", more: ["--timeout", "1"] });
        if (round > 0) await eventually(() => existsSync(inPush), WITHIN_MS);
        signalTree(monitor.pid, "SIGSTOP");
        const stoppedMs = performance.now();
        const first = await sent.ended;
        expectTold(first);
        // Another one, whom nobody answers, is not held for ever.
        const second = await sandbox.send("a", { to: "b", more: ["--timeout", "1"] });
        expectTold(second);
        await Bun.sleep(Math.max(0, SUSPENDED_MS - (performance.now() - stoppedMs)));
        holdLocks(sandbox.remote, "true");
        rmSync(inPush, { force: true });
        signalTree(monitor.pid, "SIGCONT");
        const bodies = (): Set<string> => new Set(readLogs(sandbox).map((entry) => entry.body));
        const promised = sandbox.sends.filter((one) => one.told !== "nothing").map((one) => one.body);
        expect(await eventually(() => new Set(promised).isSubsetOf(bodies()), WITHIN_MS)).toBe(true);
      }
      const last = await sandbox.send("a", { to: "b", more: ["--timeout", "60"] });
      expect(last.exitCode).toBe(0);
      const status = await sandbox.run("a", ["status", "--json"]);
      expect(JSON.parse(status.stdout)).toMatchObject({ remote: { breaker: "closed" } });
      await monitor.stop();
      expect(describeAll(judge(sandbox.sends, await gather(sandbox)))).toBe("");
    } finally {
      await sandbox.close();
    }
  },
  TIMEOUT_MS,
);

test.skipIf(process.platform !== "linux")(
  "a send that was stopped while it pushed keeps others waiting, who say so with 75, and goes on",
  async () => {
    const sandbox = new FleetSandbox(SETTINGS);
    try {
      for (const server of ["a", "b"]) await sandbox.init(server);
      const inPush = `${sandbox.remote}/in-push`;
      holdLocks(sandbox.remote, `touch ${inPush}; sleep 0.3`);
      const stopped = sandbox.startSend("a", { to: "b" });
      expect(await eventually(() => existsSync(inPush), WITHIN_MS)).toBe(true);
      signalTree(stopped.pid, "SIGSTOP");
      const others = await Promise.all(
        [1, 2].map(() => sandbox.send("a", { to: "b", more: ["--timeout", "1"] })),
      );
      for (const other of others) {
        expect(other).toMatchObject({ exitCode: 75, stderr: expect.stringContaining("is pushing") });
      }
      holdLocks(sandbox.remote, "true");
      signalTree(stopped.pid, "SIGCONT");
      expect([0, 75]).toContain((await stopped.ended).exitCode ?? -1);
      expect((await sandbox.send("a", { to: "b" })).exitCode).toBe(0);
      await sandbox.run("b", ["inbox"]);
      expect(describeAll(judge(sandbox.sends, await gather(sandbox)))).toBe("");
    } finally {
      await sandbox.close();
    }
  },
  TIMEOUT_MS,
);
