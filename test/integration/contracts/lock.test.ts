import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FleetError } from "../../../src/base/errors.ts";
import { readHolder, tryLock, writeHolder } from "../../../src/platform/process-lock.ts";
import { MemoryLock } from "../../helpers/memory-lock.ts";
import { lockContract } from "./lock.contract.ts";

const folder = mkdtempSync(join(tmpdir(), "fleetd-lock-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let count = 0;
const newPath = (): string => {
  count += 1;
  return join(folder, `lock-${count}`);
};

lockContract("files", () => {
  const path = newPath();
  return () => tryLock(path);
});

lockContract("memory", () => {
  const lock = new MemoryLock();
  return () => lock.tryTake();
});

test("tryLock() takes the lock of a holder that was killed", async () => {
  const path = newPath();
  const holder = Bun.spawn(
    [
      process.execPath,
      "-e",
      `const { tryLock } = await import(${JSON.stringify(`${import.meta.dir}/../../../src/platform/process-lock.ts`)});
       console.log(tryLock(${JSON.stringify(path)}) === null ? "taken" : "held");
       await new Promise(() => setInterval(() => {}, 1000));`,
    ],
    { stdout: "pipe", stderr: "inherit" },
  );
  const reader = holder.stdout.getReader();
  const { value } = await reader.read();
  expect(new TextDecoder().decode(value)).toBe("held\n");
  expect(tryLock(path)).toBeNull();
  holder.kill("SIGKILL");
  await holder.exited;
  const taken = tryLock(path);
  expect(taken).not.toBeNull();
  taken?.release();
});

/** Starts a process that tries the lock at the instant (wall ms) it reads, tells how that went, and frees it at the next line. */
function startRacer(path: string) {
  const child = Bun.spawn(
    [process.execPath, `${import.meta.dir}/../../helpers/fixtures/lock-racer.ts`, path],
    {
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  const reader = child.stdout.getReader();
  const ask = async (line: string): Promise<string> => {
    child.stdin.write(`${line}\n`);
    child.stdin.flush();
    return new TextDecoder().decode((await reader.read()).value);
  };
  return { ask, end: () => child.stdin.end(), ended: child.exited };
}

test("tryLock() lets exactly one of two that come at the same instant have the lock", async () => {
  const path = newPath();
  const racers = [startRacer(path), startRacer(path)];
  const askBoth = (line: string) => Promise.all(racers.map((racer) => racer.ask(line)));
  for (let round = 0; round < 200; round += 1) {
    const answers = await askBoth(String(performance.timeOrigin + performance.now() + 2));
    expect(answers.toSorted()).toEqual(["lost\n", "won\n"]);
    await askBoth("free");
  }
  for (const racer of racers) racer.end();
  await Promise.all(racers.map((racer) => racer.ended));
});

test("tryLock() throws IO where no file can be made", () => {
  expect(() => tryLock(join(folder, "missing", "lock"))).toThrow(FleetError);
});

test("readHolder() answers what writeHolder() wrote, and null for nothing and for rubbish", () => {
  const path = newPath();
  expect(readHolder(path)).toBeNull();
  writeHolder(path, { pid: 12, startedWallMs: 34 });
  expect(readHolder(path)).toEqual({ pid: 12, startedWallMs: 34 });
  for (const rubbish of ["", "{", "[]", '{"pid":"1","startedWallMs":2}']) {
    writeFileSync(`${path}.json`, rubbish);
    expect(readHolder(path)).toBeNull();
  }
});
