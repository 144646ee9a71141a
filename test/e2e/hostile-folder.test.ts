import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type Ran, TempFleet } from "../helpers/temp-fleet.ts";

const fleet = new TempFleet();
const hostile = fleet.git.path("hostile");
const empty = fleet.git.path("empty");
const marks = `${fleet.git.folder}/marks`;
const isLinux = process.platform === "linux";

/** A shell script or module that leaves a file named `name` when it is ever run. */
const script = (name: string): string => `#!/bin/sh\ntouch '${marks}/${name}'\nexit 1\n`;
const module = (name: string): string =>
  `require("node:fs").writeFileSync(${JSON.stringify(`${marks}/${name}`)}, "");\n`;

function put(name: string, content: string, mode = 0o755): void {
  const path = `${hostile}/${name}`;
  mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  writeFileSync(path, content, { mode });
}

beforeAll(async () => {
  for (const folder of [marks, empty, hostile]) mkdirSync(folder);
  put("bunfig.toml", 'preload = ["./preload.ts"]\n[run]\npreload = ["./preload.ts"]\nlogLevel = "debug"\n');
  put("preload.ts", module("preload"));
  put(".env", `FLEETD_HOME=${fleet.git.folder}/stolen\nFLEETD_SERVER=stolen\nGIT_DIR=/nowhere\nNO_COLOR=\n`);
  put(".env.production", "FLEETD_SERVER=stolen\nSERVER_ID=stolen\n");
  put("package.json", '{"name":"x","type":"commonjs","imports":{"#*":"./preload.ts"},"bin":"./preload.ts"}');
  put("tsconfig.json", '{"compilerOptions":{"paths":{"*":["./preload.ts"]},"baseUrl":"."}}');
  put("node_modules/citty/package.json", '{"name":"citty","main":"index.js"}');
  put("node_modules/citty/index.js", module("citty"));
  put("fleetd.yaml", "server: stolen\nno_such_key: 1\n");
  for (const tool of ["git", "git.exe", "ssh", "sh"]) put(tool, script(tool));
  put(".gitconfig", `[core]\n\tsshCommand = ${hostile}/ssh\n\thooksPath = ${hostile}/hooks\n`);
  put("hooks/pre-push", script("pre-push"));
  put("hooks/reference-transaction", script("reference-transaction"));
  // A repository around the folder, with everything that makes git run something.
  fleet.git.git(hostile, "init", "-q");
  for (const hook of ["pre-push", "reference-transaction", "post-checkout", "fsmonitor-watchman"]) {
    put(`.git/hooks/${hook}`, script(hook));
  }
  fleet.git.git(hostile, "config", "core.fsmonitor", `${hostile}/git`);
  fleet.git.git(hostile, "config", "core.sshCommand", `${hostile}/ssh`);
  fleet.git.git(hostile, "config", "alias.push", `!touch ${marks}/alias`);
  await fleet.init(["code1", "code2"]);
});
afterAll(() => fleet.remove());

/** What differs from call to call whatever the folder is: ids, times, pids. */
const steady = ({ code, stdout, stderr }: Ran): unknown => ({
  code,
  stdout: stdout
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f-]{27})?/g, "ID")
    .replaceAll(/(\d+ (ms|s)\b( ago)?|now) */g, "TIME "),
  stderr,
});

describe("a hostile folder", () => {
  test("its preload is run by Bun itself, so the other tests would notice", () => {
    writeFileSync(`${hostile}/empty.ts`, "");
    Bun.spawnSync([process.execPath, "empty.ts"], { cwd: hostile, env: fleet.environment });
    expect(readdirSync(marks)).toEqual(["preload"]);
    rmSync(`${marks}/preload`);
  });

  test.each([
    [["--version"]],
    [["--help"]],
    [["help", "send"]],
    [["sned"]],
    [["inbox"]],
    [["send", "from here", "--to", "code2"]],
    [["sent", "--limit", "1"]],
    [["servers"]],
    [["init"]],
    [["wait", "--timeout", "50ms"]],
  ])("%j answers what it answers in an empty one, and runs nothing", async (words) => {
    const there = await fleet.run(words, { as: "code1", cwd: empty });
    const here = await fleet.run(words, { as: "code1", cwd: hostile });
    expect(steady(here)).toEqual(steady(there));
    expect(readdirSync(marks)).toEqual([]);
  });

  test("init, a monitor and a conversation run nothing of it", async () => {
    const inside = { cwd: hostile };
    await fleet.text(["init", "--server", "code3", "--remote", `${fleet.root}/remote.git`], inside);
    const monitor = await fleet.monitor("code3", [], inside);
    const words = ["send", "Status report please", "--to", "code3", "--server", "code1", "--wait", "replied"];
    expect(await fleet.json(words, inside)).toMatchObject({ state: "replied" });
    await monitor.stop();
    expect(readdirSync(marks)).toEqual([]);
    expect(existsSync(`${fleet.git.folder}/stolen`)).toBe(false);
  });

  test("quickstart runs nothing of it, nor do the daemons it starts", async () => {
    await fleet.text(["quickstart"], { cwd: hostile });
    expect(readdirSync(marks)).toEqual([]);
  });

  test("a remote given as a relative path is the folder's, and its hooks are not run for a fetch", async () => {
    const words = ["init", "--server", "rel1", "--remote", "./fleet.git"];
    fleet.git.git(hostile, "init", "-q", "--bare", "fleet.git");
    const answer = await fleet.json(words, { cwd: hostile });
    expect(answer["remote"]).toBe(`${hostile}/fleet.git`);
    expect(readdirSync(marks)).toEqual([]);
  });
});

describe("the environment of children", () => {
  const log = `${fleet.git.folder}/environments`;
  const folder = fleet.git.path("recorder");
  // Stands before the real git on the PATH, writes down what it was given, and lets the real one do the work.
  beforeAll(() => {
    mkdirSync(folder);
    const real = Bun.which("git") ?? "git";
    writeFileSync(`${folder}/git`, `#!/bin/sh\nenv >> '${log}'\nexec '${real}' "$@"\n`, { mode: 0o755 });
  });
  const dirty = (): Record<string, string> => ({
    PATH: `${folder}:${fleet.environment["PATH"]}`,
    BUN_OPTIONS: "--smol",
    BUN_INSTALL: "/nowhere",
    BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0",
    GIT_DIR: "/nowhere",
    GIT_INDEX_FILE: "/nowhere",
    GIT_CONFIG_COUNT: "1",
    GIT_CONFIG_KEY_0: "core.bare",
    GIT_CONFIG_VALUE_0: "false",
    FLEETD_SECRET_OF_SOMEBODY: "x",
  });

  test("git gets no BUN_*, no GIT_DIR and no settings of others", async () => {
    await fleet.json(["send", "clean", "--to", "code2"], { as: "code1", env: dirty() });
    const text = readFileSync(log, "utf8");
    expect(text).toContain("GIT_TERMINAL_PROMPT=0");
    expect(text).not.toMatch(/^(BUN_|GIT_DIR|GIT_INDEX_FILE|GIT_CONFIG_|FLEETD_)/m);
  });

  test.skipIf(!isLinux)("daemons of quickstart and their git get no BUN_*", async () => {
    const answer = await fleet.json(["quickstart", "--keep"], { env: dirty() });
    const step = (answer["steps"] as { step: string; detail: string }[]).find(
      (one) => one.step === "daemons",
    );
    const pids = (step?.detail.match(/\d+/g) ?? []).map(Number);
    try {
      expect(pids).toHaveLength(2);
      for (const pid of pids) expect(readFileSync(`/proc/${pid}/environ`, "latin1")).not.toContain("BUN_");
      expect(readFileSync(log, "utf8")).not.toMatch(/^BUN_/m);
    } finally {
      await fleet.endPids(pids);
    }
  });
});
