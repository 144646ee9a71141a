import { expect, test } from "bun:test";
import { existsSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openMemoryFolder } from "../../../scripts/gate/memory-folder.ts";

const isHere = existsSync("/proc/meminfo");
if (!isHere) console.log("skipped: files of tests in memory, because there is no /proc/meminfo");

test.skipIf(!isHere)("openMemoryFolder() makes a folder for everybody, and remove() takes it away", () => {
  const folder = openMemoryFolder(tmpdir(), 1);
  expect(folder).not.toBeNull();
  if (folder === null) return;
  expect(statSync(folder.path).mode & 0o7777).toBe(0o1777);
  writeFileSync(join(folder.path, "a"), "b");
  folder.remove();
  expect(existsSync(folder.path)).toBe(false);
});

test("openMemoryFolder() makes none where there is too little room", () => {
  expect(openMemoryFolder(tmpdir(), Number.MAX_SAFE_INTEGER)).toBeNull();
});

test("openMemoryFolder() makes none where there is no such folder", () => {
  expect(openMemoryFolder(join(tmpdir(), "no-such-folder"), 1)).toBeNull();
});
