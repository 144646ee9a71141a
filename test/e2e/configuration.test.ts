import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { type Answer, TempFleet } from "../helpers/temp-fleet.ts";
import { eventually } from "../helpers/temp-git.ts";

const fleet = new TempFleet();
const file = (name: string, text: string): string => {
  const path = `${fleet.git.folder}/${name}`;
  writeFileSync(path, text);
  return path;
};

beforeAll(() => fleet.init(["code1"]));
afterAll(() => fleet.remove());

interface Setting {
  readonly key: string;
  readonly value: unknown;
  readonly text: string;
  readonly origin: Record<string, unknown>;
}
const show = async (words: string[], env: Record<string, string> = {}): Promise<Map<string, Setting>> => {
  const answer = await fleet.json(["config", "show", ...words], { env });
  return new Map((answer["settings"] as Setting[]).map((one) => [one.key, one]));
};

describe("precedence", () => {
  const path = (): string =>
    file(
      "all.yaml",
      "server: code1\ninterval: 1m\ngroups: [file]\nlabels:\n  from: file\nauto_reply:\n  enabled: no\nbreaker:\n  failures: 7\nlog:\n  level: warning\n  total: 1 GiB\n",
    );

  test.each([
    ["interval", "FLEETD_INTERVAL", "2m", "60000 120000 10000", 3],
    ["groups", "FLEETD_GROUPS", "a,b", '["file"] ["a","b"] []', 3],
    ["labels", "FLEETD_LABELS", "from=env", '{"from":"file"} {"from":"env"} {}', 4],
    ["auto_reply.enabled", "FLEETD_AUTO_REPLY", "on", "false true true", 7],
    ["breaker.failures", "FLEETD_BREAKER_FAILURES", "3", "7 3 5", 9],
    ["log.level", "FLEETD_LOG_LEVEL", "error", '"warning" "error" "info"', 11],
    ["log.total", "FLEETD_LOG_TOTAL", "200 MiB", "1073741824 209715200 104857600", 12],
  ] as const)("%s: environment before file before default", async (...[key, name, text, values, line]) => {
    const config = path();
    const inFile = (await show(["--config", config])).get(key);
    const inEnvironment = (await show(["--config", config], { [name]: text })).get(key);
    const standard = (await show([])).get(key);
    const seen = [inFile, inEnvironment, standard].map((one) => JSON.stringify(one?.value)).join(" ");
    expect(seen).toBe(values);
    expect(inFile?.origin).toMatchObject({ kind: "file", path: config });
    expect(Math.abs(Number(inFile?.origin["line"]) - line)).toBeLessThanOrEqual(1);
    expect(inEnvironment?.origin).toEqual({ kind: "environment", name });
    expect(standard?.origin).toEqual({ kind: "default" });
  });

  test("a flag goes before everything, and a variable named after fleetd before an old one", async () => {
    const env = { FLEETD_SERVER: "env1", SERVER_ID: "old1", MONITOR_INTERVAL: "5" };
    const config = path();
    const flagged = await show(["--server", "flag1", "--config", config], env);
    expect(flagged.get("server")).toMatchObject({
      value: "flag1",
      origin: { kind: "flag", name: "--server" },
    });
    const plain = await show(["--config", config], env);
    expect(plain.get("server")).toMatchObject({ value: "env1", origin: { name: "FLEETD_SERVER" } });
    expect(plain.get("interval")).toMatchObject({ value: 5_000, origin: { name: "MONITOR_INTERVAL" } });
  });

  test("config show --origin says it in words, and never a password", async () => {
    const env = { FLEETD_REMOTE: "https://user:secret@host/x.git" };
    const said = await fleet.text(["config", "show", "--origin", "--config", path()], { env });
    expect(said).toMatch(/^remote +environment FLEETD_REMOTE +https:\/\/host\/x\.git$/m);
    expect(said).toMatch(/^breaker\.failures +file \S+all\.yaml:9 +7$/m);
    expect(said).not.toContain("secret");
  });

  test("a reference is shown as it was written, and resolved where it is used", async () => {
    const config = file("reference.yaml", "remote: env:FLEET_URL\n");
    expect((await show(["--config", config])).get("remote")?.value).toBe("env:FLEET_URL");
    const env = { FLEETD_HOME: `${fleet.git.folder}/referenced` };
    const words = ["init", "--server", "ref1", "--config", config];
    expect((await fleet.run(words, { env })).stderr).toContain('the variable "FLEET_URL" is not set');
    const found = await fleet.json(words, { env: { ...env, FLEET_URL: `${fleet.root}/remote.git` } });
    expect(found).toMatchObject({ server: "ref1", remote: `${fleet.root}/remote.git` });
  });
});

describe("what is wrong", () => {
  test.each<[string, string, string]>([
    [
      "a typing error",
      "interval: 5\nintervall: 10\n",
      ':2: unknown key "intervall", did you mean "interval"?',
    ],
    ["a value out of range", "breaker:\n  failures: 0\n", ":2: breaker.failures: "],
    ["two settings that do not go together", "health:\n  disk_warn: 1 MiB\n", ":2: health.disk_critical: "],
    ["nothing where something paces", "interval: 0\n", ":1: interval: need more than 0"],
    ["a group that is none", "groups: [ok, Not Ok]\n", ":1: groups.1: need a group name"],
    ["a server id that is none", "server: A b\n", ":1: server: Cannot use server id"],
    ["a label that is no text", "labels:\n  a: 5\n", ':2: labels.a: need text, such as "5" in quotes'],
    ["a list where settings belong", "- a\n- b\n", ":1: it is a list, need a table of settings"],
    ["a key every object has", "__proto__:\n  a: 1\n", ':1: unknown key "__proto__"'],
    ["control characters in a key", '"\\e[31mred": 1\n', ':1: unknown key "␛[31mred"'],
  ])("config check names the line of %s", async (_, text, expected) => {
    const path = file("wrong.yaml", text);
    const ran = await fleet.run(["config", "check", path]);
    expect(ran).toMatchObject({ code: 78, stderr: "" });
    expect(ran.stdout).toContain(`${path}${expected}`);
  });

  test("config check says everything at once, in the order of the file", async () => {
    const path = file("wrong.yaml", "intervall: 1\nretry:\n  first: soon\ngroups: db\n");
    const ran = await fleet.run(["config", "check", path]);
    expect(
      ran.stdout
        .trim()
        .split("\n")
        .map((line) => /:(\d+):/.exec(line)?.[1]),
    ).toEqual(["1", "3", "4"]);
    const answer = await fleet.json(["config", "check", path], {}, 78);
    expect(answer).toMatchObject({ schema: "fleetd.config.check/1", ok: false, file: path });
    expect(answer["problems"]).toHaveLength(3);
  });

  test.each<[string, string, string]>([
    [
      "a key that is there twice",
      "interval: 1\nserver: code1\ninterval: 2\n",
      'line 3: the key "interval" is there twice',
    ],
    ["a key twice in a flow table", "breaker: {failures: 1, failures: 2}\n", "line 1: the key"],
    ["tabs", "breaker:\n\tfailures: 1\n", "line 2: "],
    ["a second document", "interval: 1\n---\ninterval: 2\n", "line 2: a second document begins"],
    ["no YAML", "interval: [1\nserver: a\n", "need YAML"],
    ["a megabyte", `# ${"x".repeat(1024 ** 2)}\n`, "over 1 MiB"],
  ])("%s is refused with 78", async (_, text, expected) => {
    const ran = await fleet.run(["config", "check", file("yaml.yaml", text)]);
    expect(ran).toMatchObject({ code: 78, stdout: "" });
    expect(ran.stderr).toContain(expected);
  });

  test("a bomb of aliases is refused in no time", async () => {
    const lines = Array.from(
      { length: 30 },
      (_, n) => `k${n}: &a${n} [${n === 0 ? "x" : `*a${n - 1}, *a${n - 1}`}]`,
    );
    const ran = await fleet.run(["config", "check", file("bomb.yaml", `${lines.join("\n")}\n`)]);
    expect(ran.code).toBe(78);
  });

  test("a folder, other encodings, and a file that everybody may write to are refused", async () => {
    const check = async (path: string) => await fleet.run(["config", "check", path]);
    expect(await check(fleet.git.folder)).toMatchObject({
      code: 78,
      stderr: expect.stringContaining("it is a folder"),
    });
    const latin = `${fleet.git.folder}/latin.yaml`;
    writeFileSync(latin, new Uint8Array([0x23, 0xe9, 0x0a]));
    expect(await check(latin)).toMatchObject({ code: 78, stderr: expect.stringContaining("not UTF-8") });
    const open = file("open.yaml", "interval: 5\n");
    chmodSync(open, 0o666);
    expect(await check(open)).toMatchObject({
      code: 78,
      stderr: expect.stringContaining(`chmod o-w '${open}'`),
    });
    expect(await check("/nowhere/x.yaml")).toMatchObject({ code: 78 });
  });

  test("a byte order mark, an empty file and /dev/null are nothing to complain about", async () => {
    for (const path of [file("bom.yaml", "\ufeffinterval: 5\n"), file("empty.yaml", ""), "/dev/null"]) {
      expect((await fleet.run(["config", "check", path])).code).toBe(0);
    }
  });

  test.each<[string, string, string]>([
    ["FLEETD_BREAKER_FAILURES", "many", "FLEETD_BREAKER_FAILURES: Invalid type"],
    ["FLEETD_GROUPS", "a,B", "FLEETD_GROUPS: need a group name"],
    ["FLEETD_LABELS", "role", "FLEETD_LABELS: need NAME=VALUE"],
    ["FLEETD_RETRY_FIRST", "1h", "FLEETD_RETRY_FIRST: 1 h is more than retry.longest (8 s)"],
    ["FLEETD_AUTO_REPLY", "maybe", "FLEETD_AUTO_REPLY: need true or false"],
    ["SERVER_ID", "A b", "SERVER_ID: Cannot use server id"],
  ])("%s=%s is refused by its name, with 78", async (name, text, expected) => {
    const ran = await fleet.run(["inbox", "--offline"], { env: { [name]: text } });
    expect(ran).toMatchObject({ code: 78, stdout: "" });
    expect(ran.stderr).toContain(expected);
  });

  test("an unknown variable is a warning when it is near a known one, and else nothing", async () => {
    const near = await fleet.run(["inbox", "--offline"], { env: { FLEETD_INTERVALL: "5" } });
    expect(near.code).toBe(0);
    expect(near.stderr).toContain('unknown variable "FLEETD_INTERVALL", did you mean "FLEETD_INTERVAL"?');
    const handlers = { FLEETD_MESSAGE_ID: "x", FLEETD_RULE: "y", FLEETD_SOMETHING_ELSE: "z" };
    expect((await fleet.run(["inbox", "--offline"], { env: handlers })).stderr).toBe("");
  });

  test("nothing in the current folder is read", async () => {
    const folder = `${fleet.git.folder}/hostile`;
    mkdirSync(folder);
    for (const name of ["fleetd.yaml", ".fleetd.yaml"]) writeFileSync(`${folder}/${name}`, "interval: 77\n");
    const answer = await fleet.json(["config", "show"], { cwd: folder });
    expect(answer["file"]).toBeNull();
  });
});

describe("the other commands", () => {
  test("config example is valid, and says the defaults", async () => {
    const path = file("example.yaml", await fleet.text(["config", "example"]));
    expect((await fleet.run(["config", "check", path])).code).toBe(0);
    const values = (settings: Map<string, Setting>) =>
      [...settings.values()].map(({ key, value }) => [key, value]);
    expect(values(await show(["--config", path]))).toEqual(values(await show([])));
  });

  test("config schema is JSON Schema with every key", async () => {
    const schema = JSON.parse(await fleet.text(["config", "schema"])) as Record<string, unknown>;
    expect(schema["$schema"]).toContain("json-schema.org");
    expect(Object.keys(schema["properties"] as object)).toEqual(
      expect.arrayContaining(["interval", "breaker"]),
    );
  });

  test("config path says where it looks and what is in use", async () => {
    expect(await fleet.text(["config", "path"])).toMatch(/fleetd\.yaml +not there/);
    const path = file("used.yaml", "interval: 5\n");
    expect(await fleet.json(["config", "path", "--config", path])).toMatchObject({ used: path });
  });

  test("reload without a monitor answers 69", async () => {
    expect(await fleet.run(["reload", "--server", "code1"])).toMatchObject({ code: 69, stdout: "" });
  });
});

describe("a running monitor", () => {
  const events = (stdout: string): Answer[] =>
    stdout
      .trim()
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Answer);
  const ofKind = (stdout: string, kind: string): Answer[] =>
    events(stdout.slice(0, stdout.lastIndexOf("\n") + 1)).filter((event) => event["kind"] === kind);

  test("SIGHUP takes what is valid, keeps what held before what is not, and messages flow on", async () => {
    await fleet.init(["live1"], `${fleet.root}/remote.git`);
    const path = file("live.yaml", "interval: 10s\n");
    const words = ["--json", "--config", path, "--no-auto-reply"];
    const monitor = await fleet.monitor("live1", words);
    const hangUp = async (kind: string, count: number): Promise<Answer> => {
      process.kill(monitor.pid, "SIGHUP");
      expect(await eventually(() => ofKind(monitor.stdout(), kind).length >= count, 60_000)).toBe(true);
      return ofKind(monitor.stdout(), kind)[count - 1] ?? {};
    };
    expect(await hangUp("configured", 1)).toMatchObject({ file: path, changes: [] });

    writeFileSync(path, "interval: 2s\nserver: other\nauto_reply:\n  enabled: yes\n");
    const changed = await hangUp("configured", 2);
    // The flags --server and --no-auto-reply go before the file, then as now.
    expect(changed["changes"]).toEqual([{ key: "interval", before: "10s", after: "2s", restart: false }]);

    writeFileSync(path, "interval: 2s\nintervall: 3s\n");
    const refused = await hangUp("misconfigured", 1);
    expect(refused["detail"]).toContain('line 2: unknown key "intervall", did you mean "interval"?');

    const sent = await fleet.json(["send", "still there?", "--to", "live1", "--server", "code1"]);
    const arrived = (): boolean => monitor.stdout().includes(String(sent["id"]));
    expect(await eventually(arrived, 60_000)).toBe(true);
    expect((await monitor.stop()).code).toBe(143);
  });

  test("fleetd reload does the same, names what needs a restart, and fails with the lines", async () => {
    await fleet.init(["live2"], `${fleet.root}/remote.git`);
    const path = file("live2.yaml", "server: live2\nremote: https://u:secret@h/1\n");
    const monitor = fleet.start(["monitor", "--json", "--config", path]);
    await monitor.printed("ready");
    const reload = async (text: string) => {
      writeFileSync(path, text);
      return await fleet.run(["reload", "--server", "live2"]);
    };
    const moved = await reload("server: live2\nremote: https://u:secret@h/2\ninterval: 3s\n");
    expect(moved.stdout).toBe(
      "remote: https://h/1 -> https://h/2 (needs a restart of the monitor)\ninterval: 10s -> 3s\n",
    );
    const wrong = await reload("server: live2\ninterval: never\n");
    expect(wrong).toMatchObject({ code: 78, stdout: "" });
    expect(wrong.stderr).toContain("line 2: interval: Cannot read duration");
    expect((await fleet.run(["reload", "--server", "live2"])).code).toBe(78);
    expect(ofKind(monitor.stdout(), "misconfigured")).toHaveLength(2);
    await monitor.stop();
    expect(existsSync(path)).toBe(true);
  });
});

describe("services", () => {
  test("every mistake in a service has its line, an unknown word its suggestion, a circle its names", async () => {
    const words =
      "services:\n  web:\n    comand: [x]\n  db:\n    command: [x]\n    limits: { memory: 1 KiB }\n";
    const refused = await fleet.run(["config", "check", file("services-words.yaml", words)]);
    expect(refused.code).toBe(78);
    expect(refused.stdout).toContain(
      ':3: unknown key "services.web.comand", did you mean "services.web.command"?',
    );
    expect(refused.stdout).toContain(":6: services.db.limits.memory: need at least 1 MiB");
    const circle =
      "services:\n  a:\n    command: [x]\n    depends_on: [b]\n  b:\n    command: [x]\n    depends_on: [a]\n";
    const waiting = await fleet.run(["config", "check", file("services-circle.yaml", circle)]);
    expect(waiting.stdout).toContain(":4: services.a.depends_on: each waits for the next one: a -> b -> a");
  });

  test("config show speaks of services as the file does, and shows no secret", async () => {
    const text =
      "services:\n  web:\n    command: [x]\n    env: { DB_PASSWORD: hunter22, TOKEN: 'env:T', PORT: 80 }\n    stop: { timeout: 90s }\n";
    const settings = await show(["--config", file("services-show.yaml", text)]);
    expect(settings.get("services")?.value).toEqual({
      web: {
        command: ["x"],
        env: { DB_PASSWORD: "***", TOKEN: "env:T", PORT: "80" },
        stop: { timeout: "90s" },
      },
    });
  });
});
