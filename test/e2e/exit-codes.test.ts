import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, cpSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { type CallOptions, FLEETD, isAlive, type Ran, TempFleet } from "../helpers/temp-fleet.ts";
import { catchesSignal, descendantsOf, eventually } from "../helpers/temp-git.ts";

const fleet = new TempFleet();
const remote = `${fleet.root}/remote.git`;
const one = { as: "code1" };
beforeAll(() => fleet.init(["code1", "code2"]));
afterAll(() => fleet.remove());

const NAMES: Readonly<Record<number, string>> = {
  64: "USAGE",
  65: "BAD_INPUT",
  69: "UNAVAILABLE",
  73: "CANNOT_CREATE",
  74: "IO",
  75: "NOT_YET",
  77: "NOT_AUTHORISED",
  78: "CONFIG",
};

/** A failure says the same as text and as one JSON object on stderr, and nothing on stdout. Answers the text's end. */
async function expectFailure(
  code: number,
  words: readonly string[],
  options: CallOptions = {},
): Promise<Ran> {
  const text = await fleet.run(words, options);
  expect(text).toMatchObject({ code, stdout: "" });
  expect(text.stderr).toStartWith("fleetd: ");
  // In front of a word whose value is missing the flag would be taken for it.
  const json = await fleet.run(["--json", ...words], options);
  expect(json).toMatchObject({ code, stdout: "" });
  const report = JSON.parse(json.stderr) as Record<string, unknown>;
  expect(report).toMatchObject({ schema: "fleetd.error/1", exit: code, code: NAMES[code] });
  expect(text.stderr).toContain(String(report["message"]).slice(0, 30));
  return text;
}

const elsewhere = (name: string): Record<string, string> => ({ FLEETD_HOME: `${fleet.git.folder}/${name}` });

describe("exit code 0", () => {
  test.each([["--version"], ["--help"], ["help send"], ["servers"], ["status"]])(
    "fleetd %s",
    async (line) => {
      expect(await fleet.run(line.split(" "), one)).toMatchObject({ code: 0, stderr: "" });
    },
  );
});

describe("exit code 64: usage", () => {
  test.each([
    [["send", "x", "--too", "code2"], 'Unknown flag "--too", did you mean "--to"?'],
    [["send", "x", "-to", "code2"], 'Unknown flag "-to"'],
    [["sned", "x"], 'Unknown command "sned", did you mean "send"?'],
    [["toString"], 'Unknown command "toString"'],
    [["send", "x", "--to"], 'Missing value of "--to"'],
    [["send", "x", "--to", "--wait"], 'Missing value of "--to": found flag "--wait"'],
    [["send", "two", "words", "more"], 'Unexpected word "more"'],
    [["send", "x", "--kind", "wraning"], 'Unknown value "wraning" of "--kind", did you mean "warning"?'],
    [["send", "x", "--wait", "forever"], 'Unknown value "forever" of "--wait"'],
    [["send", "x", "--to", "a", "--to", "b"], 'Flag "--to" is given twice'],
    [["send", "x", "--to", "No Such"], '"No Such"'],
    [["send", "x", "--timeout", "soon"], 'Cannot read duration "soon"'],
    [["send", "x", "--label", "novalue"], 'Cannot read label "novalue": need NAME=VALUE'],
    [["send", ""], "Cannot send an empty message"],
    [["send", "word", "--file", "/dev/null"], "Cannot take the body from two places"],
    [["inbox", "--kind", "nonsense"], 'Unknown value "nonsense" of "--kind"'],
    [["inbox", "--limit", "0"], 'Cannot read --limit "0"'],
    [["inbox", "surplus"], 'Unexpected word "surplus"'],
    [["read"], "Missing ID"],
    [["read", "zzzz"], 'Cannot read id "zzzz"'],
    [["wait", "--timeout", "-1"], 'Missing value of "--timeout": found flag "-1"'],
    [["init", "--remote", "/a", "--repo", "/b"], "Cannot use two remotes"],
    [["init", "--server", "A B"], 'Cannot use server id "A B"'],
    [["init", "--server", "all"], 'Cannot use server id "all"'],
    [["monitor", "--interval", "often"], 'Cannot read duration "often"'],
  ])("%j", async (words, message) => {
    const ran = await expectFailure(64, words, one);
    expect(ran.stderr).toContain(message);
  });
});

describe("exit code 65: bad input", () => {
  test("a message id that is not here", async () => {
    const ran = await expectFailure(65, ["read", "abcd1234"], one);
    expect(ran.stderr).toContain('Cannot find "abcd1234": no such message is here');
  });

  test("a body that is no UTF-8, missing, or too large", async () => {
    writeFileSync(`${fleet.git.folder}/latin1.txt`, new Uint8Array([0x66, 0xfc, 0x72]));
    writeFileSync(`${fleet.git.folder}/large.txt`, "x".repeat(262_145));
    await expectFailure(65, ["send", "--file", `${fleet.git.folder}/latin1.txt`], one);
    await expectFailure(65, ["send", "--file", `${fleet.git.folder}/nothing.txt`], one);
    await expectFailure(65, ["send", "--file", `${fleet.git.folder}/large.txt`], one);
  });

  test("an ack of a message that is not to this server", async () => {
    const { id } = await fleet.json(["send", "mine", "--to", "code2"], one);
    const ran = await expectFailure(65, ["ack", String(id)], one);
    expect(ran.stderr).toContain("it is not to this server");
  });
});

describe("exit code 69: not available", () => {
  test("a second daemon does not wait for the first, and names its pid and start", async () => {
    const first = await fleet.monitor("code1");
    const ran = await expectFailure(69, ["monitor"], one);
    expect(fleet.isRunning(first.pid)).toBe(true);
    await first.stop();
    const found = new RegExp(`already running \\(pid ${first.pid}, since (\\S+)\\)`).exec(ran.stderr);
    expect(Math.abs(Date.parse(found?.[1] ?? "") - Date.now())).toBeLessThan(60_000);
  });

  test("a remote that is missing at init leaves nothing behind", async () => {
    const env = elsewhere("missing");
    const words = ["init", "--server", "new1", "--remote", `${fleet.git.folder}/no-such.git`];
    const ran = await expectFailure(69, words, { env });
    expect(ran.stderr).toContain("no-such.git");
    expect(readdirSync(env["FLEETD_HOME"] ?? "")).toEqual([]);
  });

  test("a host that refuses the connection", async () => {
    const words = ["init", "--server", "new1", "--remote", "git://127.0.0.1:1/x.git"];
    await expectFailure(69, words, { env: elsewhere("refused") });
  });

  test("no git on the PATH", async () => {
    const env = { ...elsewhere("no-git"), PATH: fleet.git.home };
    const ran = await expectFailure(69, ["init", "--server", "new1"], { env });
    expect(ran.stderr).toContain("it was not found on the PATH");
    expect(ran.stderr).toContain("hint: Install git 2.25 or newer");
  });

  test("a git that is too old", async () => {
    const folder = fleet.git.path("old-git");
    mkdirSync(folder);
    writeFileSync(`${folder}/git`, "#!/bin/sh\necho git version 2.24.1\n", { mode: 0o755 });
    const env = { ...elsewhere("old-git"), PATH: folder };
    const ran = await expectFailure(69, ["init", "--server", "new1"], { env });
    expect(ran.stderr).toContain("Cannot use git 2.24.1: 2.25 or newer is needed");
  });
});

describe("exit code 73: cannot create", () => {
  test("init of a server that is in another fleet", async () => {
    const ran = await expectFailure(73, ["init", "--remote", fleet.git.bare()], one);
    expect(ran.stderr).toContain(`it is in the fleet on "${remote}"`);
  });

  test("init where a folder without a server is in the way", async () => {
    const env = elsewhere("taken");
    mkdirSync(`${env["FLEETD_HOME"]}/new1`, { recursive: true });
    const ran = await expectFailure(73, ["init", "--server", "new1", "--remote", remote], { env });
    expect(ran.stderr).toContain("there is a folder already");
  });
});

describe("exit code 75: not yet, safe to try again", () => {
  test("wait without a message", async () => {
    await expectFailure(75, ["wait", "--timeout", "50ms"], one);
  });

  test("send while the remote is gone keeps the message, which goes with the next push", async () => {
    const away = fleet.git.bare();
    await fleet.init(["away1", "away2"], away);
    renameSync(away, `${away}.gone`);
    const words = ["send", "later", "--to", "away2", "--server", "away1", "--timeout", "2"];
    const answer = await fleet.json(words, {}, 75);
    expect(answer).toMatchObject({ schema: "fleetd.send/1", state: "queued" });
    const text = await fleet.run(words);
    expect(text.code).toBe(75);
    expect(text.stdout).toMatch(/^Not pushed yet: message [0-9a-f]{8} to away2 is queued; it is safe here/);
    expect(text.stderr).toContain("fleetd: unreachable: ");
    expect(await fleet.json(["status"], { as: "away1" })).toMatchObject({ queue: { count: 2 } });
    renameSync(`${away}.gone`, away);
    await fleet.json(["send", "now", "--to", "away2"], { as: "away1" });
    const inbox = await fleet.json(["inbox"], { as: "away2" });
    expect((inbox["messages"] as { body: string }[]).map(({ body }) => body)).toEqual([
      "now",
      "later",
      "later",
    ]);
  });
});

describe("exit code 77: not authorised", () => {
  test("init with an id that the fleet has already", async () => {
    const words = ["init", "--server", "code1", "--remote", remote];
    const ran = await expectFailure(77, words, { env: elsewhere("impostor") });
    expect(ran.stderr).toContain("has a server of that id");
    expect(readdirSync(elsewhere("impostor")["FLEETD_HOME"] ?? "")).toEqual([]);
  });

  test("send from a state that is an old copy", async () => {
    const env = elsewhere("restored");
    const home = env["FLEETD_HOME"] ?? "";
    const own = fleet.git.bare();
    await fleet.text(["init", "--server", "mine1", "--remote", own], { env });
    cpSync(home, `${home}.backup`, { recursive: true });
    await fleet.text(["send", "hello", "--to", "all"], { env });
    const tip = fleet.git.git(own, "rev-parse", "refs/fleet/log/mine1");
    rmSync(home, { recursive: true });
    renameSync(`${home}.backup`, home);
    // It is kept, so this is an answer and no failure: scripts get its id, and send it once.
    const ran = await fleet.run(["send", "hello again", "--to", "all"], { env });
    expect(ran).toMatchObject({
      code: 77,
      stdout: expect.stringMatching(/^Not pushed yet: message [0-9a-f]+/),
    });
    const json = await fleet.run(["send", "and again", "--to", "all", "--json"], { env });
    expect(json.code).toBe(77);
    expect(JSON.parse(json.stdout)).toMatchObject({ state: "queued", id: expect.any(String) });
    expect(ran.stderr).toContain("this machine did not write");
    expect(ran.stderr).toContain("this state is an old copy");
    // Nothing was forced, and nothing is lost.
    expect(fleet.git.git(own, "rev-parse", "refs/fleet/log/mine1")).toBe(tip);
    expect((await fleet.json(["queue", "list"], { env }))["entries"]).toHaveLength(2);
  });
});

describe("exit code 78: configuration", () => {
  test("no server was made yet", async () => {
    const ran = await expectFailure(78, ["inbox"], { env: elsewhere("nobody") });
    expect(ran.stderr).toContain("none was made yet");
    expect(ran.stderr).toContain('hint: Make one with "fleetd init"');
  });

  test("several servers and no choice", async () => {
    const env = elsewhere("several");
    for (const server of ["some1", "some2"]) {
      await fleet.text(["init", "--server", server, "--remote", remote], { env });
    }
    const ran = await expectFailure(78, ["inbox"], { env });
    expect(ran.stderr).toContain("there are some1, some2");
    expect(ran.stderr).toContain("--server ID");
  });

  test("a server that was never made", async () => {
    const ran = await expectFailure(78, ["inbox", "--server", "code3"], one);
    expect(ran.stderr).toContain('"fleetd init --server code3"');
  });

  test("a configuration with an unknown key names the line and the right key", async () => {
    const path = `${fleet.git.folder}/typo.yaml`;
    writeFileSync(path, "server: code1\n\nauto_reply:\n  enabeld: true\n");
    const ran = await expectFailure(78, ["inbox", "--config", path]);
    expect(ran.stderr).toContain(
      `Cannot use configuration "${path}": line 4: unknown key "auto_reply.enabeld"`,
    );
    expect(ran.stderr).toContain('did you mean "auto_reply.enabled"?');
  });

  test.each([
    ["interval: soon\n", "line 1: interval: "],
    ["server: [1\n", "need YAML"],
  ])("a configuration of %j", async (text, message) => {
    const path = `${fleet.git.folder}/bad.yaml`;
    writeFileSync(path, text);
    expect((await expectFailure(78, ["inbox", "--config", path])).stderr).toContain(message);
  });

  test("a configuration that is missing", async () => {
    const ran = await expectFailure(78, ["inbox", "--config", "/nowhere/fleetd.yaml"]);
    expect(ran.stderr).toContain("there is no such file");
  });

  test("a key that is gone", async () => {
    await fleet.init(["keyless1"], remote);
    rmSync(`${fleet.root}/keyless1/key`);
    const ran = await expectFailure(78, ["monitor"], { as: "keyless1" });
    expect(ran.stderr).toContain("Cannot use key");
  });
});

describe("128 + signal", () => {
  const SIGINT = 2;

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("monitor ended by %s leaves no socket and no lock", async (signal, code) => {
    const running = await fleet.monitor("code1");
    const ran = await running.stop(signal);
    expect(ran).toMatchObject({ code, stderr: "" });
    expect(readdirSync(`${fleet.root}/code1`)).not.toContain("control.sock");
    expect(await fleet.json(["status"], one)).toMatchObject({ monitor: null });
  });

  const isLinux = process.platform === "linux";
  if (!isLinux) console.log("skipped: wait and watch ended by SIGINT: only Linux tells who catches a signal");
  test.skipIf(!isLinux).each([["wait"], ["watch"]])(
    "%s ended by SIGINT prints nothing and leaves no child",
    async (command) => {
      const running = fleet.start([command], one);
      // Its handler for the signal is there once the kernel says so.
      expect(await eventually(() => catchesSignal(running.pid, SIGINT))).toBe(true);
      const children = descendantsOf(running.pid);
      const ran = await running.stop("SIGINT");
      expect(ran).toMatchObject({ code: 130, stdout: "", stderr: "" });
      expect(await eventually(() => !children.some(isAlive))).toBe(true);
    },
  );
});

describe("exit code 74: input or output", () => {
  test("a state database that is damaged", async () => {
    await fleet.init(["broken1"], remote);
    for (const name of ["state.db-wal", "state.db-shm"])
      rmSync(`${fleet.root}/broken1/${name}`, { force: true });
    writeFileSync(`${fleet.root}/broken1/state.db`, "no database ".repeat(1000));
    const ran = await expectFailure(74, ["inbox"], { as: "broken1" });
    expect(ran.stderr).toContain("state.db");
  });

  test("an index that is damaged is made anew by itself", async () => {
    await fleet.init(["index1"], remote);
    await fleet.json(["send", "find me", "--to", "index1"], one);
    expect(await fleet.json(["inbox"], { as: "index1" })).toMatchObject({ unread: 1 });
    for (const name of ["index.db-wal", "index.db-shm"])
      rmSync(`${fleet.root}/index1/${name}`, { force: true });
    writeFileSync(`${fleet.root}/index1/index.db`, "no database ".repeat(1000));
    expect(await fleet.json(["inbox"], { as: "index1" })).toMatchObject({ unread: 1 });
  });

  const canDropRights = process.getuid?.() === 0 && Bun.which("setpriv") !== null;
  if (!canDropRights && process.getuid?.() === 0) console.log("skipped: read-only state: setpriv is missing");
  test.skipIf(!canDropRights)("a state folder that cannot be written", async () => {
    const copy = fleet.git.path("read-only");
    cpSync(fleet.root, copy, { recursive: true, filter: (path) => !path.endsWith(".sock") });
    for (const path of [fleet.git.folder, fleet.git.home]) chmodSync(path, 0o755);
    Bun.spawnSync(["chmod", "-R", "a+rX,a-w", copy]);
    const words = [
      "--reuid=65534",
      "--regid=65534",
      "--clear-groups",
      FLEETD,
      "send",
      "x",
      "--server",
      "code1",
    ];
    const child = Bun.spawn(["setpriv", ...words], {
      cwd: "/",
      env: { ...fleet.environment, FLEETD_HOME: copy },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const stderr = await new Response(child.stderr).text();
    expect({ code: await child.exited, stderr }).toMatchObject({ code: 74 });
    expect(stderr).toStartWith("fleetd: Cannot ");
    expect(stderr).toContain(copy);
  });
});
