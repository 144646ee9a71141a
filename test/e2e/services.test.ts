// Every command about services on the compiled executable, with its flags, exit codes and JSON.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ListedService, SERVICE_PROGRAMS, ServiceFleet } from "../helpers/service-fleet.ts";
import { eventually, untilHolds } from "../helpers/temp-git.ts";

const isHere = process.platform === "linux";
if (!isHere) console.log("skipped: services on the executable, because this test looks into /proc");
const PATIENCE_MS = 120_000;

const fleet = new ServiceFleet();
const STAYS = ["sh", "-c", "echo up; while :; do sleep 0.2; done"];
const IS_UP = { readiness: { log: "^up$" } };
const configured = (): Record<string, object> => ({
  web: { command: fleet.noted("web", ...STAYS), instances: 2, groups: ["front"] },
  cache: { command: fleet.noted("cache", ...STAYS), groups: ["front"], probes: IS_UP },
  job: { command: fleet.noted("job", "true") },
  broken: { command: ["/no/such/program"], restart: "no", enabled: false },
  fails: { command: ["sh", "-c", "exit 9"], restart: "no", enabled: false },
  always: { command: fleet.noted("always", ...STAYS), restart: "always" },
});
const SUPERVISOR = { stop_timeout: "2s", backoff_first: "100ms", sample: "300ms" };

beforeAll(async () => {
  await fleet.init();
  fleet.configure(configured(), SUPERVISOR);
}, PATIENCE_MS);
afterAll(() => fleet.close(), PATIENCE_MS);

const states = (services: readonly ListedService[]): string[] =>
  services.map(({ name, state }) => `${name} ${state}`);
const json = async (words: readonly string[], code = 0): Promise<Record<string, unknown>> =>
  JSON.parse((await fleet.ran([...words, "--json"], code)).stdout);
const linesOf = async (name: string): Promise<string[]> =>
  (await fleet.ran(["logs", name, "--json"])).stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => (JSON.parse(line) as { message: string }).message);

describe.skipIf(!isHere)("without a monitor", () => {
  test.each(["list", "ps", "stats", "start web", "stop web", "restart web", "kill web"])(
    "%s is 69 and says what to start",
    async (words) => {
      const ran = await fleet.run(words.split(" "));
      expect(ran).toMatchObject({ code: 69, stdout: "" });
      expect(ran.stderr).toContain("no monitor runs");
      expect(ran.stderr).toContain("fleetd monitor");
    },
  );
});

describe.skipIf(!isHere)("services of the configuration", () => {
  test(
    "start with the monitor, and list tells what became of each",
    async () => {
      await fleet.monitor();
      const wanted = [
        "always running",
        "broken stopped",
        "cache running",
        "fails stopped",
        "job completed",
        "web:1 running",
        "web:2 running",
      ];
      await fleet.until("all are up", (all) => states(all).join() === wanted.join());
      // A process is there a moment before its program notes that.
      expect(await eventually(() => fleet.startsOf("always").length === 1, 60_000)).toBe(true);
      const [always] = await fleet.list("always");
      expect(always).toMatchObject({
        service: "always",
        wanted: true,
        ready: true,
        pid: fleet.startsOf("always")[0]?.pid,
        restarts: 0,
        last_end: null,
        origin: "configured",
        outdated: false,
      });
      const { stdout } = await fleet.ran(["ps"]);
      expect(stdout).toMatch(/^NAME +STATE +PID/);
      expect(stdout).toMatch(/^job +completed .*exit code 0/m);
      expect(states(await fleet.list("front"))).toEqual(["cache running", "web:1 running", "web:2 running"]);
    },
    PATIENCE_MS,
  );

  test("are stopped and started by name, instance and group", async () => {
    expect(await json(["stop", "web:2"])).toMatchObject({ schema: "fleetd.stop/1", settled: true });
    expect(states(await fleet.list("web"))).toEqual(["web:1 running", "web:2 stopped"]);
    await fleet.ran(["stop", "front"]);
    expect(states(await fleet.list("front"))).toEqual(["cache stopped", "web:1 stopped", "web:2 stopped"]);
    const { services } = await json(["start", "front"]);
    expect(states(services as ListedService[])).toEqual(["cache running", "web:1 running", "web:2 running"]);
    expect(await eventually(() => fleet.startsOf("cache").length === 2, 60_000)).toBe(true);
    expect((await fleet.ran(["start", "cache"])).stdout).toContain("cache running, pid");
    expect(fleet.startsOf("cache")).toHaveLength(2);
  });

  test("that do not come up are 1, and 2 where some do", async () => {
    const ran = await fleet.ran(["start", "broken"], 1);
    expect(ran.stdout).toMatch(/^broken failed: .*no\/such\/program/);
    await fleet.ran(["start", "broken", "cache"], 2);
    expect(await fleet.one("broken")).toMatchObject({ state: "failed", last_end: { reason: "spawn" } });
    await fleet.run(["start", "fails"]);
    const [one] = await fleet.until("it has failed", ([first]) => first?.state === "failed", "fails");
    expect(one?.last_end).toMatchObject({ reason: "code", text: "exit code 9" });
  });

  test("restart is another process, also without a gap", async () => {
    const before = await fleet.one("cache");
    await fleet.ran(["restart", "cache"]);
    const after = await fleet.one("cache");
    expect(after.state).toBe("running");
    expect(after.pid).not.toBe(before.pid);
    expect(await json(["restart", "cache", "--zero-downtime"])).toMatchObject({
      instances: ["cache"],
      failed: [],
    });
    const last = await fleet.one("cache");
    expect([last.state, last.successor]).toEqual(["running", false]);
    expect(last.pid).not.toBe(after.pid);
    expect(await eventually(() => fleet.startsOf("cache").length === 4, 60_000)).toBe(true);
  });

  test("kill sends a signal, and what follows is the policy's", async () => {
    expect(await json(["kill", "always", "--signal", "term"])).toMatchObject({
      signal: "SIGTERM",
      instances: ["always"],
    });
    const [one] = await fleet.until("it runs again", ([one]) => one?.restarts === 1 && one.ready, "always");
    expect(one?.last_end).toMatchObject({ reason: "signal", text: "ended by SIGTERM" });
    expect((await fleet.run(["kill", "always", "--signal", "NOPE"])).code).not.toBe(0);
  });

  test("stats tells what they use, under the names of metrics", async () => {
    await fleet.until("usage is known", ([one]) => (one?.usage?.memory_bytes ?? 0) > 100_000, "always");
    const { metrics } = (await json(["stats", "always"])) as {
      metrics: { name: string; type: string; samples: { labels: object; value: number }[] }[];
    };
    expect(metrics.map(({ name }) => name)).toEqual([
      "fleetd_service_up",
      "fleetd_service_cpu_seconds_total",
      "fleetd_service_memory_bytes",
      "fleetd_service_processes",
      "fleetd_service_restarts_total",
      "fleetd_service_start_time_seconds",
    ]);
    for (const { name, samples } of metrics) {
      expect(name).toMatch(/^[a-z_]+$/);
      expect(samples).toMatchObject([{ labels: { service: "always", instance: "always" } }]);
    }
    expect(metrics[2]?.samples[0]?.value).toBeGreaterThan(100_000);
    expect((await fleet.ran(["stats"])).stdout).toContain("always");
  });

  test.each([
    "list wbe",
    "start wbe",
    "stop wbe",
    "restart wbe",
    "kill wbe",
    "stats wbe",
    `adopt wbe --pid ${process.pid}`,
  ])("an unknown name is 65 and the known ones are named: %s", async (words) => {
    const ran = await fleet.run(words.split(" "));
    expect(ran).toMatchObject({ code: 65, stdout: "" });
    expect(ran.stderr).toContain('service "wbe"');
    expect(ran.stderr).toMatch(/always.*cache/);
  });

  test.each([
    [["stop"], "Missing NAME"],
    [["restart"], "Missing NAME"],
    [["stop", "web", "--all"], "need one of them"],
    [["start", "web", "--nope"], "nope"],
    [["stop", "web", "--timeout", "soon"], "soon"],
    [["start", "--name", "a b", "--", "true"], "a b"],
    [["start", "--name", "x", "--env", "novalue", "--", "true"], "novalue"],
  ])("%j is 64", async (words, text) => {
    const ran = await fleet.run(words);
    expect(ran).toMatchObject({ code: 64, stdout: "" });
    expect(ran.stderr).toContain(text);
  });

  test("reload starts what is new, ends what is gone, and leaves what runs", async () => {
    const before = await fleet.one("cache");
    const { web: _, ...rest } = configured();
    fleet.configure(
      {
        ...rest,
        cache: { command: fleet.noted("cache", ...STAYS), env: { CHANGED: "1" } },
        late: { command: fleet.noted("late", ...STAYS) },
      },
      SUPERVISOR,
    );
    await fleet.ran(["reload"]);
    const all = await fleet.until(
      "the new one runs and the old one is gone",
      (all) =>
        all.some(({ name, ready }) => name === "late" && ready) &&
        !all.some(({ service }) => service === "web"),
    );
    expect(all.find(({ name }) => name === "cache")).toMatchObject({ pid: before.pid, outdated: true });
    expect(fleet.processes().filter(({ service }) => service === "web")).toEqual([]);
    await fleet.ran(["restart", "cache"]);
    expect(await fleet.one("cache")).toMatchObject({ outdated: false });
    expect((await fleet.run(["forget", "cache"])).code).toBe(65);
  });
});

describe.skipIf(!isHere)("services by command", () => {
  test("run what they are told to, with all that is told of them", async () => {
    const file = join(fleet.folder, "given.env");
    writeFileSync(file, "FROM_FILE='a b'\nexport TWICE=file\nRUN=$(touch /nonexistent)\n");
    const words = [
      "start",
      "--name",
      "given",
      "--env",
      "TWICE=flag",
      "--env-file",
      file,
      "--cwd",
      fleet.folder,
    ];
    await fleet.ran([
      ...words,
      "--instances",
      "2",
      "--restart",
      "no",
      "--",
      "sh",
      "-c",
      "pwd; env; echo over; sleep 1000",
    ]);
    const [one, two] = await fleet.list("given");
    expect([one?.name, two?.name, one?.state, one?.origin]).toEqual([
      "given:1",
      "given:2",
      "running",
      "given",
    ]);
    await untilHolds(async () => (await linesOf("given:2")).includes("over"), 60_000);
    const lines = await linesOf("given:2");
    expect(lines[0]).toBe(fleet.folder);
    const wanted = ["FROM_FILE=a b", "TWICE=flag", "RUN=$(touch /nonexistent)", "FLEETD_INSTANCE=2"];
    expect(wanted.filter((line) => !lines.includes(line))).toEqual([]);
    expect((await fleet.run(["start", "--name", "given", "--", "true"])).code).toBe(65);
    await fleet.ran(["start", "--name", "given", "--replace", "--", "sleep", "1000"]);
    await fleet.until("one is left", (all) => all.length === 1 && all[0]?.name === "given", "given");
  });

  test(
    "that are forgotten leave nothing, and nothing of them stays open",
    async () => {
      await fleet.ran([
        "start",
        "--name",
        "brief",
        "--",
        "sh",
        "-c",
        "trap 'echo bye; exit' TERM; echo hello; while :; do sleep 0.1; done",
      ]);
      const folder = fleet.folderOf("brief");
      await fleet.ran(["forget", "brief"]);
      expect((await fleet.run(["list", "brief"])).code).toBe(65);
      expect(await eventually(() => !existsSync(folder), 60_000)).toBe(true);
      const { pid } = fleet.running;
      const open = readdirSync(`/proc/${pid}/fd`).map((fd) => {
        try {
          return readlinkSync(`/proc/${pid}/fd/${fd}`);
        } catch {
          return "";
        }
      });
      expect(open.filter((path) => path.startsWith(folder))).toEqual([]);
    },
    PATIENCE_MS,
  );

  test("come from a file of definitions, or are a program", async () => {
    const file = join(fleet.folder, "more.yaml");
    writeFileSync(file, `services:\n  filed:\n    command: [sleep, "1000"]\n    restart: always\n`);
    expect((await fleet.ran(["start", file])).stdout).toContain("filed running");
    const program = join(fleet.folder, "My Program.sh");
    writeFileSync(program, "echo started by sh\nexec sleep 1000\n");
    await fleet.ran(["start", program]);
    expect(await fleet.one("my-program")).toMatchObject({ state: "running", command: ["sh", program] });
    for (const [words, text] of [
      [["start", join(fleet.folder, "none.sh")], "there is no such file"],
      [["start", "--name", "x", "--cwd", "/no/such", "--", "sleep", "1"], "/no/such"],
    ] as const) {
      const ran = await fleet.run(words);
      expect(ran.code).not.toBe(0);
      expect(ran.stderr + ran.stdout).toContain(text);
    }
    await fleet.run(["forget", "x"]);
  });

  test("that ignore TERM: stop waits as long as it is told to, --now does not", async () => {
    await fleet.ran([
      "start",
      "--name",
      "stubborn",
      "--",
      join(SERVICE_PROGRAMS, "../supervision/ignores-term.sh"),
    ]);
    await untilHolds(async () => (await linesOf("stubborn")).includes("ready"), 60_000);
    // The daemon itself gives it 2 s, then it is killed.
    const ran = await fleet.run(["stop", "stubborn", "--timeout", "100ms"]);
    expect(ran.code).toBe(75);
    await fleet.until("it was ended", ([one]) => one?.state === "stopped", "stubborn");
    await fleet.ran(["start", "stubborn"]);
    const { pid } = await fleet.one("stubborn");
    await fleet.ran(["stop", "stubborn", "--now"]);
    expect(existsSync(`/proc/${pid}`)).toBe(false);
  });

  test("may take a process that runs already", async () => {
    await fleet.ran(["stop", "filed"]);
    const child = Bun.spawn(["sleep", "1000"], { env: { FLEETD_HOME: fleet.folder } });
    expect(await json(["adopt", "filed", "--pid", String(child.pid)])).toMatchObject({
      instances: ["filed"],
    });
    expect(await fleet.one("filed")).toMatchObject({ state: "running", pid: child.pid });
    expect((await fleet.run(["adopt", "filed", "--pid", String(process.pid)])).code).toBe(65);
    await fleet.ran(["stop", "filed"]);
    expect(await child.exited).toBe(143);
    expect((await fleet.run(["adopt", "filed", "--pid", "999999999"])).code).not.toBe(0);
  });
});

describe.skipIf(!isHere)("the next monitor", () => {
  test(
    "leaves a service that a person stopped, whatever its policy says, and adopts the rest",
    async () => {
      await fleet.ran(["stop", "always"]);
      const before = await fleet.list();
      await fleet.killMonitor();
      await fleet.monitor();
      const after = await fleet.until("all are up", (all) => states(all).join() === states(before).join());
      expect(after.map(({ pid }) => pid)).toEqual(before.map(({ pid }) => pid));
      const starts = fleet.startsOf("always").length;
      await fleet.ran(["start", "always"]);
      expect(await eventually(() => fleet.startsOf("always").length === starts + 1, 60_000)).toBe(true);
    },
    PATIENCE_MS,
  );

  test(
    "of another server is asked through it while it is messaging-only, and takes over",
    async () => {
      await fleet.fleet.text(["init", "--server", "code2", "--remote", `${fleet.root}/remote.git`]);
      const second = await fleet.fleet.monitor("code2", [], { env: { FLEETD_CONFIG: fleet.config } });
      const before = await fleet.list();
      expect(await json(["list", "--server", "code2"])).toMatchObject({ schema: "fleetd.list/1" });
      const lateStarts = fleet.startsOf("late").length;
      await fleet.ran(["restart", "late", "--server", "code2"]);
      expect(await eventually(() => fleet.startsOf("late").length > lateStarts, 60_000)).toBe(true);
      const status = await json(["status", "--server", "code2"]);
      expect(status).toMatchObject({ monitor: { holds_machine: false } });
      const starts = fleet.allStarts().length;
      await fleet.killMonitor();
      expect(await eventually(() => second.stdout().includes("runs on, pid"), 60_000)).toBe(true);
      const all = await fleet.list("--server", "code2");
      expect(all.map(({ name }) => name)).toEqual(before.map(({ name }) => name));
      const moved = all.filter(({ name }) => name !== "late").map(({ name, pid }) => [name, pid]);
      expect(moved).toEqual(before.filter(({ name }) => name !== "late").map(({ name, pid }) => [name, pid]));
      expect(fleet.allStarts()).toHaveLength(starts);
      await second.stop();
    },
    PATIENCE_MS,
  );

  test(
    "of which keep_children: false ends its services with itself",
    async () => {
      fleet.configure(
        { keeps: { command: fleet.noted("keeps", ...STAYS) } },
        { ...SUPERVISOR, keep_children: false },
      );
      const monitor = await fleet.monitor();
      await fleet.until("it runs", ([one]) => one?.ready === true, "keeps");
      await monitor.stop();
      expect(fleet.processes()).toEqual([]);
      await fleet.monitor();
      await fleet.until("it runs again", ([one]) => one?.ready === true, "keeps");
      await fleet.ran(["stop", "--all"]);
      expect((await fleet.list()).every(({ state }) => state === "stopped" || state === "completed")).toBe(
        true,
      );
    },
    PATIENCE_MS,
  );
});
