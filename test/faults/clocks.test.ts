// Wall clocks that are wrong by a day or by 400 days, and that are set while daemons run. What time it is, is told to the
// processes of fleetd by a library that is loaded before the system's own: timers and monotonic clocks stay right.
import { expect, test } from "bun:test";
import { describe as describeAll, type Evidence, judge } from "../helpers/fleet-checker.ts";
import { gather, readLogs } from "../helpers/fleet-evidence.ts";
import { FleetSandbox } from "../helpers/fleet-sandbox.ts";
import { HOOK_WORDS, refuseNothing, refuseWord, VILE } from "../helpers/refusing-hook.ts";
import { eventually } from "../helpers/temp-git.ts";
import { makeClocks } from "../lab/clock/skewed-clock.ts";

const DAY_MS = 24 * 3_600_000;
const TIMEOUT_MS = 180_000;
const WITHIN_MS = 60_000;
const SETTINGS = `
interval: 200ms
auto_reply: { per_thread: 100000, per_peer: 100000, per_host: 100000 }
`;

/** When a server says it pushed is its own clock's matter; that it had is checked when it says so. */
function withoutInstants(evidence: Evidence): Evidence {
  const servers = evidence.servers.map((one) => ({
    ...one,
    outbox: one.outbox.map((item) => ({ ...item, pushedWallMs: item.pushedWallMs === null ? null : 0 })),
  }));
  return { ...evidence, servers };
}

/** Every commit is dated at or after its parent. */
function datesOf(sandbox: FleetSandbox, server: string): number[] {
  const dates = sandbox.temp.git(
    sandbox.remote,
    "log",
    "--reverse",
    "--format=%ct",
    `refs/fleet/log/${server}`,
  );
  return dates.split("\n").map(Number);
}

test.skipIf(process.platform !== "linux")(
  "clocks that are wrong by 400 days or are set to and fro cost no message, no answer and no order",
  async () => {
    const sandbox = new FleetSandbox(SETTINGS);
    const makeClock = makeClocks(sandbox.folder);
    try {
      if (makeClock === null) return;
      const jumping = makeClock("jumping", 0);
      sandbox.variablesOf.set("ahead", makeClock("ahead", 400 * DAY_MS).variables);
      sandbox.variablesOf.set("behind", makeClock("behind", -400 * DAY_MS).variables);
      sandbox.variablesOf.set("jumps", jumping.variables);
      const names = ["right", "ahead", "behind", "jumps"];
      for (const name of names) await sandbox.init(name);
      // Whoever was never looked at has history, which is not answered.
      for (const name of names) await sandbox.run(name, ["inbox"]);
      const [year] = sandbox.temp
        .git(sandbox.remote, "log", "-1", "--format=%ci", "refs/fleet/log/ahead")
        .split("-");
      expect(Number(year)).toBeGreaterThan(new Date().getUTCFullYear());
      const monitors = await Promise.all(names.map((name) => sandbox.monitor(name)));
      const askAll = async (from: string, number: number): Promise<void> => {
        for (const to of [names[(names.indexOf(from) + 1 + number) % names.length] ?? ""].filter(
          (name) => name !== from,
        )) {
          const body = `${from} asks ${to} ${number}: how are you?`;
          const sent = await sandbox.send(from, { to, body, more: ["--expires", "1h", "--timeout", "60"] });
          expect({ from, to, code: sent.exitCode }).toEqual({ from, to, code: 0 });
          expect(readLogs(sandbox).some((entry) => entry.body === body)).toBe(true);
        }
      };
      for (const [number, days] of [1, -1, 400, -400, 0].entries()) {
        jumping.set(days * DAY_MS);
        await askAll("jumps", number);
      }
      for (const name of ["right", "ahead", "behind"]) await askAll(name, 0);
      const answers = (): number => readLogs(sandbox).filter((entry) => entry.auto).length;
      const asked = (): number => sandbox.sends.length;
      const isAnswered = await eventually(() => answers() >= asked(), WITHIN_MS);
      expect({ isAnswered, answers: answers() }).toEqual({ isAnswered: true, answers: asked() });
      for (const monitor of monitors) await monitor.stop();
      for (const name of names) {
        const dates = datesOf(sandbox, name);
        expect(dates).toEqual(dates.toSorted((a, b) => a - b));
        expect((await sandbox.run(name, ["metrics", "--json"])).exitCode).toBe(0);
        expect((await sandbox.run(name, ["logs", "--json"])).exitCode).toBe(0);
      }
      expect(describeAll(judge(sandbox.sends, withoutInstants(await gather(sandbox))))).toBe("");
    } finally {
      await sandbox.close();
    }
  },
  TIMEOUT_MS,
);

test.skipIf(process.platform !== "linux")(
  "a clock that is set back prolongs no rest of a refused message, no pause and no breaker",
  async () => {
    const sandbox = new FleetSandbox(
      `${SETTINGS}retry: {retries: 0, first: 500ms, longest: 1s}\nbreaker: {failures: 2, open_for: 1s, successes: 1}\n`,
    );
    const makeClock = makeClocks(sandbox.folder);
    try {
      if (makeClock === null) return;
      const clock = makeClock("a", 400 * DAY_MS);
      sandbox.variablesOf.set("a", clock.variables);
      for (const name of ["a", "b"]) await sandbox.init(name);
      const monitor = await sandbox.monitor("a");
      refuseWord(sandbox.remote);
      const refused = await sandbox.send("a", { to: "b", body: `a ${VILE} word` });
      expect(refused).toMatchObject({ exitCode: 75, stdout: expect.stringContaining(HOOK_WORDS) });
      clock.set(0);
      refuseNothing(sandbox.remote);
      const isThere = (): boolean => readLogs(sandbox).some((entry) => entry.body.includes(VILE));
      expect(await eventually(isThere, WITHIN_MS)).toBe(true);
      // The remote goes away, the breaker opens, the clock is set, and the remote is back.
      const away = `${sandbox.remote}.away`;
      Bun.spawnSync(["mv", sandbox.remote, away]);
      const isOpen = (): boolean =>
        monitor.events().some((event) => event["kind"] === "breaker" && event["state"] === "open");
      expect(await eventually(isOpen, WITHIN_MS)).toBe(true);
      clock.set(-DAY_MS);
      expect((await sandbox.send("a", { to: "b" })).exitCode).toBe(75);
      clock.set(DAY_MS);
      Bun.spawnSync(["mv", away, sandbox.remote]);
      expect((await sandbox.send("a", { to: "b", more: ["--timeout", "60"] })).exitCode).toBe(0);
      await monitor.stop();
      await sandbox.run("b", ["inbox"]);
      expect(describeAll(judge(sandbox.sends, withoutInstants(await gather(sandbox))))).toBe("");
    } finally {
      await sandbox.close();
    }
  },
  TIMEOUT_MS,
);
