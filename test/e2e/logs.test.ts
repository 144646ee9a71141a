import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { LOG_LEVELS } from "../../src/base/log-line.ts";
import { TempFleet } from "../helpers/temp-fleet.ts";
import { eventually } from "../helpers/temp-git.ts";

const SUBJECT = "subject-hunter2";
const BODY = "How is the body-hunter2 doing?";
const fleet = new TempFleet();
const config = `${fleet.git.folder}/fleetd.yaml`;
const logPath = (server: string): string => `${fleet.root}/${server}/logs/fleetd.log`;
const logText = (server: string): string =>
  existsSync(logPath(server)) ? readFileSync(logPath(server), "utf8") : "";
type Line = Record<string, unknown> & { message: string; level: string };
const linesOf = (text: string): Line[] =>
  text
    .trim()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);
const logged = (server: string, part: string): Promise<boolean> =>
  eventually(() => logText(server).includes(part), 60_000);

beforeAll(async () => {
  await fleet.init(["code1", "code2"]);
});
afterAll(() => fleet.remove());

describe("a monitor's log", () => {
  test("has a line for what happened, each with the five fields, and never subject, body or environment", async () => {
    const env = { DEPLOY_TOKEN: "token-hunter2" };
    const monitor = await fleet.monitor("code2", [], { env });
    await fleet.json(["send", BODY, SUBJECT, "--to", "code2", "--wait", "replied", "--timeout", "60"], {
      as: "code1",
    });
    expect(await logged("code2", "pushed: 1 entry")).toBe(true);
    const ran = await monitor.stop();
    const lines = linesOf(logText("code2"));
    for (const line of lines) {
      expect(Object.keys(line)).toEqual(["timestamp", "level", "message", "server", "metadata"]);
      expect(String(line["timestamp"])).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      expect(LOG_LEVELS as readonly string[]).toContain(line.level);
      expect(line["server"]).toBe("code2");
    }
    expect(lines[0]).toMatchObject({ metadata: { pid: monitor.pid, interval_ms: 10_000 } });
    const messages = lines.map(({ message }) => message.split(":")[0]);
    expect(messages).toEqual(expect.arrayContaining(["ready", "message", "pushed", "stopping"]));
    expect(lines.at(-1)?.message).toBe("stopping");
    expect(logText("code2")).not.toContain("hunter2");
    // The console of the same monitor shows whoever watches it what came, and no body.
    expect(ran.stdout).toContain(SUBJECT);
    expect(ran.stdout).not.toContain("body-hunter2");
  }, 60_000);

  test("at level debug has every operation, and still no subject and no body", async () => {
    writeFileSync(config, "log:\n  level: debug\n");
    const monitor = await fleet.monitor("code2", ["--config", config]);
    await fleet.json(["send", BODY, SUBJECT, "--to", "code2", "--wait", "seen", "--timeout", "60"], {
      as: "code1",
    });
    expect(await logged("code2", "git_push: done")).toBe(true);
    await monitor.stop();
    const operations = linesOf(logText("code2")).filter(({ level }) => level === "DEBUG");
    expect(operations.map(({ message }) => message.split(":")[0])).toEqual(
      expect.arrayContaining(["git_pull", "git_push", "handle"]),
    );
    expect(logText("code2")).not.toContain("hunter2");
  }, 60_000);

  test("tells of a remote in trouble without the password in its URL", async () => {
    const silent = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: { data: (socket) => void socket.end() },
    });
    const url = `http://bob:hunter2@127.0.0.1:${silent.port}/x.git`;
    const state = `${fleet.root}/code1/state.db`;
    const { Database } = await import("bun:sqlite");
    const database = new Database(state);
    const before = database.query("SELECT value FROM settings WHERE key = 'identity'").get() as {
      value: string;
    };
    const identity = { ...(JSON.parse(before.value) as object), remoteUrl: url };
    const set = (value: string): void =>
      void database.run("UPDATE settings SET value = ? WHERE key = 'identity'", [value]);
    set(JSON.stringify(identity));
    const monitor = await fleet.monitor("code1");
    expect(await logged("code1", '"level":"ERROR"')).toBe(true);
    await monitor.stop();
    set(before.value);
    database.close();
    silent.stop();
    expect(logText("code1")).toContain("trouble: ");
    expect(logText("code1")).not.toContain("hunter2");
    expect(monitor.stdout()).not.toContain("hunter2");
  }, 60_000);

  test("is readable after kill -9, and the next monitor goes on in it", async () => {
    const monitor = await fleet.monitor("code2");
    await fleet.json(["send", BODY, SUBJECT, "--to", "code2", "--wait", "replied", "--timeout", "60"], {
      as: "code1",
    });
    expect(await logged("code2", `"pid":${monitor.pid}`)).toBe(true);
    await monitor.stop("SIGKILL");
    appendFileSync(logPath("code2"), '{"timestamp":"2026-');
    const next = await fleet.monitor("code2");
    expect(await logged("code2", `"pid":${next.pid}`)).toBe(true);
    await next.stop();
    const ran = await fleet.run(["logs", "--json"], { as: "code2" });
    expect(ran.code).toBe(0);
    expect(ran.stderr).toContain("1 line(s) of the log are not readable");
    expect(linesOf(ran.stdout).at(-1)?.message).toBe("stopping");
  }, 60_000);

  test("rotates while it is followed: no line is missed, and all files stay within the total", async () => {
    writeFileSync(config, "log:\n  level: debug\n  file_size: 2 KiB\n  total: 64 KiB\n");
    const following = fleet.start(["logs", "--follow", "--json", "--limit", "1"], { as: "code2" });
    expect(await eventually(() => following.stdout() !== "", 60_000)).toBe(true);
    const monitor = await fleet.monitor("code2", ["--config", config, "--interval", "50ms"]);
    const aside = (): string[] => readdirSync(`${fleet.root}/code2/logs`);
    expect(await eventually(() => aside().length > 5, 60_000)).toBe(true);
    await monitor.stop();
    await following.printed('"message":"stopping"');
    expect(
      await eventually(() => following.stdout().split('"message":"stopping"').length === 3, 60_000),
    ).toBe(true);
    await following.stop();
    const seen = linesOf(following.stdout()).map(({ timestamp, message }) => `${timestamp} ${message}`);
    const ran = await fleet.run(["logs", "--json", "--limit", String(seen.length)], { as: "code2" });
    expect(seen).toEqual(linesOf(ran.stdout).map(({ timestamp, message }) => `${timestamp} ${message}`));
  }, 60_000);
});

describe("logs", () => {
  test("--level, --since and --limit choose lines, newest last", async () => {
    const now = Date.now();
    const line = (level: string, agoMs: number): string =>
      `${JSON.stringify({ timestamp: new Date(now - agoMs).toISOString(), level, message: `${level} ${agoMs}`, server: "code2", metadata: { key: "value" } })}\n`;
    const text = [
      ["INFO", 7_200_000],
      ["ERROR", 7_100_000],
      ["WARNING", 60_000],
      ["DEBUG", 1000],
      ["CRITICAL", 0],
    ]
      .map(([level, ago]) => line(String(level), Number(ago)))
      .join("");
    rmSync(`${fleet.root}/code2/logs`, { recursive: true });
    mkdirSync(`${fleet.root}/code2/logs`);
    writeFileSync(logPath("code2"), text);
    const messages = async (...words: string[]): Promise<string[]> => {
      const ran = await fleet.run(["logs", "--json", ...words], { as: "code2" });
      expect(ran.code).toBe(0);
      return linesOf(ran.stdout).map(({ message }) => message);
    };
    expect(await messages("--since", "1h")).toEqual(["WARNING 60000", "DEBUG 1000", "CRITICAL 0"]);
    expect(await messages("--since", "1h", "--level", "warning")).toEqual(["WARNING 60000", "CRITICAL 0"]);
    expect(await messages("--limit", "2")).toEqual(["DEBUG 1000", "CRITICAL 0"]);
    expect(await messages("--level", "ERROR", "--limit", "1")).toEqual(["CRITICAL 0"]);
    const [day, ...shown] = (await fleet.text(["logs", "--limit", "2"], { as: "code2" }))
      .trimEnd()
      .split("\n");
    expect(day).toBe(new Date(now).toISOString().slice(0, 10));
    expect(shown[1]).toMatch(/^\d\d:\d\d:\d\d CRITICAL CRITICAL 0 {2}key=value$/);
  });

  test("of a server that never ran a monitor says so and ends with 0", async () => {
    await fleet
      .init(["code3"])
      .catch(() => fleet.text(["init", "--server", "code3", "--remote", `${fleet.root}/remote.git`]));
    const ran = await fleet.run(["logs"], { as: "code3" });
    expect(ran).toMatchObject({ code: 0, stdout: "" });
    expect(ran.stderr).toContain("No such lines");
  });

  test.each([
    [["logs", "--level", "loud"]],
    [["logs", "--since", "yesterday"]],
    [["logs", "--limit", "0"]],
    [["logs", "--lines", "3"]],
    [["metrics", "--hours", "0"]],
    [["metrics", "--hours", "-1"]],
    [["metrics", "--days", "1"]],
  ])("%j is refused", async (words) => {
    const ran = await fleet.run(words, { as: "code2" });
    expect(ran).toMatchObject({ code: 64, stdout: "" });
  });

  test("show hostile lines of a file harmlessly", async () => {
    const hostile = "\u001b]0;owned\u0007\u202e";
    const entry = {
      timestamp: new Date().toISOString(),
      level: "INFO",
      message: hostile,
      server: "x",
      metadata: { a: hostile },
    };
    appendFileSync(logPath("code2"), `${JSON.stringify(entry)}\n`);
    for (const words of [
      ["logs", "--limit", "1"],
      ["logs", "--limit", "1", "--json"],
    ]) {
      const stdout = await fleet.text(words, { as: "code2" });
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they must not be there
      expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
    }
  });
});
