import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FleetError } from "../../../src/base/errors.ts";
import { takeKeptLock, tryKeepableLock } from "../../../src/platform/kept-lock.ts";
import { readHolder, tryLock, writeHolder } from "../../../src/platform/process-lock.ts";
import { MemoryLock } from "../../helpers/memory-lock.ts";
import { lockContract } from "./lock.contract.ts";

const folder = mkdtempSync(join(tmpdir(), "fleetd-lock-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let count = 0;
const FIXTURES = join(import.meta.dir, "../../helpers/fixtures");
const newPath = (): string => {
  count += 1;
  return join(folder, `lock-${count}`);
};

lockContract("files", () => {
  const path = newPath();
  return () => tryLock(path);
});

lockContract("files, for a whole life", () => {
  const path = newPath();
  return () => tryKeepableLock(path);
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
function startRacer(path: string, way: string) {
  const child = Bun.spawn([process.execPath, `${FIXTURES}/lock-racer.ts`, path, way], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const reader = child.stdout.getReader();
  const ask = async (line: string): Promise<string> => {
    child.stdin.write(`${line}\n`);
    child.stdin.flush();
    return new TextDecoder().decode((await reader.read()).value);
  };
  return { ask, end: () => child.stdin.end(), ended: child.exited };
}

test.each([
  ["sqlite", "sqlite"],
  ["keepable", "keepable"],
  ["sqlite", "keepable"],
])("exactly one of two that come at the same instant has the lock: %s, %s", async (first, second) => {
  const path = newPath();
  const racers = [first, second].map((way) => startRacer(path, way));
  const askBoth = (line: string) => Promise.all(racers.map((racer) => racer.ask(line)));
  for (let round = 0; round < 200; round += 1) {
    const answers = await askBoth(String(performance.timeOrigin + performance.now() + 2));
    expect(answers.toSorted()).toEqual(["lost\n", "won\n"]);
    await askBoth("free");
  }
  for (const racer of racers) racer.end();
  await Promise.all(racers.map((racer) => racer.ended));
});

const isLinux = process.platform === "linux";
if (!isLinux) console.log("skipped: locks over execve (Linux alone has what they need)");

test("tryKeepableLock() and tryLock() keep each other out", () => {
  const path = newPath();
  const held = tryLock(path);
  // Another process must ask: this one would take its own lock away by closing the file.
  const asked = Bun.spawnSync([process.execPath, `${FIXTURES}/lock-prober.ts`, path], { stdin: "ignore" });
  expect(JSON.parse(asked.stdout.toString().split("\n")[1] ?? "")).toMatchObject({ given: 0 });
  held?.release();
  const kept = tryKeepableLock(path);
  expect(tryLock(path)).toBeNull();
  kept?.release();
  tryLock(path)?.release();
});

describe.skipIf(!isLinux)("a lock over execve", () => {
  const children: Bun.Subprocess[] = [];
  afterEach(async () => {
    for (const child of children.splice(0)) {
      child.kill("SIGKILL");
      await child.exited;
    }
  });

  test("is held by each next program, and nobody else is given it meanwhile", async () => {
    const path = newPath();
    const holder = Bun.spawn([process.execPath, `${FIXTURES}/kept-lock-life.ts`, path, "8"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    children.push(holder);
    const told = lines(holder.stdout);
    expect(await told()).toBe(`held ${holder.pid}`);
    const prober = Bun.spawn([process.execPath, `${FIXTURES}/lock-prober.ts`, path], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    children.push(prober);
    const asked = lines(prober.stdout);
    await asked();
    for (let life = 0; life < 8; life += 1) expect(await told()).toBe(`held ${holder.pid}`);
    prober.stdin.end();
    const count = JSON.parse(await asked());
    console.log(
      `lock over execve: 8 times, asked for ${count.refused} times meanwhile, given ${count.given}`,
    );
    expect(count.given).toBe(0);
    expect(count.refused).toBeGreaterThan(0);
    holder.kill("SIGKILL");
    await holder.exited;
    const free = tryKeepableLock(path);
    expect(free).not.toBeNull();
    free?.release();
  }, 120_000);

  test("takeKeptLock() refuses a descriptor of another file, one that is closed, and a lock that somebody else has", () => {
    const [path, other] = [newPath(), newPath()];
    const lock = tryKeepableLock(path);
    const descriptor = lock?.keepOverExec() ?? -1;
    writeFileSync(other, "");
    expect(takeKeptLock(other, descriptor)).toBeNull();
    expect(takeKeptLock(path, 9_999)).toBeNull();
    const stranger = openSync(path, "r+");
    expect(takeKeptLock(path, stranger)).toBeNull();
    closeSync(stranger);
    lock?.keepNoLonger();
    expect(takeKeptLock(path, descriptor)).not.toBeNull();
    lock?.release();
  });
});

/** Reads one line after the other. */
function lines(stream: ReadableStream<Uint8Array>): () => Promise<string> {
  const reader = stream.getReader();
  let text = "";
  return async () => {
    while (!text.includes("\n")) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`Cannot read a line: the process ended after "${text}"`);
      text += new TextDecoder().decode(value);
    }
    const end = text.indexOf("\n");
    const line = text.slice(0, end);
    text = text.slice(end + 1);
    return line;
  };
}

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
