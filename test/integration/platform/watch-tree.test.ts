import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
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

describe("systemFileWatcher, of what is made anew", () => {
  test("follows a folder that is removed and made at once, the watched one and one in it", async () => {
    mkdirSync(at("dist", "sub"), { recursive: true });
    watch(at("dist"));
    for (const name of [join("dist", "sub"), "dist"]) {
      rmSync(at(name), { recursive: true });
      mkdirSync(at(name));
      expect(await isTold(at(name))).toBe(true);
      await untilTold(at(name, "file"));
    }
    expect(troubles).toEqual([]);
  });

  test("tells of a folder that is gone, and follows it again when it comes back", async () => {
    mkdirSync(at("parent", "dist"), { recursive: true });
    watch(at("parent", "dist"));
    rmSync(at("parent"), { recursive: true });
    expect(await eventually(() => troubles.length > 0, WITHIN_MS)).toBe(true);
    expect(troubles).toEqual([`cannot watch "${at("parent", "dist")}": there is no such file or folder`]);
    changed = [];
    mkdirSync(at("parent", "dist"), { recursive: true });
    expect(await isTold(at("parent", "dist"))).toBe(true);
    await untilTold(at("parent", "dist", "file"));
    expect(troubles).toHaveLength(1);
  });
});

/** Writes until it is told, since a new watch may just be about to begin. */
async function untilTold(path: string): Promise<void> {
  const isSeen = await eventually(() => {
    writeFileSync(path, String(performance.now()));
    return changed.includes(path);
  }, WITHIN_MS);
  expect(isSeen).toBe(true);
}

const canBecomeNobody = process.platform === "linux" && process.getuid?.() === 0;
if (!canBecomeNobody)
  console.log("skipped: folders that may not be read: only root can become somebody else");

describe.skipIf(!canBecomeNobody)("systemFileWatcher, of what may not be read", () => {
  const NOBODY = 65534;
  beforeEach(() => {
    mkdirSync(at("locked", "app", "sub"), { recursive: true });
    for (const name of ["", "locked", "locked/app", "locked/app/sub"]) chownSync(at(name), NOBODY, NOBODY);
    process.seteuid?.(NOBODY);
  });
  afterEach(() => {
    process.seteuid?.(0);
  });

  test("a target in a locked folder is told, and followed when the folder is opened", async () => {
    chmodSync(at("locked"), 0);
    watch(at("locked", "app"));
    expect(troubles).toEqual([`cannot watch "${at("locked", "app")}": permission denied`]);
    chmodSync(at("locked"), 0o755);
    expect(await isTold(at("locked", "app"))).toBe(true);
    await untilTold(at("locked", "app", "sub", "file"));
    expect(troubles).toHaveLength(1);
  });

  test("a watched folder that is locked is told once, and followed when it is opened", async () => {
    watch(at("locked"));
    chmodSync(at("locked", "app"), 0);
    expect(await eventually(() => troubles.length > 0, WITHIN_MS)).toBe(true);
    expect(troubles).toEqual([`cannot watch "${at("locked", "app")}": permission denied`]);
    chmodSync(at("locked", "app"), 0o755);
    await untilTold(at("locked", "app", "file"));
    chmodSync(at("locked"), 0);
    expect(await eventually(() => troubles.length > 1, WITHIN_MS)).toBe(true);
    chmodSync(at("locked"), 0o755);
    await untilTold(at("locked", "app", "sub", "file"));
  });
});
