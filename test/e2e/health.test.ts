// `fleetd health` and `status` on the built executable: their exit codes, what a tired person reads first, 80 columns.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CHECK_IDS } from "../../src/fleet/health/model.ts";
import { serverPaths } from "../../src/platform/paths.ts";
import { openDatabase } from "../../src/platform/sqlite-database.ts";
import { FLEETD, type Running, TempFleet } from "../helpers/temp-fleet.ts";
import { eventually, pauseAfter } from "../helpers/temp-git.ts";

const TIMEOUT_MS = 60_000;
const isPosix = process.platform !== "win32";

const fleet = new TempFleet();
const one = { as: "code1" };
const two = { as: "code2" };
const remote = join(fleet.root, "remote.git");
const quick = fleet.git.path("quick.yaml");
let monitor: Running;

type Check = {
  id: string;
  verdict: string;
  figure: string;
  threshold: string;
  evidence: string;
  fix: string;
};

beforeAll(async () => {
  writeFileSync(
    quick,
    "interval: 200ms\nhealth: {interval: 300ms, remote_warn: 1s, remote_critical: 3s, queue_warn: 1s}\n",
  );
  await fleet.init(["code1", "code2"]);
  monitor = await fleet.monitor("code1", ["--config", quick]);
}, TIMEOUT_MS);
afterAll(() => fleet.remove(), TIMEOUT_MS);

/** Asks again and again until `condition` holds; false when it does not within `withinMs`. */
async function becomes(condition: () => Promise<boolean>, withinMs: number): Promise<boolean> {
  const deadlineMs = performance.now() + withinMs;
  while (performance.now() < deadlineMs) {
    const askedMs = performance.now();
    if (await condition()) return true;
    await pauseAfter(askedMs, 50);
  }
  return false;
}

async function judge(options: Parameters<TempFleet["run"]>[1] = one, words: string[] = []) {
  const ran = await fleet.run(["health", "--json", ...words], options);
  const answer = ran.stdout === "" ? { verdict: "", checks: [] } : JSON.parse(ran.stdout);
  return { code: ran.code, ...(answer as { verdict: string; checks: Check[] }), stderr: ran.stderr };
}

const checkOf = (report: { checks: Check[] }, id: string): Check | undefined =>
  report.checks.find((check) => check.id === id);

const settings = (text: string): string[] => {
  const path = fleet.git.path("settings.yaml");
  writeFileSync(path, text);
  return ["--config", path];
};

describe("fleetd health ends with", () => {
  test("0 when all is well", async () => {
    const report = await judge();
    expect(report.checks.filter((check) => check.verdict !== "ok")).toEqual([]);
    expect(report).toMatchObject({ code: 0, verdict: "ok", schema: "fleetd.health/1" });
    expect(report.checks.map((check) => check.id)).toEqual(CHECK_IDS.filter((id) => id !== "services"));
  });

  test("1 without a monitor: the remote is then asked by the command itself", async () => {
    const report = await judge(two);
    expect(report).toMatchObject({ code: 1, verdict: "warn" });
    expect(checkOf(report, "monitor")).toMatchObject({ verdict: "warn", fix: "fleetd monitor" });
    expect(checkOf(report, "remote")).toMatchObject({ verdict: "ok" });
  });

  test("2 when the disk is as full as the settings call critical", async () => {
    const report = await judge(one, settings("health: {disk_warn: 999999GiB, disk_critical: 999998GiB}\n"));
    expect(report).toMatchObject({ code: 2, verdict: "critical" });
    expect(checkOf(report, "disk")).toMatchObject({
      verdict: "critical",
      figure: expect.stringMatching(/ free$/),
    });
  });

  test("3 where there is nothing to judge", async () => {
    const env = { FLEETD_HOME: join(fleet.git.folder, "nobody") };
    expect(await judge({ env })).toMatchObject({ code: 3 });
    expect((await fleet.run(["status", "--check"], { env })).code).toBe(3);
    expect((await fleet.run(["status"], { env })).code).toBe(78);
  });

  test("2 when the state is damaged, and with 2 when git is gone", async () => {
    await fleet.init(["broken1"]);
    const { state } = serverPaths(fleet.root, "broken1");
    for (const suffix of ["-wal", "-shm"]) rmSync(state + suffix, { force: true });
    writeFileSync(state, "damaged ".repeat(100));
    const report = await judge({ as: "broken1" });
    expect(report.code).toBe(2);
    expect(checkOf(report, "state")?.verdict).toBe("critical");
    const shown = await fleet.run(["status"], { as: "broken1" });
    expect(shown.stdout).toStartWith("● critical: the state of this server cannot be used");
    const without = await judge({ ...two, env: { PATH: fleet.git.folder } });
    expect(without.code).toBe(2);
    expect(checkOf(without, "git")?.verdict).toBe("critical");
  });
});

/** The first two lines of the page, wherever they are broken: what is wrong and what to do. */
async function headline(options: Parameters<TempFleet["run"]>[1], words: string[] = []): Promise<string> {
  const page = await fleet.text(["status", ...words], options);
  const end = page.indexOf("\n", page.indexOf("→"));
  return page.slice(0, end).replace(/\n\s+/g, " ");
}

describe("a tired person reads first", () => {
  test("that all is well", async () => {
    expect(await fleet.text(["status"], one)).toStartWith("● all is well");
  });

  test("that no monitor runs, and how to start one", async () => {
    expect(await headline(two)).toBe(
      "● warn: no monitor is running: nothing is received or answered → fleetd monitor",
    );
  });

  test.if(isPosix)(
    "that the remote is gone, how long, and what to run; and that it is back",
    async () => {
      renameSync(remote, `${remote}.away`);
      const words = ["--config", quick];
      const isCritical = await becomes(async () => (await judge(one, words)).code === 2, 60_000);
      expect(isCritical).toBe(true);
      const read = await headline(one, words);
      expect(read).toMatch(/^● critical: .*(remote|breaker)/);
      expect(read).toContain("→ fleetd doctor");
      expect(await eventually(() => /health +.*critical: /.test(monitor.stdout()), 60_000)).toBe(true);
      renameSync(`${remote}.away`, remote);
      expect(await becomes(async () => (await judge(one, words)).code === 0, 60_000)).toBe(true);
      expect(await eventually(() => /health +.*all is well again/.test(monitor.stdout()), 60_000)).toBe(true);
    },
    TIMEOUT_MS * 2,
  );

  test("that a message is dead, why, and how to revive it", async () => {
    await fleet.json(["send", "body", "subject", "--to", "code1", "--wait", "queued"], two);
    const state = openDatabase(serverPaths(fleet.root, "code2").state, { create: false, durability: "full" });
    state.run(
      "UPDATE outbox SET state = 'dead', refused = 5, reason = 'hook declined', failed_wall_ms = 1 WHERE state = 'queued'",
    );
    const page = await fleet.text(["status"], two);
    state.run(
      "UPDATE outbox SET state = 'queued', refused = 0, reason = '', failed_wall_ms = NULL WHERE state = 'dead'",
    );
    state.close();
    expect(page.replace(/\n\s+/g, " ")).toContain(
      "1 message is dead, refused by the remote: hook declined → fleetd queue list",
    );
    expect(page).toMatch(/outbox +nothing waits, 1 dead/);
  });
});

describe("status", () => {
  test("tells scripts every problem, the breaker's place, presence and health of the others", async () => {
    await fleet.text(["inbox"], two);
    const answer = await fleet.json(["status"], two);
    expect(answer).toMatchObject({
      schema: "fleetd.status/1",
      verdict: "warn",
      monitor: null,
      remote: { url: remote },
      queue: { dead: 0 },
      peers: expect.arrayContaining([
        expect.objectContaining({ server: "code1", presence: "online", health: "ok" }),
      ]),
    });
    const problems = answer["problems"] as { id: string; verdict: string; text: string; fix: string }[];
    expect(answer["problems_total"]).toBe(problems.length);
    expect(problems[0]).toEqual({
      id: "monitor",
      verdict: "warn",
      text: "no monitor is running: nothing is received or answered",
      fix: "fleetd monitor",
    });
  });

  test("--check has the verdict as exit code", async () => {
    expect((await fleet.run(["status", "--check"], one)).code).toBe(0);
    expect((await fleet.run(["status", "--check"], two)).code).toBe(1);
  });

  test(
    "--watch without a terminal prints pages until Ctrl-C, and ends with 130",
    async () => {
      const watching = fleet.start(["status", "--watch"], one);
      await watching.printed("all is well");
      await fleet.json(["send", "news", "--to", "code1"], two);
      expect(await eventually(() => /[1-9] unread/.test(watching.stdout()), 60_000)).toBe(true);
      const ran = await watching.stop("SIGINT");
      expect(ran).toMatchObject({ code: 130, stderr: "" });
      expect(ran.stdout).not.toContain("\u001B");
    },
    TIMEOUT_MS,
  );
});

/** Runs fleetd on a terminal of 80 columns; `until` says when it is enough. */
async function onTerminal(words: readonly string[], server: string, until?: (output: string) => boolean) {
  const decoder = new TextDecoder();
  let output = "";
  const child = Bun.spawn([FLEETD, ...words], {
    env: { ...fleet.environment, FLEETD_SERVER: server, TERM: "xterm" },
    terminal: {
      cols: 80,
      rows: 24,
      data: (_, bytes) => {
        output += decoder.decode(bytes, { stream: true });
      },
    },
  });
  if (until !== undefined) {
    await eventually(() => until(output), 60_000);
    child.kill("SIGINT");
  }
  const code = await child.exited;
  await eventually(() => output.length > 0, 60_000);
  child.terminal?.close();
  return { code, lines: output.replaceAll("\r\n", "\n").split("\n") };
}

const widest = (lines: readonly string[]): number => Math.max(...lines.map((line) => Bun.stringWidth(line)));

describe.if(isPosix)("on a terminal of 80 columns", () => {
  test.each([["status"], ["health"], ["doctor"]])("%s fits", async (command) => {
    for (const server of ["code1", "code2"]) {
      const { lines } = await onTerminal([command], server);
      expect(widest(lines)).toBeLessThanOrEqual(80);
      expect(lines.length).toBeGreaterThan(2);
    }
  });

  test("status fits with long paths and long reasons, too", async () => {
    const far = join(fleet.git.folder, "x".repeat(60), "y".repeat(60));
    mkdirSync(far, { recursive: true, mode: 0o700 });
    chmodSync(far, 0o700);
    const env = { FLEETD_HOME: far };
    await fleet.text(["init", "--server", "long1", "--remote", remote], { env });
    const page = await fleet.text(["status"], { as: "long1", env });
    const report = await fleet.run(["health"], { as: "long1", env });
    const examined = await fleet.run(["doctor"], { as: "long1", env });
    const lines = [page, report.stdout, examined.stdout].join("\n").split("\n");
    expect(widest(lines)).toBeLessThanOrEqual(80);
  });

  test("status --watch draws in place and ends with 130 on Ctrl-C", async () => {
    const { code, lines } = await onTerminal(["status", "-w"], "code1", (output) => output.includes("PEER"));
    expect(code).toBe(130);
    expect(lines.join("\n")).toContain("\u001B[H");
    expect(widest(lines)).toBeLessThanOrEqual(80);
  });
});
