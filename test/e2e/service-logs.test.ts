import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { PumpLimits, ServiceLog } from "../../src/base/ports/service-log.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { openServiceLog } from "../../src/platform/service-log/service-log.ts";
import { TempFleet } from "../helpers/temp-fleet.ts";
import { eventually } from "../helpers/temp-git.ts";

const fleet = new TempFleet();
const services = join(fleet.root, "services.d");
const open: ServiceLog[] = [];
afterAll(async () => {
  for (const log of open) log.close();
  await fleet.remove();
});

/** The log of an instance, written as the daemon writes it. */
function logOf(folder: string, limits: Partial<PumpLimits> = {}): (text: string) => void {
  const path = join(services, folder);
  mkdirSync(path, { recursive: true });
  const log = openServiceLog(path, {
    limits: () => ({
      fileBytes: 1_000_000,
      keepMs: 3_600_000,
      totalBytes: 10_000_000,
      linesPerSecond: 0,
      diskFreeBytes: 0,
      partialMs: 0,
      ...limits,
    }),
    clock: systemClock,
    onTrouble: (detail) => {
      throw new Error(detail);
    },
    onRecovered: () => undefined,
  });
  open.push(log);
  const spool = join(path, "spool-1");
  log.follow(spool);
  return (text) => {
    appendFileSync(spool, text);
    while (log.pump());
  };
}

const messages = (stdout: string): string[] =>
  stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const { service, message } = JSON.parse(line) as { service: string; message: string };
      return `${service} ${message}`;
    });

/** The second lines of two logs must not have the same time as the first. */
async function nextMillisecond(): Promise<void> {
  const now = Date.now();
  await eventually(() => Date.now() > now + 20, 60_000);
}

beforeAll(async () => {
  const first = logOf("web");
  const second = logOf("web.2");
  const database = logOf("db");
  first("ready\n");
  await nextMillisecond();
  second("ready, too\nERROR no database\n");
  await nextMillisecond();
  database("[warn] slow\n\u001b]0;owned\u0007\u202e\n");
  await nextMillisecond();
  first("bye\n");
});

describe("logs NAME", () => {
  test("shows the log of a service without any server or daemon", async () => {
    const [day, ...lines] = (await fleet.text(["logs", "db"])).trimEnd().split("\n");
    expect(day).toMatch(/^\d{4}-\d\d-\d\d$/);
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d WARNING \[warn\] slow$/);
    expect(lines[1]).toContain("INFO    ␛]0;owned␇<U+202E>");
  });

  test("of several instances is one log in the order of time, and says whose each line is", async () => {
    const [, ...lines] = (await fleet.text(["logs", "web"])).trimEnd().split("\n");
    expect(lines.map((line) => line.slice(9))).toEqual([
      "INFO    web ready",
      "INFO    web:2 ready, too",
      "ERROR   web:2 ERROR no database",
      "INFO    web bye",
    ]);
  });

  test("takes instances, several names, a level, a limit, and prints JSON", async () => {
    const shown = async (...words: string[]): Promise<string[]> =>
      messages(await fleet.text(["logs", ...words, "--json"]));
    expect(await shown("web:1")).toEqual(["web ready", "web bye"]);
    expect(await shown("web:1", "db", "--limit", "2")).toEqual(["db \u001b]0;owned\u0007\u202e", "web bye"]);
    expect(await shown("web", "db", "--level", "warning")).toEqual([
      "web:2 ERROR no database",
      "db [warn] slow",
    ]);
    expect(await shown("web", "--since", "1h")).toHaveLength(4);
    const [line = ""] = (await fleet.text(["logs", "db", "--json"])).split("\n");
    expect(JSON.parse(line)).toMatchObject({
      schema: "fleetd.logs/1",
      level: "WARNING",
      message: "[warn] slow",
      service: "db",
    });
  });

  test.each([
    [["logs", "wbe"], 'did you mean "web'],
    [["logs", "web:3"], 'Cannot show logs of "web:3"'],
    [["logs", "../web"], "no service of that name"],
  ])("%j is refused", async (words, text) => {
    const ran = await fleet.run(words);
    expect(ran).toMatchObject({ code: 65, stdout: "" });
    expect(ran.stderr).toContain(text);
  });

  test("of a service that is configured and was never started says that there is nothing", async () => {
    const config = join(fleet.git.folder, "fleetd.yaml");
    writeFileSync(config, "services:\n  later:\n    command: [sleep, '1']\n");
    const ran = await fleet.run(["logs", "later", "--config", config]);
    expect(ran).toMatchObject({ code: 0, stdout: "" });
    expect(ran.stderr).toContain("No such lines");
  });

  test("--follow goes on through rotation, and with instances that come later", async () => {
    const write = logOf("flow", { fileBytes: 2_000 });
    write("line 0\n");
    const following = fleet.start(["logs", "flow", "--follow", "--json"]);
    await following.printed("line 0");
    for (let index = 1; index < 200; index += 1) write(`line ${index}\n`);
    await following.printed('"message":"line 199"');
    logOf("flow.2")("another\n");
    await following.printed('"service":"flow:2"');
    expect((await following.stop()).code).toBe(143);
    expect(messages(following.stdout())).toEqual([
      ...Array.from({ length: 200 }, (_, index) => `flow line ${index}`),
      "flow:2 another",
    ]);
  }, 60_000);
});
