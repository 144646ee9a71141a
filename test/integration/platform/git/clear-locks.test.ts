import { afterAll, expect, test } from "bun:test";
import { closeSync, existsSync, mkdirSync, openSync, utimesSync, writeFileSync } from "node:fs";
import { clearAbandonedLocks } from "../../../../src/platform/git/clear-locks.ts";
import { maintainRepository } from "../../../../src/platform/git/maintain.ts";
import { TempGit } from "../../../helpers/temp-git.ts";

const temp = new TempGit();
afterAll(() => temp.remove());

/** A lock that looks a minute older than it is, for systems that do not tell who has a file open. */
function oldLock(path: string): string {
  writeFileSync(path, "");
  const longAgo = Date.now() / 1000 - 61;
  utimesSync(path, longAgo, longAgo);
  return path;
}

test("clearAbandonedLocks() removes what killed processes left, and git can tidy up again", async () => {
  const folder = temp.bare();
  mkdirSync(`${folder}/refs/kept/log`, { recursive: true });
  const left = [oldLock(`${folder}/packed-refs.lock`), oldLock(`${folder}/refs/kept/log/code2.lock`)];
  const { signal } = new AbortController();
  expect((await maintainRepository(folder, signal)).ok).toBe(false);
  clearAbandonedLocks(folder, Date.now());
  expect(left.filter((path) => existsSync(path))).toEqual([]);
  expect((await maintainRepository(folder, signal)).ok).toBe(true);
});

test("clearAbandonedLocks() leaves a lock that somebody holds", () => {
  const folder = temp.bare();
  const path = `${folder}/packed-refs.lock`;
  const held = openSync(path, "wx");
  clearAbandonedLocks(folder, Date.now());
  expect(existsSync(path)).toBe(true);
  closeSync(held);
});
