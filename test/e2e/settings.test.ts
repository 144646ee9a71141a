import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { TempFleet } from "../helpers/temp-fleet.ts";

const fleet = new TempFleet();
const remote = fleet.git.bare();
const clone = fleet.git.path("clone");

beforeAll(async () => {
  // Somebody's project: one commit, an edit, a staged file, an untracked one.
  fleet.git.git(fleet.git.home, "clone", "-q", remote, clone);
  writeFileSync(`${clone}/kept.txt`, "one\n");
  fleet.git.git(clone, "add", "kept.txt");
  fleet.git.git(clone, "commit", "-qm", "first");
  writeFileSync(`${clone}/kept.txt`, "edited\n");
  writeFileSync(`${clone}/staged.txt`, "staged\n");
  fleet.git.git(clone, "add", "staged.txt");
  writeFileSync(`${clone}/untracked.txt`, "new\n");
  await fleet.text(["init", "--server", "base1", "--remote", remote]);
});
afterAll(() => fleet.remove());

const home = (name: string): Record<string, string> => ({ FLEETD_HOME: `${fleet.git.folder}/${name}` });
const stateOfClone = (): unknown => ({
  status: fleet.git.git(clone, "status", "--porcelain=v2", "--branch"),
  refs: fleet.git.git(clone, "for-each-ref"),
  index: readFileSync(`${clone}/.git/index`).toBase64(),
  configuration: readFileSync(`${clone}/.git/config`, "utf8"),
  kept: readFileSync(`${clone}/kept.txt`, "utf8"),
});

describe("--repo", () => {
  test("init --repo takes the clone's origin and leaves work tree, index and refs as they are", async () => {
    const before = stateOfClone();
    const index = readFileSync(`${clone}/.git/index`);
    const answer = await fleet.json(["init", "--repo", clone, "--server", "repo1"]);
    expect(answer).toMatchObject({ remote, embedded: false, founded: false });
    const monitor = await fleet.monitor("repo1", ["--repo", clone]);
    await fleet.json(["send", "from a clone", "--to", "base1", "--server", "repo1"]);
    await monitor.stop();
    expect(readFileSync(`${clone}/.git/index`).equals(index)).toBe(true);
    expect(stateOfClone()).toEqual(before);
  });

  test("init --repo of a folder that is no clone answers 65", async () => {
    const ran = await fleet.run(["init", "--repo", fleet.git.home, "--server", "repo9"]);
    expect(ran).toMatchObject({ code: 65, stdout: "" });
    expect(ran.stderr).toContain('need a clone with a remote "origin"');
  });

  test("init --repo of a folder that is missing answers 65", async () => {
    const ran = await fleet.run(["init", "--repo", fleet.git.path("nothing"), "--server", "repo9"]);
    expect(ran).toMatchObject({ code: 65, stdout: "" });
  });

  test("BUILD_REPO_PATH is --repo", async () => {
    const env = { BUILD_REPO_PATH: clone, SERVER_ID: "repo2" };
    expect(await fleet.json(["init"], { env })).toMatchObject({ server: "repo2", remote });
  });
});

describe("the server", () => {
  test("SERVER_ID, FLEETD_SERVER and --server say who acts, the later ones first", async () => {
    await fleet.init(["env1", "env2", "env3"], remote);
    const server = async (words: string[], env: Record<string, string>): Promise<unknown> =>
      (await fleet.json(["inbox", "--offline", ...words], { env }))["server"];
    expect(await server([], { SERVER_ID: "env1" })).toBe("env1");
    expect(await server([], { SERVER_ID: "env1", FLEETD_SERVER: "env2" })).toBe("env2");
    expect(await server(["--server", "env3"], { SERVER_ID: "env1", FLEETD_SERVER: "env2" })).toBe("env3");
  });

  test("the only server there is needs no name", async () => {
    const env = home("single");
    await fleet.text(["init", "--server", "single1", "--remote", remote], { env });
    expect(await fleet.json(["inbox"], { env })).toMatchObject({ server: "single1" });
  });

  test("the configuration file names server and remote", async () => {
    const env = { ...home("configured"), FLEETD_CONFIG: `${fleet.git.folder}/fleetd.yaml` };
    writeFileSync(env.FLEETD_CONFIG, `server: conf1\nremote: ${remote}\n`);
    expect(await fleet.json(["init"], { env })).toMatchObject({ server: "conf1", remote });
    expect(await fleet.json(["status"], { env })).toMatchObject({ server: "conf1" });
  });

  test("the user's configuration folder is read", async () => {
    mkdirSync(`${fleet.git.folder}/config/fleetd`, { recursive: true });
    writeFileSync(`${fleet.git.folder}/config/fleetd/fleetd.yaml`, "server: env2\n");
    const env = { XDG_CONFIG_HOME: `${fleet.git.folder}/config` };
    expect(await fleet.json(["inbox", "--offline"], { env })).toMatchObject({ server: "env2" });
  });
});

describe("monitor", () => {
  test("monitor without an init before does one, and prints a banner", async () => {
    const running = fleet.start(["monitor", "--server", "fresh1", "--remote", remote]);
    await running.printed("ready");
    const ran = await running.stop("SIGINT");
    expect(ran.code).toBe(130);
    const [banner, key, ready] = ran.stdout.split("\n");
    expect(banner).toMatch(/^fleetd \d+\.\d+\.\d+ {2}server fresh1 {2}fleet [0-9a-f-]{36}$/);
    expect(key).toMatch(/^key SHA256:\S+, a look every 10 s, Ctrl-C stops$/);
    expect(ready).toMatch(new RegExp(`^\\d\\d:\\d\\d:\\d\\d {2}ready {2}${remote}$`));
    expect(ran.stdout).toEndWith("stopping\n");
  });

  test("monitor called the old way, --repo --server --interval, works without an init", async () => {
    const words = ["monitor", "--repo", clone, "--server", "fresh2", "--interval", "5"];
    const running = fleet.start(words);
    await running.printed("ready");
    await running.stop();
    expect(running.stdout()).toContain("a look every 5 s");
  });

  test("MONITOR_INTERVAL is --interval, FLEETD_INTERVAL goes before it", async () => {
    const interval = async (env: Record<string, string>): Promise<string | undefined> => {
      const running = fleet.start(["monitor", "--server", "fresh1"], { env });
      await running.printed("ready");
      await running.stop();
      return /a look every ([^,]+),/.exec(running.stdout())?.[1];
    };
    expect(await interval({ MONITOR_INTERVAL: "30" })).toBe("30 s");
    expect(await interval({ MONITOR_INTERVAL: "30", FLEETD_INTERVAL: "2m" })).toBe("2 min");
  });

  test("monitor --json is one object per line, from ready to stopping", async () => {
    const running = fleet.start(["monitor", "--server", "fresh1", "--json"]);
    await running.printed("ready");
    const words = ["send", "Status report please", "--to", "fresh1", "--server", "base1"];
    await fleet.json([...words, "--wait", "replied", "--timeout", "60"]);
    const ran = await running.stop();
    expect(ran.code).toBe(143);
    const events = ran.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(new Set(events.map((event) => event["schema"]))).toEqual(new Set(["fleetd.monitor/1"]));
    expect(events.at(0)).toMatchObject({ kind: "ready", remote });
    expect(events.at(-1)).toMatchObject({ kind: "stopping" });
    const message = events.find((event) => event["kind"] === "message" && event["reply_id"] !== null);
    expect(message).toMatchObject({
      message: { from: "base1", body: "Status report please" },
      silence: null,
    });
  });
});
