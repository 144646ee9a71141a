// One id on two machines, and a state that was restored from a backup: one goes on, nobody handles anything twice.
import { afterEach, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe as inWords, judge } from "../helpers/fleet-checker.ts";
import { gather, readLogs } from "../helpers/fleet-evidence.ts";
import { OwnRefsScene, told, twoNewcomers, until } from "../helpers/own-refs-scene.ts";

let scene: OwnRefsScene;
const files: string[] = [];
afterEach(async () => {
  await scene.sandbox.close();
  for (const file of files.splice(0)) rmSync(file, { force: true });
});

/** A rule that writes down for which message its handler ran. */
function handling(): { readonly settings: string; readonly file: string } {
  const file = join(tmpdir(), `fleetd-runs-${crypto.randomUUID()}`);
  files.push(file);
  const run = `[/bin/sh, "-c", 'echo "$FLEETD_MESSAGE_ID" >> ${file}; echo done']`;
  const rule = `{ name: count, match: { subject: work }, run: ${run} }`;
  const budgets = "auto_reply: { per_thread: 1000, per_peer: 1000, per_host: 1000 }";
  return { settings: `${budgets}\nrules:\n  - ${rule}\n`, file };
}

const work = (server: string, to: string) => scene.sandbox.send(server, { to, more: ["work"] });

/** How often each message was handled, as its handler saw it. */
const counts = (file: string): number[] =>
  [...Map.groupBy(scene.lines(file), (id) => id).values()].map((all) => all.length);

async function verdict(): Promise<string> {
  const violations = judge(scene.sandbox.sends, await gather(scene.sandbox));
  return inWords(violations.filter(({ rule }) => rule !== "quarantined"));
}

test("6. state restored from a backup: taken over once it is silent, and nothing is handled or answered twice", async () => {
  const { settings, file } = handling();
  scene = new OwnRefsScene(settings);
  const { sandbox } = scene;
  await sandbox.init("a");
  await sandbox.init("b");
  const boss = await sandbox.monitor("a");
  const first = await sandbox.monitor("b");
  await work("a", "b");
  await until("the first is handled", () => scene.lines(file).length === 1);
  await until("and answered", async () => (await scene.inbox("a")).length === 1);
  await first.stop();
  scene.copyMachine("b", "backup");
  const second = await sandbox.monitor("b");
  await work("a", "b");
  await work("a", "b");
  await sandbox.send("b", { to: "a" });
  await until("all are handled", () => scene.lines(file).length === 3);
  await until("and answered", async () => (await scene.inbox("a")).length === 4);
  await second.stop();
  const formerCard = scene.cardOf("b");
  scene.copyMachine("backup", "b");
  const restored = await sandbox.monitor("b");
  await told(restored, "held");
  expect(await scene.ownRefs("b")).toMatchObject({ verdict: "critical", figure: "held" });
  await work("a", "b");
  await until("it goes on", async () => (await scene.ownRefs("b")).figure !== "held");
  await until("what came meanwhile is handled", () => scene.lines(file).length === 4);
  await until("and answered", async () => (await scene.inbox("a")).length === 5);
  const again = scene.git("commit-tree", `${formerCard}^{tree}`, "-m", "somebody kept it");
  scene.git("update-ref", "refs/fleet/state/b", again);
  await until("the former life's card is replaced", () => scene.cardOf("b") !== again);
  expect(
    restored.events().filter((event) => event["kind"] === "held" || event["event"] === "held"),
  ).toHaveLength(1);
  await sandbox.send("b", { to: "a" });
  await Promise.all([boss.stop(), restored.stop()]);
  expect(counts(file)).toEqual([1, 1, 1, 1]);
  const keys = readLogs(sandbox).filter((entry) => entry.writer === "b" && entry.type === "key");
  expect(keys).toHaveLength(2);
  expect(await verdict()).toBe("");
}, 180_000);

test("6. state restored from a backup, without a daemon: a send says so (77), stays queued, and forces nothing", async () => {
  scene = new OwnRefsScene();
  const { sandbox } = scene;
  await sandbox.init("a");
  await sandbox.init("b");
  scene.copyMachine("a", "backup");
  await sandbox.send("a", { to: "b" });
  const tip = scene.logOf("a");
  scene.copyMachine("backup", "a");
  const sent = await sandbox.send("a", { to: "b" });
  expect([sent.exitCode, scene.logOf("a")]).toEqual([77, tip]);
  const answer = JSON.parse(sent.stdout) as { id: string; state: string; reason: string };
  expect(answer).toMatchObject({ schema: "fleetd.send/1", state: "queued", reply: null });
  expect(answer.reason).toContain("another machine uses this id, or this state is an old copy");
  expect(sent.stderr.match(/this state is an old copy/g)).toHaveLength(1);
  sandbox.sends.pop();
  sandbox.sends.push({
    server: "a",
    body: "a says 2",
    startedWallMs: sent.startedWallMs,
    endedWallMs: sent.endedWallMs,
    told: "nothing",
  });
  const { entries } = await scene.json("a", "queue", "list");
  expect(entries as unknown[]).toMatchObject([{ id: answer.id }]);
  const monitor = await sandbox.monitor("a");
  await until("it goes on by itself", async () => (await scene.inbox("b")).length === 2);
  await monitor.stop();
  expect(await verdict()).toBe("");
}, 180_000);

test("6. the same id on two machines at once: one goes on, the other stops with 77 and takes over when it is alone", async () => {
  const { settings, file } = handling();
  scene = new OwnRefsScene(settings);
  const { sandbox } = scene;
  await sandbox.init("a");
  await sandbox.init("b");
  const boss = await sandbox.monitor("a");
  const before = await sandbox.monitor("b");
  await work("a", "b");
  await until("the first is handled", () => scene.lines(file).length === 1);
  await until("and answered", async () => (await scene.inbox("a")).length === 1);
  await before.stop();
  scene.copyMachine("b", "twin");
  const one = await sandbox.monitor("b");
  const two = await sandbox.monitor("twin");
  const figures = async () => [(await scene.ownRefs("b")).figure, (await scene.ownRefs("twin")).figure];
  await until("one of them stops", async () => (await figures()).includes("held"));
  await Bun.sleep(2_500);
  const now = await figures();
  expect(now.filter((figure) => figure === "held")).toHaveLength(1);
  const [stopped, alive] = now[0] === "held" ? (["b", "twin"] as const) : (["twin", "b"] as const);
  const refused = await sandbox.run(stopped, ["send", "from the one that stopped", "--to", "a", "--json"]);
  expect(refused.exitCode).toBe(77);
  expect((await sandbox.run(alive, ["send", "from the one that goes on", "--to", "a"])).exitCode).toBe(0);
  await work("a", "b");
  await until("the second is handled", () => scene.lines(file).length === 2);
  await until("and answered", async () => (await scene.inbox("a")).length === 3);
  const [goes, stays] = alive === "b" ? [one, two] : [two, one];
  await goes.stop();
  await until("the other one takes over", async () => (await scene.ownRefs(stopped)).figure !== "held");
  await until("and its message arrives", async () =>
    (await scene.inbox("a")).includes("from the one that stopped"),
  );
  await work("a", "b");
  await until("it handles what comes now", () => scene.lines(file).length === 3);
  await Promise.all([boss.stop(), stays.stop()]);
  expect(counts(file)).toEqual([1, 1, 1]);
}, 180_000);

test("6. own batches that a shortening removed, put back by a stranger: no second machine, a send goes through", async () => {
  scene = new OwnRefsScene("compaction: { keep: 0s, entries: 0, batches: 1 }\n");
  const { sandbox } = scene;
  await sandbox.init("a");
  await sandbox.init("b");
  for (let count = 0; count < 3; count += 1) await sandbox.send("a", { to: "b" });
  const [first = "", second = ""] = scene.git("rev-list", "--reverse", scene.logOf("a") ?? "").split("\n");
  const reader = await sandbox.monitor("b");
  await until("the reader has said that it read them, and they are removed", async () => {
    await scene.json("a", "compact");
    return Number(scene.git("rev-list", "--count", "refs/fleet/log/a")) === 2;
  });
  await reader.stop();
  const root = scene.git("commit-tree", `${first}^{tree}`, "-m", "again");
  // As a fast-forward, which every host takes.
  const parents = ["-p", root, "-p", scene.logOf("a") ?? ""];
  scene.git(
    "update-ref",
    "refs/fleet/log/a",
    scene.git("commit-tree", `${second}^{tree}`, "-m", "x", ...parents),
  );
  expect((await sandbox.send("a", { to: "b" })).exitCode).toBe(0);
  expect((await scene.ownRefs("a")).figure).not.toBe("held");
  expect(await scene.inbox("b")).toHaveLength(4);
}, 180_000);

test("6. a newcomer with a taken id: 77, names the holder, leaves a note; the holder tells it and goes on", async () => {
  scene = new OwnRefsScene();
  await twoNewcomers(scene);
  const { sandbox } = scene;
  const holder = await sandbox.monitor("x");
  const tip = scene.logOf("x");
  const sent = await sandbox.run("late", ["send", "hello", "--to", "a"]);
  expect(sent.exitCode).toBe(77);
  expect(sent.stderr).toMatch(/belongs to another key in this fleet: SHA256:/);
  expect(sent.stdout).toMatch(/^Not pushed yet: message \w+ to a is queued; it is safe here/);
  const again = await sandbox.run("late", ["send", "hello", "--to", "a", "--wait", "seen"]);
  expect([again.exitCode, again.stdout]).toEqual([77, expect.stringContaining("Not seen yet: message")]);
  expect(again.stderr).toContain("hint: Choose another id");
  expect(scene.logOf("x")).toBe(tip);
  const notes = [...scene.refs().keys()].filter((ref) => ref.startsWith("refs/fleet/conflict/x/"));
  expect(notes).toEqual([expect.stringMatching(/\/[0-9a-f]{64}$/)]);
  await until("the holder knows", async () => (await scene.ownRefs("x")).figure === "conflict");
  expect((await sandbox.send("x", { to: "a" })).exitCode).toBe(0);
  const late = await sandbox.monitor("late");
  await until("the newcomer says so", async () => (await scene.ownRefs("late")).figure === "held");
  await late.stop();
  const mended = await sandbox.run("x", ["doctor", "--fix", "--yes", "--json"]);
  expect(mended.stdout).toContain(`"outcome":"done"`);
  await until("the note is gone", () => ![...scene.refs().keys()].some((ref) => ref.includes("/conflict/")));
  await holder.stop();
  expect(await verdict()).toBe("");
}, 180_000);
