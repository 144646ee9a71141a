// A bug report helps, and holds no secret: whatever is planted in key, messages, address, settings and environment is
// in no byte of the unpacked archive.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { serverPaths } from "../../src/platform/paths.ts";
import { openDatabase } from "../../src/platform/sqlite-database.ts";
import { TempFleet } from "../helpers/temp-fleet.ts";

const TIMEOUT_MS = 60_000;
const isPosix = process.platform !== "win32";

const fleet = new TempFleet();
const one = { as: "code1" };
const paths = serverPaths(fleet.root, "code1");
const output = join(fleet.git.folder, "report.tar.gz");

const PASSWORD = "pw-in-the-address";
const BODY = "this is what the message says";
const SUBJECT = "what it is about";
const TOKEN = "tok-4711-environment";
const REFERENCED = "value-behind-a-reference";
const ARGUMENT = "--key=in-an-argument";
const REPLY = "what a rule answers";

const env = { FLEETD_TEST_TOKEN: TOKEN, SMTP_SECRET_VALUE: REFERENCED };

beforeAll(async () => {
  await fleet.init(["code1", "code2"]);
  await fleet.json(["send", BODY, SUBJECT, "--to", "code2"], one);
  await fleet.json(["send", BODY, SUBJECT, "--to", "code1"], { as: "code2" });
  const monitor = await fleet.monitor("code1");
  await monitor.printed("code2");
  await monitor.stop();
  // A refused push says the whole address, and what was refused.
  await fleet.json(["send", BODY, SUBJECT, "--to", "code2", "--wait", "queued"], one);
  const state = openDatabase(paths.state, { create: false, durability: "full" });
  const url = `https://me:${PASSWORD}@host.invalid/fleet.git`;
  state.run(
    "UPDATE outbox SET state = 'dead', refused = 5, reason = ? WHERE state = 'queued'",
    `fatal: unable to access '${url}'`,
  );
  const identity = JSON.parse(
    state.get<{ value: string }>("SELECT value FROM settings WHERE key = 'identity'")?.value ?? "{}",
  ) as object;
  state.run(
    "UPDATE settings SET value = ? WHERE key = 'identity'",
    JSON.stringify({ ...identity, remoteUrl: url }),
  );
  state.close();
}, TIMEOUT_MS);
afterAll(() => fleet.remove(), TIMEOUT_MS);

test(
  "bugreport lists what it wrote, for this user alone, and no secret is in it",
  async () => {
    const config = fleet.git.path("fleetd.yaml");
    const rules = [
      { name: "deploy", run: ["/opt/deploy", ARGUMENT] },
      { name: "hello", reply: REPLY },
    ];
    writeFileSync(config, JSON.stringify({ rules }));
    const answer = await fleet.json(["bugreport", "--output", output, "--config", config], { ...one, env });
    const files = answer["files"] as { name: string; bytes: number; redacted: number }[];
    expect(files.map(({ name }) => name).toSorted()).toEqual([
      "about.json",
      "configuration.json",
      "counts.json",
      "doctor.json",
      "health.json",
      "log.jsonl",
      "refs.json",
      "status.json",
    ]);
    if (isPosix) expect(statSync(output).mode & 0o777).toBe(0o600);
    const unpacked = await new Bun.Archive(readFileSync(output)).files();
    const texts = await Promise.all([...unpacked.values()].map((file) => file.text()));
    const whole = texts.join("\n");
    const pem = readFileSync(paths.key, "utf8")
      .replace(/-----[A-Z ]+-----/g, "")
      .trim();
    for (const secret of [PASSWORD, BODY, SUBJECT, TOKEN, REFERENCED, ARGUMENT, REPLY, ...pem.split("\n")]) {
      expect([secret, whole.includes(secret)]).toEqual([secret, false]);
    }
    expect(whole).toMatch(/https:\/\/\*\*\*@?host\.invalid\/fleet\.git/);
    expect(whole).toContain("FLEETD_TEST_TOKEN");
    expect(whole).toContain("/opt/deploy");
    for (const { name, bytes } of files) expect(unpacked.get(name)?.size).toBe(bytes);
    const json = async (name: string): Promise<unknown> =>
      JSON.parse((await unpacked.get(name)?.text()) ?? "null");
    expect(await json("about.json")).toMatchObject({ platform: process.platform, git: expect.any(String) });
    expect(await json("counts.json")).toMatchObject({
      queue: { dead: 1 },
      index: { entries: expect.any(Number) },
    });
    expect(await json("status.json")).toMatchObject({ server: "code1" });
    expect(await json("health.json")).toMatchObject({ checks: expect.any(Array) });
    expect(await json("doctor.json")).toEqual(
      expect.arrayContaining([expect.objectContaining({ id: "refused" })]),
    );
    expect(Object.keys((await json("refs.json")) as object)).toContain("refs/fleet/log/code1");
    const log = (await unpacked.get("log.jsonl")?.text()) ?? "";
    expect(
      log
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).level),
    ).not.toContain("DEBUG");
    expect(log).toContain("ready");
  },
  TIMEOUT_MS,
);

test("bugreport never overwrites a file", async () => {
  const path = join(fleet.git.folder, "mine.tar.gz");
  writeFileSync(path, "mine");
  expect(await fleet.run(["bugreport", "--output", path], one)).toMatchObject({ code: 73, stdout: "" });
  expect(readFileSync(path, "utf8")).toBe("mine");
});

test("bugreport without a server, with a broken configuration, still writes what there is", async () => {
  const folder = fleet.git.path("empty");
  mkdirSync(folder);
  const config = join(folder, "fleetd.yaml");
  writeFileSync(config, `interval: [\npassword: ${PASSWORD}\n`);
  const ran = await fleet.run(["bugreport", "--output", join(folder, "r.tar.gz"), "--config", config], {
    env: { FLEETD_HOME: join(folder, "home") },
  });
  expect(ran).toMatchObject({ code: 0, stderr: "" });
  expect(ran.stdout).toContain("about.json");
  expect(existsSync(join(folder, "r.tar.gz"))).toBe(true);
  const unpacked = await new Bun.Archive(readFileSync(join(folder, "r.tar.gz"))).files();
  const texts = await Promise.all([...unpacked.values()].map((file) => file.text()));
  expect(texts.join("\n")).not.toContain(PASSWORD);
});
