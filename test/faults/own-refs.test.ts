// What strangers do to a server's own refs on the remote, and what a fleet makes of it by itself. The number is that of
// the promise in docs/format.md and the fault table: the own refs. One fleet goes through all of it, case after case.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { describe as inWords, judge } from "../helpers/fleet-checker.ts";
import { gather } from "../helpers/fleet-evidence.ts";
import type { CommandResult, Monitor } from "../helpers/fleet-sandbox.ts";
import { OwnRefsScene, told, until } from "../helpers/own-refs-scene.ts";

const TIMEOUT_MS = 120_000;

let scene: OwnRefsScene;
let monitors: Monitor[] = [];
const sent = new Map<string, number>();

async function begin(): Promise<void> {
  scene = new OwnRefsScene();
  monitors = [];
  sent.clear();
  await scene.sandbox.init("a");
  await scene.sandbox.init("b");
}

async function say(server: string, to: string): Promise<CommandResult> {
  sent.set(to, (sent.get(to) ?? 0) + 1);
  return await scene.sandbox.send(server, { to });
}

const delivered = (server: string): Promise<void> =>
  until(`${server} has all messages`, async () => (await scene.inbox(server)).length === sent.get(server));

/** Ends everything and asks the judge; what strangers put there was quarantined by right. */
function judgeAll(): void {
  test(
    "6. nothing acknowledged is lost, doubled, out of order or invented after all of that",
    async () => {
      await Promise.all(monitors.map((monitor) => monitor.stop()));
      const evidence = await gather(scene.sandbox);
      const violations = judge(scene.sandbox.sends, evidence);
      expect(inWords(violations.filter(({ rule }) => rule !== "quarantined"))).toBe("");
    },
    TIMEOUT_MS,
  );
}

describe("own refs while monitors run", () => {
  beforeAll(async () => {
    await begin();
    monitors = await Promise.all([scene.sandbox.monitor("a"), scene.sandbox.monitor("b")]);
  }, TIMEOUT_MS);
  afterAll(() => scene.sandbox.close());

  test(
    "6. junk on top of the own log: told, passed over by the next batch, never seen by readers again",
    async () => {
      await say("a", "b");
      const tip = scene.logOf("a") ?? "";
      const junk = scene.strangersCommit("junk", tip);
      scene.git("update-ref", "refs/fleet/log/a", junk);
      await until("the owner knows", async () => (await scene.ownRefs("a")).verdict === "warn");
      expect((await scene.ownRefs("a")).evidence).toContain("its next batch passes them over");
      expect(scene.logOf("a")).toBe(junk);
      await say("a", "b");
      expect(scene.git("rev-parse", `${scene.logOf("a")}^1`, `${scene.logOf("a")}^2`)).toBe(
        `${tip}\n${junk}`,
      );
      expect((await scene.ownRefs("a")).evidence).toContain("they were passed over since");
      await delivered("b");
    },
    TIMEOUT_MS,
  );

  test(
    "6. own ref deleted: pushed again by itself, with nothing queued",
    async () => {
      await say("a", "b");
      const tip = scene.logOf("a");
      scene.git("update-ref", "-d", "refs/fleet/log/a");
      await until("the log is there again", () => scene.logOf("a") === tip);
      scene.git("update-ref", "-d", "refs/fleet/state/a");
      await until("the card is there again", () => scene.cardOf("a") !== undefined);
      await say("a", "b");
      await delivered("b");
    },
    TIMEOUT_MS,
  );

  test(
    "6. own ref rewound to an ancestor: pushed again by itself, with nothing queued",
    async () => {
      const first = scene.logOf("a");
      await say("a", "b");
      await say("a", "b");
      const tip = scene.logOf("a");
      scene.git("update-ref", "refs/fleet/log/a", first ?? "");
      await until("the log is where it was", () => scene.logOf("a") === tip);
      await delivered("b");
    },
    TIMEOUT_MS,
  );

  test(
    "6. own ref rewritten by a stranger: stood beside, nothing forced, readers lose and double nothing",
    async () => {
      await say("a", "b");
      const tip = scene.logOf("a");
      const stranger = scene.strangersCommit("rewritten");
      scene.git("update-ref", "refs/fleet/log/a", stranger);
      await until("the log goes on", () => scene.logOf("a") !== stranger);
      expect(scene.git("rev-parse", `${scene.logOf("a")}^1`, `${scene.logOf("a")}^2`)).toBe(
        `${tip}\n${stranger}`,
      );
      await say("a", "b");
      await say("b", "a");
      await delivered("b");
      await delivered("a");
      expect(await scene.ownRefs("a")).toMatchObject({ verdict: "warn", figure: "stranger" });
    },
    TIMEOUT_MS,
  );

  test(
    "6. repository emptied: meta and everybody's refs come back, with nothing queued",
    async () => {
      await say("a", "b");
      await say("b", "a");
      const [before, fleet] = [scene.refs(), scene.git("show", "refs/fleet/meta:meta.json")];
      for (const ref of before.keys()) scene.git("update-ref", "-d", ref);
      const logs = ["refs/fleet/log/a", "refs/fleet/log/b"];
      await until("logs are back", () => logs.every((ref) => scene.refs().get(ref) === before.get(ref)));
      await until("cards are back", () => scene.cardOf("a") !== undefined && scene.cardOf("b") !== undefined);
      expect(scene.git("show", "refs/fleet/meta:meta.json")).toBe(fleet);
      await say("a", "b");
      await delivered("b");
    },
    TIMEOUT_MS,
  );

  test(
    "6. git push --mirror by a stranger's clone: everything comes back by itself",
    async () => {
      await say("a", "b");
      const before = scene.refs();
      // A heartbeat of that moment may keep its ref from being deleted; all others are.
      const words = ["git", "-C", scene.strangersClone(), "push", "-q", "--mirror", "origin"];
      Bun.spawnSync(words, { env: scene.sandbox.temp.environment });
      expect(scene.git("for-each-ref", "refs/heads/")).not.toBe("");
      const logs = ["refs/fleet/log/a", "refs/fleet/log/b", "refs/fleet/meta"];
      await until("refs are back", () => logs.every((ref) => scene.refs().get(ref) === before.get(ref)));
      await say("b", "a");
      await delivered("a");
    },
    TIMEOUT_MS,
  );

  test(
    "6. a stranger's card on the own state ref: replaced, with an alarm",
    async () => {
      const stranger = scene.strangersCommit("no card");
      scene.git("update-ref", "refs/fleet/state/a", stranger);
      await until("the card is replaced", () => scene.cardOf("a") !== stranger);
      expect(await scene.ownRefs("a")).toMatchObject({ verdict: "warn", figure: "card" });
      expect((await say("a", "b")).exitCode).toBe(0);
    },
    TIMEOUT_MS,
  );

  test(
    "6. remote replaced by another fleet: nothing is pushed there, and all goes on when it is back",
    async () => {
      const { sandbox } = scene;
      await say("a", "b");
      const away = `${sandbox.remote}.away`;
      const theirs = sandbox.temp.bare();
      const founded = await sandbox.run("stranger", ["init", "--remote", theirs, "--server", "other"]);
      expect(founded.exitCode).toBe(0);
      scene.rename(sandbox.remote, away);
      scene.rename(theirs, sandbox.remote);
      const [held] = monitors;
      if (held === undefined) throw new Error("no monitor");
      await told(held, "held");
      expect((await say("a", "b")).exitCode).toBe(75);
      expect(await scene.ownRefs("a")).toMatchObject({ verdict: "critical", figure: "held" });
      await until("both are held", async () => (await scene.ownRefs("b")).figure === "held");
      expect([...scene.refs().keys()].sort()).toEqual([
        "refs/fleet/log/other",
        "refs/fleet/meta",
        "refs/fleet/state/other",
      ]);
      scene.rename(sandbox.remote, `${sandbox.remote}.other`);
      scene.rename(away, sandbox.remote);
      await delivered("b");
      await until("nothing is held", async () => (await scene.ownRefs("a")).figure !== "held");
    },
    TIMEOUT_MS,
  );

  judgeAll();
});

describe("own refs while only commands run", () => {
  beforeAll(begin, TIMEOUT_MS);
  afterAll(() => scene.sandbox.close());

  test(
    "6. junk on top while only a command sends: stood beside in one send",
    async () => {
      await say("a", "b");
      const junk = scene.strangersCommit("junk", scene.logOf("a"));
      scene.git("update-ref", "refs/fleet/log/a", junk);
      expect((await say("a", "b")).exitCode).toBe(0);
      await delivered("b");
    },
    TIMEOUT_MS,
  );

  test(
    "6. repository emptied while nobody runs: a command alone brings its server back",
    async () => {
      await say("a", "b");
      const fleet = scene.git("show", "refs/fleet/meta:meta.json");
      for (const ref of scene.refs().keys()) scene.git("update-ref", "-d", ref);
      expect((await say("a", "b")).exitCode).toBe(0);
      expect(scene.git("show", "refs/fleet/meta:meta.json")).toBe(fleet);
      expect((await say("b", "a")).exitCode).toBe(0);
      await delivered("b");
    },
    TIMEOUT_MS,
  );

  test(
    "6. remote replaced by another fleet while only a command sends: queued (75), and nothing is pushed",
    async () => {
      const { sandbox } = scene;
      const away = `${sandbox.remote}.away`;
      scene.rename(sandbox.remote, away);
      sandbox.temp.git(sandbox.folder, "init", "-q", "--bare", sandbox.remote);
      await sandbox.run("stranger", ["init", "--remote", sandbox.remote, "--server", "a"]);
      const before = scene.refs();
      const sent = await say("a", "b");
      expect([sent.exitCode, sent.stderr.includes("not that of")]).toEqual([75, true]);
      expect(scene.refs()).toEqual(before);
      scene.rename(sandbox.remote, `${sandbox.remote}.other`);
      scene.rename(away, sandbox.remote);
      expect((await say("a", "b")).exitCode).toBe(0);
      await delivered("b");
    },
    TIMEOUT_MS,
  );

  test(
    "6. a stranger's card where cards may only follow each other: the next one follows it",
    async () => {
      const hook = `${scene.sandbox.remote}/hooks/update`;
      const body = `case "$1" in refs/fleet/state/*) [ "$2" = "${"0".repeat(40)}" ] || [ "$(git merge-base "$2" "$3")" = "$2" ];; esac`;
      await Bun.write(hook, `#!/bin/sh\n${body}\n`);
      Bun.spawnSync(["chmod", "+x", hook]);
      expect((await say("a", "b")).exitCode).toBe(0);
      const stranger = scene.strangersCommit("no card", scene.cardOf("a"));
      scene.git("update-ref", "refs/fleet/state/a", stranger);
      expect((await say("a", "b")).exitCode).toBe(0);
      expect(scene.git("rev-parse", `${scene.cardOf("a")}^1`)).toBe(stranger);
    },
    TIMEOUT_MS,
  );

  judgeAll();
});
