// Commands about services at their edges, on the compiled executable: what is said has to be what was done.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../helpers/free-port.ts";
import { ServiceFleet } from "../helpers/service-fleet.ts";
import { eventually, untilHolds } from "../helpers/temp-git.ts";

const isHere = process.platform === "linux";
if (!isHere) console.log("skipped: edges of services on the executable, because this test looks into /proc");
const PATIENCE_MS = 120_000;

const fleet = new ServiceFleet();
const port = await freePort();
const SERVES = join(import.meta.dir, "../fixtures/supervision/serves.ts");
const STAYS = ["sh", "-c", "while :; do sleep 0.2; done"];
const LIVES = { liveness: { exec: ["true"], interval: "200ms" } };
const services = (liveness: object): Record<string, object> => ({
  web: { command: fleet.noted("web", ...STAYS), restart: "no", depends_on: ["db"] },
  db: { command: fleet.noted("db", ...STAYS), enabled: false },
  once: { command: ["sh", "-c", "echo said once; exec sleep 3333"], logs: { keep: "2s" } },
  detached: { command: ["sh", "-c", "(setsid sleep 4444 &) & exec sleep 5555"] },
  busy: {
    command: [
      "sh",
      "-c",
      "while :; do sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'; sleep 0.3; done",
    ],
  },
  off: { command: STAYS, enabled: false, groups: ["crowd"] },
  done: { command: ["true"] },
  fails: { command: ["false"], restart: "no", enabled: false },
  shares: {
    command: [process.execPath, SERVES, String(port), join(fleet.folder, "broken")],
    probes: { readiness: { tcp: port, interval: "100ms" } },
    enabled: false,
  },
  probed: { command: fleet.noted("probed", ...STAYS), restart: "no", probes: liveness },
});
const SUPERVISOR = { stop_timeout: "2s", backoff_first: "100ms", sample: "200ms" };

beforeAll(async () => {
  await fleet.init();
  fleet.configure(services(LIVES), SUPERVISOR);
  if (isHere) await fleet.monitor();
}, PATIENCE_MS);
afterAll(() => fleet.close(), PATIENCE_MS);

const json = async (words: readonly string[], code = 0): Promise<Record<string, unknown>> =>
  JSON.parse((await fleet.ran([...words, "--json"], code)).stdout);

describe.skipIf(!isHere)("services at their edges", () => {
  test(
    "a restart of what completes at once, and of what fails at once, is over when they are",
    async () => {
      for (let times = 0; times < 3; times += 1) {
        expect((await fleet.ran(["restart", "done", "--timeout", "90s"])).stdout).toContain("done completed");
        const { stdout } = await fleet.ran(["restart", "fails", "--timeout", "90s"], 1);
        expect(stdout).toContain("fails failed: exit code 1");
      }
    },
    PATIENCE_MS,
  );

  test(
    "a blocked service says what it waits for, and restart starts what it needs",
    async () => {
      const [web] = await fleet.until("it waits", ([one]) => one?.state === "blocked", "web");
      expect(web).toMatchObject({ waits_for: [{ name: "db", condition: "ready", states: ["stopped"] }] });
      expect((await fleet.ran(["list"])).stdout).toContain("waits for db");
      expect((await fleet.ran(["status", "web"])).stdout).toContain("waits for db (stopped)");
      expect((await fleet.ran(["restart", "web"])).stdout).toContain("web running, pid");
      expect((await fleet.one("db")).state).toBe("running");
    },
    PATIENCE_MS,
  );

  test(
    "a service that bears the name of a group is itself, and each is listed once",
    async () => {
      await fleet.ran(["start", "--name", "crowd", "--", ...STAYS]);
      expect((await fleet.ran(["stop", "crowd"])).stdout).toBe("crowd stopped\n");
      const listed = await json(["list", "crowd", "crowd", "off"]);
      expect(listed["services"]).toMatchObject([{ name: "crowd" }, { name: "off" }]);
      const again = await fleet.ran(["start", "--name", "crowd", "--", ...STAYS], 65);
      expect(again.stderr).toContain('hint: Start it with "fleetd start crowd"');
      expect((await fleet.ran(["forget", "crowd"])).stdout).toBe("crowd forgotten\n");
    },
    PATIENCE_MS,
  );

  test(
    "start that cannot be understood starts nothing",
    async () => {
      await fleet.ran(["start", "--name", "odd", "--timeout", "soon", "--", ...STAYS], 64);
      await fleet.ran(["list", "odd"], 65);
    },
    PATIENCE_MS,
  );

  test(
    "kill --dry-run only says who would get the signal",
    async () => {
      const { pid } = await fleet.one("db");
      const ran = await fleet.ran(["kill", "db", "--dry-run"]);
      expect(ran.stdout).toMatch(new RegExp(String.raw`^Would send SIGKILL to db \(${pid}\b`));
      expect(await fleet.one("db")).toMatchObject({ pid, state: "running" });
    },
    PATIENCE_MS,
  );

  test(
    "kill takes signals by name and by number, and an unknown one is 64",
    async () => {
      for (const signal of ["18", "CONT", "sigcont"]) {
        expect(await json(["kill", "db", "-s", signal])).toMatchObject({
          signal: "SIGCONT",
          instances: ["db"],
        });
      }
      for (const signal of ["SIGFOO", "99", "0"]) await fleet.ran(["kill", "db", "-s", signal], 64);
    },
    PATIENCE_MS,
  );

  test(
    "start of a file names its mistakes with their lines, and what may have been meant",
    async () => {
      const file = (name: string, text: string): string => {
        writeFileSync(join(fleet.folder, name), text);
        return join(fleet.folder, name);
      };
      const wrong = await fleet.ran(["start", file("wrong.yaml", "services:\n  a:\n    comand: [x]\n")], 65);
      expect(wrong.stderr).toContain(
        'line 3: unknown key "services.a.comand", did you mean "services.a.command"?',
      );
      expect((await fleet.ran(["start", file("torn.yaml", "services: [\n")], 65)).stderr).toContain(
        "line 2: ",
      );
      const missing = await fleet.ran(["start", join(fleet.folder, "missing.yaml")], 65);
      expect(missing.stderr).toContain("there is no such file");
    },
    PATIENCE_MS,
  );

  test(
    "a service replaced says when the old run may have answered for the new one",
    async () => {
      await fleet.ran(["start", "shares"]);
      const ran = await fleet.ran(["restart", "shares", "--zero-downtime"]);
      expect(ran.stdout).toBe("shares replaced\n");
      expect(ran.stderr).toContain("The old run of shares may have answered for the new one");
      expect(await json(["restart", "shares", "--zero-downtime"])).toMatchObject({
        unsure: ["shares"],
        failed: [],
      });
      await fleet.ran(["stop", "shares"]);
    },
    PATIENCE_MS,
  );

  test(
    "kill of what does not run says so: 1, and 2 where some of it does",
    async () => {
      const none = await fleet.ran(["kill", "off"], 1);
      expect([none.stdout, none.stderr]).toEqual(["", "Nothing of off runs: there is nothing to signal\n"]);
      expect(await json(["kill", "off", "db", "--signal", "CONT"], 2)).toMatchObject({
        signal: "SIGCONT",
        dry_run: false,
        instances: ["db"],
        not_running: ["off"],
      });
      await fleet.ran(["kill", "off", "--dry-run"], 1);
      expect((await fleet.ran(["kill", "db", "--signal", "FOO"], 64)).stderr).toContain('Cannot send "FOO"');
    },
    PATIENCE_MS,
  );

  test(
    "start --replace starts anew what runs with another definition, and nothing else",
    async () => {
      const give = (...words: readonly string[]) =>
        fleet.ran(["start", "--replace", "--name", "giv", "--", ...fleet.noted("giv", ...words)]);
      await give("sleep", "1111");
      const before = await fleet.one("giv");
      await give("sleep", "1111");
      expect((await fleet.one("giv")).pid).toBe(before.pid);
      await give("sleep", "2222");
      const after = await fleet.one("giv");
      expect(after).toMatchObject({ state: "running", outdated: false });
      expect(after.pid).not.toBe(before.pid);
      // A process has no words while it becomes another program.
      const words = (): string => readFileSync(`/proc/${after.pid}/cmdline`, "utf8");
      expect(await eventually(() => words().includes("2222"), PATIENCE_MS)).toBe(true);
      expect(existsSync(`/proc/${before.pid}`)).toBe(false);
    },
    PATIENCE_MS,
  );

  test(
    "probes that a reload brings are asked of the run under way",
    async () => {
      const probe = async (): Promise<{ target: string; well: boolean | null }> => {
        const { services: found } = (await json(["status", "probed"])) as { services: { probes: [never] }[] };
        return found[0]?.probes[0] ?? { target: "", well: null };
      };
      await untilHolds(async () => (await probe()).well === true, PATIENCE_MS);
      const { pid } = await fleet.one("probed");
      const asks = { liveness: { exec: ["test", "-e", "/proc/self"], interval: "200ms" } };
      fleet.configure(services(asks), SUPERVISOR);
      await fleet.ran(["reload"]);
      await untilHolds(async () => {
        const { target, well } = await probe();
        return target === "exec test -e /proc/self" && well === true;
      }, PATIENCE_MS);
      expect((await fleet.one("probed")).pid).toBe(pid);
      fleet.configure(services({ liveness: { exec: ["false"], interval: "200ms" } }), SUPERVISOR);
      await fleet.ran(["reload"]);
      const [one] = await fleet.until("it is ended", ([first]) => first?.state === "failed", "probed");
      expect(one?.last_end).toMatchObject({ reason: "probe" });
      expect(fleet.startsOf("probed")).toHaveLength(1);
    },
    PATIENCE_MS,
  );

  test(
    "what was said once is kept as long as it is to be kept, and forgotten with its service",
    async () => {
      const given = fleet.folderOf("giv");
      expect(existsSync(given)).toBe(true);
      await fleet.ran(["forget", "giv"]);
      await untilHolds(() => Promise.resolve(!existsSync(given)), PATIENCE_MS);
      await untilHolds(async () => (await fleet.ran(["logs", "once"])).stdout === "", PATIENCE_MS);
      expect((await fleet.one("once")).state).toBe("running");
    },
    PATIENCE_MS,
  );

  test(
    "memory of what forked twice and left its session counts, and processor time never falls",
    async () => {
      const { pid } = await fleet.one("detached");
      const [one] = await fleet.until(
        "all are seen",
        ([first]) => (first?.usage?.processes ?? 0) >= 2,
        "detached",
      );
      expect(one?.pid).toBe(pid);
      let last = 0;
      for (let seen = 0; seen < 4; ) {
        const [busy] = await fleet.list("busy");
        const used = (busy?.usage as { cpu_ms: number } | null)?.cpu_ms ?? last;
        expect(used).toBeGreaterThanOrEqual(last);
        if (used > last) seen += 1;
        last = used;
      }
    },
    PATIENCE_MS,
  );
});
