// The first servers of a fleet: at once, and where a killed push left its lock.
import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, renameSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FleetSandbox } from "../helpers/fleet-sandbox.ts";
import { TempFleet } from "../helpers/temp-fleet.ts";

async function inSandbox(body: (sandbox: FleetSandbox) => Promise<void>): Promise<void> {
  const sandbox = new FleetSandbox();
  try {
    await body(sandbox);
  } finally {
    await sandbox.close();
  }
}

const answerOf = (stdout: string) =>
  JSON.parse(stdout) as { fleet: string; namespace: string; founded: boolean };

test("eight servers that are made at once on an empty remote are one fleet", async () => {
  await inSandbox(async (sandbox) => {
    const names = Array.from({ length: 8 }, (_, number) => `server-${number}`);
    const made = await Promise.all(
      names.map((name) => sandbox.run(name, [...sandbox.initWords(name), "--json"])),
    );
    expect(made.map((one) => one.exitCode)).toEqual(names.map(() => 0));
    const answers = made.map((one) => answerOf(one.stdout));
    expect(new Set(answers.map((one) => one.fleet)).size).toBe(1);
    expect(new Set(answers.map((one) => one.namespace))).toEqual(new Set(["refs/fleet/"]));
    expect(answers.filter((one) => one.founded)).toHaveLength(1);
  });
});

test.skipIf(process.platform !== "linux")(
  "init never founds a fleet beside a lock: it says that it is not done, and works once the lock is old",
  async () => {
    await inSandbox(async (sandbox) => {
      const lock = `${sandbox.remote}/refs/fleet/meta.lock`;
      mkdirSync(`${sandbox.remote}/refs/fleet`, { recursive: true });
      writeFileSync(lock, "");
      const blocked = await sandbox.run("a", sandbox.initWords("a"));
      expect(blocked.exitCode).toBe(69);
      expect(blocked.stderr).toContain("locked");
      expect(sandbox.temp.git(sandbox.remote, "for-each-ref")).toBe("");
      const longAgo = Date.now() / 1000 - 61;
      utimesSync(lock, longAgo, longAgo);
      const made = await sandbox.run("a", [...sandbox.initWords("a"), "--json"]);
      expect(answerOf(made.stdout)).toMatchObject({ founded: true, namespace: "refs/fleet/" });
    });
  },
);

test("init removes what a killed init left", async () => {
  await inSandbox(async (sandbox) => {
    const home = join(sandbox.filesOf("a").folder, "..");
    // No process has this id: it is above the largest one that Linux, macOS or Windows give away.
    for (const name of [".new-a-99999999", ".new-other-99999999", "remote.git.new-99999999"]) {
      mkdirSync(join(home, name, "fleet.git"), { recursive: true });
    }
    const running = `.new-other-${process.pid}`;
    mkdirSync(join(home, running));
    expect((await sandbox.run("a", sandbox.initWords("a"))).exitCode).toBe(0);
    expect(readdirSync(home).sort()).toEqual([running, "a"]);
  });
});

test("init makes no second fleet where the shared remote of servers here is missing", async () => {
  const fleet = new TempFleet();
  try {
    await fleet.init(["code1", "code2"]);
    renameSync(`${fleet.root}/remote.git`, `${fleet.root}/away.git`);
    const ran = await fleet.run(["init", "--server", "code3"]);
    expect(ran).toMatchObject({ code: 73, stdout: "" });
    expect(ran.stderr).toContain('"code1", "code2" share a fleet in it');
    expect(
      readdirSync(fleet.root).filter((name) => name.includes("remote") || name.includes("code3")),
    ).toEqual(["remote.git.lock"]);
    renameSync(`${fleet.root}/away.git`, `${fleet.root}/remote.git`);
    expect(await fleet.json(["init", "--server", "code3"])).toMatchObject({ founded: false, servers: 2 });
  } finally {
    await fleet.remove();
  }
});
