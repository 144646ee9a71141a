// Objects that are gone from the remote or from a private store, as after `git gc --prune=now` beside a writer: the owner
// of a ref mends it by itself.
import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  defineTidyingWithoutGrace,
  expectNothingLost,
  isWhole,
  loseObject,
  type Part,
} from "../helpers/ill-remote-suite.ts";
import { OwnRefsScene, until } from "../helpers/own-refs-scene.ts";

const TIMEOUT_MS = 180_000;

let scene: OwnRefsScene;
beforeEach(async () => {
  scene = new OwnRefsScene();
  await scene.sandbox.init("a");
  await scene.sandbox.init("b");
});
afterEach(() => scene.sandbox.close());

const parts: readonly Part[] = ["commit", "tree", "blob"];
const remoteIsWhole = (): boolean => isWhole(scene, scene.sandbox.remote);
const say = (server: string, to: string) => scene.sandbox.send(server, { to });
const delivered = (server: string, count: number): Promise<void> =>
  until(`${server} has ${count} messages`, async () => (await scene.inbox(server)).length === count);

test(
  "the remote lost a commit, a tree, a file of an own log, or the card: its owner mends it, with nothing queued",
  async () => {
    const { sandbox } = scene;
    const a = await sandbox.monitor("a");
    let count = 0;
    for (const part of parts) {
      expect((await say("a", "b")).exitCode).toBe(0);
      count += 1;
      loseObject(scene, sandbox.remote, "refs/fleet/log/a", part);
      await until(`the log is whole without its ${part}`, remoteIsWhole);
    }
    const b = await sandbox.monitor("b");
    await delivered("b", count);
    expect((await say("b", "a")).exitCode).toBe(0);
    await delivered("a", 1);
    await expectNothingLost(scene, [a, b]);
  },
  TIMEOUT_MS,
);

test(
  "the remote lost the tip of the own log and only a command sends: mended in one send",
  async () => {
    await say("a", "b");
    loseObject(scene, scene.sandbox.remote, "refs/fleet/log/a", "commit");
    expect((await say("a", "b")).exitCode).toBe(0);
    expect(remoteIsWhole()).toBe(true);
    await delivered("b", 2);
    await expectNothingLost(scene, []);
  },
  TIMEOUT_MS,
);

test(
  "a private store lost what was built, what was pushed, and its own refs: mended, in order",
  async () => {
    const { sandbox } = scene;
    const store = sandbox.filesOf("a").store;
    await say("a", "b");
    await say("a", "b");
    loseObject(scene, store, "refs/own/log", "commit");
    expect((await say("a", "b")).exitCode).toBe(0);
    loseObject(scene, store, "refs/own/log", "tree");
    expect((await say("a", "b")).exitCode).toBe(0);
    const monitor = await sandbox.monitor("a");
    loseObject(scene, store, "refs/own/log", "commit");
    await say("a", "b");
    await until("all are pushed", async () => (await scene.inbox("b")).length === 5);
    await expectNothingLost(scene, [monitor]);
  },
  TIMEOUT_MS,
);

test(
  "a stranger's file or folder on the own log: deleted under its lease, and the log is there again",
  async () => {
    const { sandbox } = scene;
    await say("a", "b");
    const tip = scene.logOf("a");
    const blob = scene.git("hash-object", "-w", `${sandbox.folder}/fleetd.yaml`);
    scene.git("update-ref", "refs/fleet/log/a", blob);
    expect((await say("a", "b")).exitCode).toBe(0);
    expect(scene.git("rev-parse", "refs/fleet/log/a~1")).toBe(tip ?? "");
    const monitor = await sandbox.monitor("a");
    const now = scene.logOf("a");
    scene.git("update-ref", "refs/fleet/log/a", scene.git("rev-parse", "refs/fleet/log/b^{tree}"));
    await until("the log is there again", () => scene.logOf("a") === now);
    await say("a", "b");
    await delivered("b", 3);
    await expectNothingLost(scene, [monitor]);
  },
  TIMEOUT_MS,
);

defineTidyingWithoutGrace({ sends: 6, daemons: false, timeoutMs: TIMEOUT_MS });
