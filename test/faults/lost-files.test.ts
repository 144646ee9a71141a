// A file of a log that was fetched long ago is damaged in the reader's own store, and its index is gone: it says what is
// damaged, mends it, and has every message. Its writer is never blamed for it.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { OwnRefsScene, until } from "../helpers/own-refs-scene.ts";

const TIMEOUT_MS = 180_000;

let scene: OwnRefsScene;
let said: string[] = [];
beforeEach(async () => {
  scene = new OwnRefsScene();
  said = [];
  await scene.sandbox.init("a");
  await scene.sandbox.init("b");
  for (let count = 0; count < 4; count += 1) await say();
  await until("all are there", () => hasAll());
});
afterEach(() => scene.sandbox.close());

/** One more message of "a" to "b". */
async function say(): Promise<void> {
  const sent = await scene.sandbox.send("a", { to: "b" });
  expect(sent.exitCode).toBe(0);
  said.push(scene.sandbox.sends.at(-1)?.body ?? "");
}

const hasAll = async (): Promise<boolean> => JSON.stringify(await scene.inbox("b")) === JSON.stringify(said);

const HARMS: Readonly<Record<string, (path: string) => void>> = {
  emptied: (path) => truncateSync(path, 0),
  removed: (path) => rmSync(path),
  "one bit of it flipped": (path) => {
    const bytes = readFileSync(path);
    const middle = bytes.length >> 1;
    bytes[middle] = (bytes[middle] ?? 0) ^ 1;
    writeFileSync(path, bytes);
  },
};

/** Damages the second of the files that "a" sent, in the store of "b", and takes its index away; the object's id. */
function harm(deed: (path: string) => void, name = "entries.jsonl"): string {
  const { store, index } = scene.sandbox.filesOf("b");
  const id = scene.git("rev-parse", `refs/fleet/log/a~2:${name}`);
  const path = `${store}/objects/${id.slice(0, 2)}/${id.slice(2)}`;
  chmodSync(path, 0o600);
  deed(path);
  for (const suffix of ["", "-wal", "-shm"]) rmSync(index + suffix, { force: true });
  return id;
}

async function expectNobodyBlamed(): Promise<void> {
  const { stdout } = await scene.sandbox.run("b", ["doctor", "--json"]);
  expect(stdout).not.toContain("quarantined");
  expect(stdout).not.toContain("alarm-");
}

for (const [name, deed] of Object.entries(HARMS)) {
  test(
    `a file of a log is ${name}: a command says so, mends it, and shows every message`,
    async () => {
      const id = harm(deed);
      const look = await scene.sandbox.run("b", ["inbox", "--json", "--limit", "1000"]);
      expect(look.exitCode).toBe(0);
      expect(look.stderr).toContain(id);
      expect(look.stderr).toContain("fetched again");
      expect(await hasAll()).toBe(true);
      await say();
      expect(await hasAll()).toBe(true);
      await expectNobodyBlamed();
    },
    TIMEOUT_MS,
  );
}

test(
  "a signature of a log is removed: a monitor says so, mends it, and takes every message",
  async () => {
    harm((path) => rmSync(path), "entries.sig");
    const monitor = await scene.sandbox.monitor("b");
    const told = (): string =>
      JSON.stringify(monitor.events().filter(({ kind, event }) => (kind ?? event) === "notice"));
    // Before any command of "b" looks, which would mend it as well.
    await until("the monitor has mended it", () => told().includes("fetched again"));
    await say();
    await until("the monitor has all", hasAll);
    await monitor.stop();
    await expectNobodyBlamed();
  },
  TIMEOUT_MS,
);

test(
  "a store that has to be fetched again keeps the logs that the remote does not have any more",
  async () => {
    const { temp } = scene.sandbox;
    const { store } = scene.sandbox.filesOf("b");
    const [whole, broken] = ["00000001", "00000002"].map((number) => {
      const id = temp.git(store, "commit-tree", "refs/fleet/log/a~1^{tree}", "-m", number);
      temp.git(store, "update-ref", `refs/kept/former/a/${number}`, id);
      return id;
    });
    rmSync(`${store}/objects/${broken?.slice(0, 2)}/${broken?.slice(2)}`);
    const fixed = await scene.sandbox.run("b", ["doctor", "--fix", "--yes", "--json"]);
    expect(fixed.stdout).toContain("fetched again");
    const kept = temp.git(store, "for-each-ref", "--format=%(refname) %(objectname)", "refs/kept/former/");
    expect(kept).toBe(`refs/kept/former/a/00000001 ${whole}`);
    expect(temp.git(store, "fsck", "--full", "--no-dangling")).toBe("");
    await say();
    expect(await hasAll()).toBe(true);
  },
  TIMEOUT_MS,
);

test(
  "a file of a log is gone and the remote is away: told, and mended by the doctor when it is back",
  async () => {
    const id = harm((path) => rmSync(path));
    const { remote } = scene.sandbox;
    scene.rename(remote, `${remote}.away`);
    expect((await scene.sandbox.run("b", ["inbox"])).exitCode).toBe(0);
    expect((await scene.sandbox.run("b", ["inbox"])).exitCode).toBe(0);
    const { stdout } = await scene.sandbox.run("b", ["doctor", "--json"]);
    expect(stdout).toContain(id);
    expect(stdout).toContain("alarm-unreadable");
    expect(stdout).not.toContain("quarantined");
    scene.rename(`${remote}.away`, remote);
    const { stdout: treated } = await scene.sandbox.run("b", ["doctor", "--fix", "--yes", "--json"]);
    expect(treated).toContain("fetched again");
    await say();
    expect(await hasAll()).toBe(true);
    await expectNobodyBlamed();
  },
  TIMEOUT_MS,
);
