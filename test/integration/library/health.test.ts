import { afterAll, expect, test } from "bun:test";
import { mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { getSystemHealth } from "../../../src/library/health.ts";
import { TempGit } from "../../helpers/temp-git.ts";

const temp = new TempGit();
afterAll(() => temp.remove());

function clone(): string {
  const folder = temp.path("clone");
  mkdirSync(folder);
  temp.git(folder, "init", "-q");
  return folder;
}

test("getSystemHealth() has the fields that its users know", async () => {
  const health = await getSystemHealth(clone());
  expect(health).toEqual({
    disk: {
      free_gb: expect.any(Number),
      total_gb: expect.any(Number),
      percent_used: expect.any(Number),
      status: expect.any(String),
    },
    memory: {
      percent_used: expect.any(Number),
      available_gb: expect.any(Number),
      status: expect.any(String),
    },
    git: { status: "ok", detail: expect.stringMatching(/\.git$/) },
    overall_status: expect.any(String),
    timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
  });
  expect(health.disk.percent_used).toBeWithin(0, 100.1);
});

test("getSystemHealth() takes bare repositories and linked work trees", async () => {
  expect((await getSystemHealth(temp.bare())).git.status).toBe("ok");
  const main = clone();
  temp.git(main, "commit", "-q", "--allow-empty", "-m", "first");
  const linked = temp.path("linked");
  temp.git(main, "worktree", "add", "-q", linked);
  expect((await getSystemHealth(linked)).git.status).toBe("ok");
});

test("getSystemHealth() warns of a lock that was left", async () => {
  const folder = clone();
  const lock = `${folder}/.git/index.lock`;
  writeFileSync(lock, "");
  expect((await getSystemHealth(folder)).git.status).toBe("ok");
  utimesSync(lock, new Date(0), new Date(0));
  expect(await getSystemHealth(folder)).toMatchObject({ git: { status: "warn" }, overall_status: "warn" });
});

test("getSystemHealth() is critical where there is no repository, and knows nothing of a place that is not there", async () => {
  const nothing = await getSystemHealth(`${temp.folder}/home`);
  expect(nothing).toMatchObject({ git: { status: "critical" }, overall_status: "critical" });
  const nowhere = await getSystemHealth(`${temp.folder}/nowhere`);
  expect(nowhere.disk).toEqual({ free_gb: null, total_gb: null, percent_used: null, status: "unknown" });
});
