import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemFileWatcher } from "../../../src/platform/watch-tree.ts";
import { eventually } from "../../helpers/temp-git.ts";

const WITHIN_MS = 30_000;

let markers = 0;
let folder = "";
let changed: string[] = [];
let troubles: string[] = [];
const stops: (() => void)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fleetd-watch-"));
  [changed, troubles] = [[], []];
});
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
  rmSync(folder, { recursive: true, force: true });
});

const at = (...names: readonly string[]): string => join(folder, ...names);

function watch(
  path = folder,
  isIgnored = (name: string): boolean => name.split("/").includes("left-out"),
): void {
  stops.push(
    systemFileWatcher.watch(
      { path, isIgnored },
      { onChange: (one) => void changed.push(one), onTrouble: (detail) => void troubles.push(detail) },
    ),
  );
}

const isTold = (path: string): Promise<boolean> => eventually(() => changed.includes(path), WITHIN_MS);

/** What happened before is told by now: something that happened later was. */
async function settle(): Promise<void> {
  markers += 1;
  writeFileSync(at(`marker-${markers}`), "");
  expect(await isTold(at(`marker-${markers}`))).toBe(true);
}

describe("systemFileWatcher", () => {
  test("tells of files that are written, made, renamed and removed, at any depth", async () => {
    mkdirSync(at("a", "b"), { recursive: true });
    writeFileSync(at("a", "b", "old"), "1");
    watch();
    writeFileSync(at("a", "b", "old"), "2");
    expect(await isTold(at("a", "b", "old"))).toBe(true);
    writeFileSync(at("a", "new"), "");
    expect(await isTold(at("a", "new"))).toBe(true);
    renameSync(at("a", "new"), at("a", "newer"));
    expect(await isTold(at("a", "newer"))).toBe(true);
    changed = [];
    rmSync(at("a", "newer"));
    expect(await isTold(at("a", "newer"))).toBe(true);
    expect(troubles).toEqual([]);
  });

  test("follows folders that come later, also when they are renamed into place or made anew", async () => {
    watch();
    mkdirSync(at("one", "two"), { recursive: true });
    expect(await isTold(at("one"))).toBe(true);
    writeFileSync(at("one", "two", "file"), "");
    expect(await isTold(at("one", "two", "file"))).toBe(true);
    renameSync(at("one"), at("moved"));
    expect(await isTold(at("moved"))).toBe(true);
    writeFileSync(at("moved", "two", "other"), "");
    expect(await isTold(at("moved", "two", "other"))).toBe(true);
    rmSync(at("moved"), { recursive: true });
    await settle();
    mkdirSync(at("moved"));
    await settle();
    changed = [];
    writeFileSync(at("moved", "again"), "");
    expect(await isTold(at("moved", "again"))).toBe(true);
  });

  test("tells nothing of what is left out, and nothing of what links lead to", async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), "fleetd-elsewhere-"));
    mkdirSync(at("left-out", "deep"), { recursive: true });
    symlinkSync(elsewhere, at("link"));
    watch();
    writeFileSync(at("left-out", "deep", "file"), "");
    writeFileSync(at("left-out", "file"), "");
    writeFileSync(join(elsewhere, "file"), "");
    await settle();
    expect(changed.filter((path) => !path.startsWith(at("marker")))).toEqual([]);
    rmSync(elsewhere, { recursive: true });
  });

  test("watches a single file, also when another one is put in its place", async () => {
    writeFileSync(at("config"), "1");
    writeFileSync(at("other"), "1");
    watch(at("config"));
    writeFileSync(at("other"), "2");
    writeFileSync(at("config.new"), "2");
    renameSync(at("config.new"), at("config"));
    expect(await isTold(at("config"))).toBe(true);
    expect(new Set(changed)).toEqual(new Set([at("config")]));
  });

  test("says so when there is nothing to watch", () => {
    watch(at("missing"));
    expect(troubles).toEqual([`cannot watch "${at("missing")}": there is no such file or folder`]);
  });

  test("tells nothing any more once it was ended", async () => {
    mkdirSync(at("sub"));
    watch(at("sub"));
    stops.splice(0)[0]?.();
    writeFileSync(at("sub", "file"), "");
    watch();
    await settle();
    expect(changed).not.toContain(at("sub", "file"));
  });
});

// Only the root of a namespace of its own may lower the limit for this test alone.
const canLimit =
  process.platform === "linux" &&
  Bun.spawnSync(["unshare", "-Ur", "sh", "-c", "echo 9 > /proc/sys/user/max_inotify_watches"]).exitCode === 0;
if (!canLimit) console.log("skipped: the limit of inotify cannot be lowered for one process here");

test.skipIf(!canLimit)(
  "a system without room for more watches is told of once per watch, and the rest is watched",
  () => {
    for (let number = 0; number < 30; number += 1) mkdirSync(at(`folder-${number}`));
    const script = `
    const { systemFileWatcher } = await import(${JSON.stringify(join(import.meta.dir, "../../../src/platform/watch-tree.ts"))});
    const troubles = [];
    let isTold = false;
    systemFileWatcher.watch(
      { path: ${JSON.stringify(folder)}, isIgnored: () => false },
      { onChange: () => { isTold = true; }, onTrouble: (detail) => troubles.push(detail) },
    );
    require("node:fs").writeFileSync(${JSON.stringify(at("file"))}, "");
    for (let waits = 0; !isTold && waits < 3000; waits += 1) await Bun.sleep(10);
    console.log(JSON.stringify({ isTold, troubles }));`;
    const { stdout, stderr } = Bun.spawnSync([
      "unshare",
      "-Ur",
      "sh",
      "-c",
      'echo 9 > /proc/sys/user/max_inotify_watches && exec "$0" -e "$1"',
      process.execPath,
      script,
    ]);
    expect(stderr.toString()).toBe("");
    const told: { isTold: boolean; troubles: string[] } = JSON.parse(stdout.toString());
    expect(told.isTold).toBe(true);
    expect(told.troubles.length).toBe(1);
    expect(told.troubles[0]).toContain("fs.inotify.max_user_watches");
  },
);
