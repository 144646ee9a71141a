import { afterAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import type { GitObject, ObjectFormat } from "../../../../src/base/ports/git-store.ts";
import { createGitStore, openGitStore } from "../../../../src/platform/git/local-git-store.ts";
import { looseObjectPath } from "../../../../src/platform/git/loose-objects.ts";
import {
  commitObjects,
  gitObject,
  processesWith,
  TempGit,
  zombieChildren,
} from "../../../helpers/temp-git.ts";

const temp = new TempGit();
afterAll(() => temp.remove());

/** `count` commits on top of each other, oldest first. */
function chain(format: ObjectFormat, count: number): { objects: GitObject[]; ids: string[] } {
  const objects: GitObject[] = [];
  const ids: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const made = commitObjects(format, `line ${index}`, ids.at(-1) ?? null);
    objects.push(...made);
    ids.push(made[2].id);
  }
  return { objects, ids };
}

const textOf = (content: Uint8Array): string => new TextDecoder().decode(content);

for (const format of ["sha1", "sha256"] as const) {
  describe(`GitStore with ${format}`, () => {
    test("createGitStore() makes a bare repository that git accepts, 0700, without hooks", () => {
      const folder = temp.path("store");
      createGitStore(folder, format);
      expect(statSync(folder).mode & 0o777).toBe(0o700);
      expect(temp.git(folder, "rev-parse", "--is-bare-repository", "--show-object-format")).toBe(
        `true\n${format}`,
      );
      expect(existsSync(`${folder}/hooks`)).toBe(false);
      expect(readdirSync(temp.folder).filter((name) => name.includes(".new-"))).toEqual([]);
    });

    test("writeObjects() writes what git fsck --strict finds clean, with the ids that git computes", () => {
      const folder = temp.path("store");
      const store = createGitStore(folder, format);
      const { objects, ids } = chain(format, 5);
      store.writeObjects(objects, true);
      store.writeRef("refs/fleet/log/a", ids.at(-1) ?? null);
      expect(temp.git(folder, "fsck", "--strict", "--full", "--no-dangling")).toBe("");
      expect(temp.git(folder, "cat-file", "-p", "refs/fleet/log/a:entries.jsonl")).toBe("line 4");
      expect(temp.git(folder, "rev-list", "--count", "refs/fleet/log/a")).toBe("5");
      expect(statSync(looseObjectPath(`${folder}/objects`, ids[0] ?? "")).mode & 0o777).toBe(0o444);
    });

    test("readObjects() answers ids and <commit>:<path> in order, loose and packed alike", async () => {
      const folder = temp.path("store");
      const store = createGitStore(folder, format);
      const { objects, ids } = chain(format, 3);
      store.writeObjects(objects, false);
      store.writeRef("refs/fleet/log/a", ids[2] ?? null);
      const missing = "ab".repeat(format === "sha1" ? 20 : 32);
      const names = [
        `${ids[1]}:entries.jsonl`,
        missing,
        `${ids[0]}`,
        `${ids[2]}:entries.sig`,
        `${missing}:entries.jsonl`,
      ];
      const loose = await store.readObjects(names, 1000);
      temp.git(folder, "repack", "-adq");
      temp.git(folder, "prune-packed", "-q");
      expect(existsSync(looseObjectPath(`${folder}/objects`, ids[0] ?? ""))).toBe(false);
      expect(await store.readObjects(names, 1000)).toEqual(loose);
      expect(loose.map((answer) => answer.status)).toEqual([
        "found",
        "missing",
        "found",
        "missing",
        "missing",
      ]);
      const [first] = loose;
      expect(first?.status === "found" && textOf(first.content)).toBe("line 1");
      await store.close();
    });

    test("listCommits() gives the same chain for short and long walks, loose and packed", async () => {
      const folder = temp.path("store");
      const store = createGitStore(folder, format);
      const { objects, ids } = chain(format, 50);
      store.writeObjects(objects, false);
      const tip = ids[49] ?? "";
      const all = await store.listCommits(tip, null, 1000);
      expect(all.map((step) => step.id)).toEqual(ids);
      expect(all[1]?.parents).toEqual([ids[0] ?? ""]);
      expect((await store.listCommits(tip, ids[44] ?? "", 1000)).map((step) => step.id)).toEqual(
        ids.slice(45),
      );
      expect((await store.listCommits(tip, ids[4] ?? "", 1000)).map((step) => step.id)).toEqual(ids.slice(5));
      expect((await store.listCommits(tip, ids[4] ?? "", 3)).map((step) => step.id)).toEqual(ids.slice(5, 8));
      expect((await store.listCommits(tip, ids[44] ?? "", 3)).map((step) => step.id)).toEqual(
        ids.slice(45, 48),
      );
      expect(await store.listCommits(tip, tip, 3)).toEqual([]);
      const stranger = commitObjects(format, "other", null);
      store.writeObjects(stranger, false);
      expect(await store.listCommits(tip, stranger[2].id, 1000)).toEqual(all);
      await store.close();
    });
  });
}

test("writeObjects() keeps an intact object and replaces a damaged one", async () => {
  const folder = temp.path("store");
  const store = createGitStore(folder, "sha1");
  const blob = gitObject("sha1", "blob", "hello");
  store.writeObjects([blob], false);
  const path = looseObjectPath(`${folder}/objects`, blob.id);
  const inode = statSync(path).ino;
  store.writeObjects([blob], true);
  expect(statSync(path).ino).toBe(inode);
  chmodSync(path, 0o600);
  writeFileSync(path, "");
  expect(await store.verifyObject(blob.id)).toBe(false);
  store.writeObjects([blob], true);
  expect(await store.verifyObject(blob.id)).toBe(true);
  expect(readdirSync(`${folder}/objects/${blob.id.slice(0, 2)}`)).toHaveLength(1);
  await store.close();
});

test("verifyObject() finds packed objects, and refuses missing ones and a file under another id", async () => {
  const folder = temp.path("store");
  const store = createGitStore(folder, "sha1");
  const { objects, ids } = chain("sha1", 1);
  store.writeObjects(objects, false);
  store.writeRef("refs/fleet/a", ids[0] ?? null);
  temp.git(folder, "repack", "-adq");
  expect(await store.verifyObject(ids[0] ?? "")).toBe(true);
  expect(await store.verifyObject("12".repeat(20))).toBe(false);
  const blob = gitObject("sha1", "blob", "right");
  store.writeObjects([blob], false);
  const wrong = `${blob.id.slice(0, 2)}${"0".repeat(38)}`;
  writeFileSync(
    looseObjectPath(`${folder}/objects`, wrong),
    readFileSync(looseObjectPath(`${folder}/objects`, blob.id)),
  );
  expect(await store.verifyObject(wrong)).toBe(false);
  await store.close();
});

test("readObjects() tells too-large from the size, whether the file is read in-process or by git", async () => {
  const store = createGitStore(temp.path("store"), "sha1");
  const small = gitObject("sha1", "blob", "x".repeat(2000));
  const bomb = gitObject("sha1", "blob", new Uint8Array(40_000_000));
  store.writeObjects([small, bomb], false);
  expect(await store.readObjects([small.id, bomb.id], 1999)).toEqual([
    { status: "too-large", sizeBytes: 2000 },
    { status: "too-large", sizeBytes: 40_000_000 },
  ]);
  const noise = gitObject("sha1", "blob", crypto.getRandomValues(new Uint8Array(60_000)));
  store.writeObjects([noise], false);
  const [answer] = await store.readObjects([noise.id], 60_000);
  expect(answer?.status === "found" && Buffer.compare(answer.content, noise.content)).toBe(0);
  await store.close();
});

test("readObjects() refuses a name that is not a full id with a plain path", () => {
  const store = createGitStore(temp.path("store"), "sha1");
  for (const name of ["HEAD", "--batch-all-objects", `${"a".repeat(40)}:a\n${"b".repeat(40)}`, "abcd"]) {
    expect(() => store.readObjects([name], 10)).toThrow("names an object");
  }
});

test.skipIf(process.platform === "win32")(
  "readObjects() asks a git that knows no --batch-command in the older way, and answers alike",
  async () => {
    const folder = temp.path("store");
    const store = createGitStore(folder, "sha1");
    const { objects, ids } = chain("sha1", 3);
    store.writeObjects(objects, false);
    store.writeRef("refs/fleet/a", ids[2] ?? null);
    temp.git(folder, "repack", "-adq");
    temp.git(folder, "prune-packed", "-q");
    const names = [...ids.map((id) => `${id}:entries.jsonl`), `${ids[0]}:entries.sig`, ids[1] ?? ""];
    const answers = await store.readObjects(names, 1000);
    expect(answers.map((answer) => answer.status)).toEqual(["found", "found", "found", "missing", "found"]);
    const oldGit = temp.path("old-git");
    mkdirSync(oldGit);
    const script = `#!/bin/sh\ncase "$*" in *--batch-command*) exit 129;; esac\nexec '${Bun.which("git")}' "$@"\n`;
    writeFileSync(`${oldGit}/git`, script, { mode: 0o755 });
    const path = process.env["PATH"];
    process.env["PATH"] = `${oldGit}:${path}`;
    try {
      const older = openGitStore(folder, "sha1");
      expect(await older.readObjects(names, 1000)).toEqual(answers);
      expect((await older.listCommits(ids[2] ?? "", null, 10)).map((step) => step.id)).toEqual(ids);
      await older.close();
    } finally {
      process.env["PATH"] = path;
    }
    await store.close();
  },
);

test("readObjects() answers after its process was killed, and close() leaves no process", async () => {
  const folder = temp.path("store");
  const store = createGitStore(folder, "sha1");
  const { objects, ids } = chain("sha1", 2);
  store.writeObjects(objects, false);
  store.writeRef("refs/fleet/a", ids[1] ?? null);
  // Packed, so that git has to be asked.
  temp.git(folder, "repack", "-adq");
  temp.git(folder, "prune-packed", "-q");
  const name = `${ids[0]}:entries.jsonl`;
  const [before] = await store.readObjects([name], 100);
  const [pid] = processesWith(`--git-dir=${folder}`);
  expect(pid).toBeNumber();
  process.kill(-(pid ?? 0), "SIGKILL");
  const [after] = await store.readObjects([name], 100);
  expect(after).toEqual(before);
  await store.close();
  expect(processesWith(`--git-dir=${folder}`)).toEqual([]);
  expect(zombieChildren()).toEqual([]);
});

test("readObjects() names the file of a damaged object", async () => {
  const folder = temp.path("store");
  const store = createGitStore(folder, "sha1");
  const blob = gitObject("sha1", "blob", "hello");
  store.writeObjects([blob], false);
  const path = looseObjectPath(`${folder}/objects`, blob.id);
  chmodSync(path, 0o600);
  writeFileSync(path, "garbage");
  await expect(store.readObjects([blob.id], 100)).rejects.toThrow(blob.id.slice(2));
  await store.close();
});

test("listCommits() reports a missing parent and a tip that is no commit", async () => {
  const store = createGitStore(temp.path("store"), "sha1");
  const orphan = commitObjects("sha1", "x", "34".repeat(20));
  store.writeObjects(orphan, false);
  await expect(store.listCommits(orphan[2].id, null, 10)).rejects.toThrow("it is missing");
  await expect(store.listCommits(orphan[0].id, null, 10)).rejects.toThrow("it is a blob");
  await store.close();
});

test("readRefs() prefers loose over packed, skips locks, symbolic refs and other prefixes", () => {
  const folder = temp.path("store");
  const store = createGitStore(folder, "sha1");
  const { objects, ids } = chain("sha1", 2);
  const [first = "", second = ""] = ids;
  store.writeObjects(objects, false);
  for (const name of ["log/a", "log/b", "state/a"]) store.writeRef(`refs/fleet/${name}`, first);
  store.writeRef("refs/fleetx/log/a", first);
  temp.git(folder, "pack-refs", "--all");
  store.writeRef("refs/fleet/log/b", second);
  mkdirSync(`${folder}/refs/fleet/log`, { recursive: true });
  writeFileSync(`${folder}/refs/fleet/log/c.lock`, "");
  writeFileSync(`${folder}/refs/fleet/log/s`, "ref: refs/fleet/log/a\n");
  expect(store.readRefs("refs/fleet/")).toEqual(
    new Map([
      ["refs/fleet/log/a", first],
      ["refs/fleet/log/b", second],
      ["refs/fleet/state/a", first],
    ]),
  );
  expect([...store.readRefs("refs/fleet/state/").keys()]).toEqual(["refs/fleet/state/a"]);
});

test("writeRef() with null deletes loose and packed refs and leaves the others to git", () => {
  const folder = temp.path("store");
  const store = createGitStore(folder, "sha1");
  const { objects, ids } = chain("sha1", 2);
  store.writeObjects(objects, false);
  for (const name of ["a", "b", "c"]) store.writeRef(`refs/fleet/${name}`, ids[0] ?? null);
  temp.git(folder, "tag", "-am", "annotated", "refs-tag", ids[0] ?? "");
  temp.git(folder, "pack-refs", "--all");
  store.writeRef("refs/fleet/b", ids[1] ?? null);
  store.writeRef("refs/fleet/b", null);
  store.writeRef("refs/fleet/none", null);
  store.writeRef("refs/tags/refs-tag", null);
  expect(temp.git(folder, "for-each-ref", "--format=%(refname)")).toBe("refs/fleet/a\nrefs/fleet/c");
  expect(temp.git(folder, "fsck", "--no-dangling")).toBe("");
  expect(existsSync(`${folder}/packed-refs.lock`)).toBe(false);
});

test("writeRef() gives up when the lock stays held, and writes over an empty folder", () => {
  const folder = temp.path("store");
  const store = createGitStore(folder, "sha1");
  const { objects, ids } = chain("sha1", 1);
  store.writeObjects(objects, false);
  mkdirSync(`${folder}/refs/fleet/log`, { recursive: true });
  store.writeRef("refs/fleet/log", ids[0] ?? null);
  expect(temp.git(folder, "rev-parse", "refs/fleet/log")).toBe(ids[0] ?? "");
  const held = openSync(`${folder}/refs/fleet/x.lock`, "wx");
  expect(() => store.writeRef("refs/fleet/x", ids[0] ?? null)).toThrow("another process holds it");
  closeSync(held);
  expect(() => store.writeRef("refs/fleet/../../config", ids[0] ?? null)).toThrow("ref name");
});

test.skipIf(process.platform !== "linux")("writeRef() removes a lock that a killed process left", () => {
  const folder = temp.path("store");
  const store = createGitStore(folder, "sha1");
  const { objects, ids } = chain("sha1", 1);
  store.writeObjects(objects, false);
  mkdirSync(`${folder}/refs/own`, { recursive: true });
  writeFileSync(`${folder}/refs/own/log.lock`, "");
  store.writeRef("refs/own/log", ids[0] ?? null);
  expect(temp.git(folder, "rev-parse", "refs/own/log")).toBe(ids[0] ?? "");
  expect(existsSync(`${folder}/refs/own/log.lock`)).toBe(false);
});

test("readRefs() names the file that is damaged", () => {
  const folder = temp.path("store");
  const store = createGitStore(folder, "sha1");
  mkdirSync(`${folder}/refs/fleet`);
  writeFileSync(`${folder}/refs/fleet/a`, "");
  expect(() => store.readRefs("refs/fleet/")).toThrow(`${folder}/refs/fleet/a`);
  writeFileSync(`${folder}/refs/fleet/a`, `${"1".repeat(40)}\n`);
  writeFileSync(`${folder}/packed-refs`, `${"z".repeat(40)} refs/fleet/b\n`);
  expect(() => store.readRefs("refs/fleet/")).toThrow("packed-refs");
});

test("openGitStore() refuses a missing repository and another object format", () => {
  const folder = temp.path("store");
  expect(() => openGitStore(folder, "sha1")).toThrow("no git repository");
  createGitStore(folder, "sha256");
  expect(() => openGitStore(folder, "sha1")).toThrow("its objects are sha256");
  expect(() => createGitStore(folder, "sha256")).toThrow("already there");
  expect(openGitStore(folder, "sha256").format).toBe("sha256");
});
