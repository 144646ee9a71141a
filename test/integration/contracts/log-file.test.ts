import { afterAll, afterEach, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LogFile, LogLimits } from "../../../src/base/ports/log-file.ts";
import { openLogFile } from "../../../src/platform/log-file.ts";
import { asidePath, CURRENT_LOG, listAside } from "../../../src/platform/log-names.ts";
import { FakeClock } from "../../helpers/fake-clock.ts";
import { MemoryLog } from "../../helpers/memory-log.ts";
import { eventually } from "../../helpers/temp-git.ts";
import { logFileContract } from "./log-file.contract.ts";

const root = mkdtempSync(join(tmpdir(), "fleetd-log-"));
const tiny = join(root, "tiny");
const missing = mountTiny(tiny);
afterAll(() => {
  if (missing === null) Bun.spawnSync(["umount", tiny]);
  rmSync(root, { recursive: true, force: true });
});
const HOUR_MS = 3_600_000;
let count = 0;

/** A log in a folder of its own. */
interface Opened {
  readonly folder: string;
  readonly path: string;
  readonly log: LogFile;
  readonly told: string[];
  readonly clock: FakeClock;
  /** What is in all its files, oldest first. */
  readonly lines: () => string[];
}

function open(limits: Partial<LogLimits> = {}, folder = newFolder()): Opened {
  const told: string[] = [];
  const clock = new FakeClock();
  clock.setWall(Date.now());
  const log = openLogFile(folder, {
    limits: () => ({ fileBytes: 1_000_000, keepMs: 14 * 24 * HOUR_MS, totalBytes: 10_000_000, ...limits }),
    clock,
    onTrouble: (detail) => told.push(detail),
    onRecovered: (lost) => told.push(`recovered, ${lost} lost`),
  });
  const lines = (): string[] =>
    [...listAside(folder).map((file) => file.path), join(folder, CURRENT_LOG)].flatMap(linesOf);
  return { folder, path: join(folder, CURRENT_LOG), log, told, clock, lines };
}

function newFolder(): string {
  count += 1;
  return join(root, `logs-${count}`);
}

const linesOf = (path: string): string[] => {
  if (!existsSync(path)) return [];
  const text = readFileSync(path, "utf8");
  return text === "" ? [] : text.replace(/\n$/, "").split("\n");
};
const numbers = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, index) => `line ${from + index}`);

logFileContract("memory", () => {
  const told: string[] = [];
  const log = new MemoryLog({ onTrouble: (text) => told.push(text), onRecovered: () => told.push("again") });
  return { log, told, lines: () => log.lines, setFull: (isFull) => log.setFull(isFull) };
});

logFileContract("files", () => {
  const opened = open();
  return {
    ...opened,
    // The device that is always full; writing goes through the name, so another file there is another disk.
    setFull(isFull) {
      mkdirSync(opened.folder, { recursive: true });
      if (isFull) symlinkSync("/dev/full", opened.path);
      else unlinkSync(opened.path);
    },
  };
});

describe("openLogFile()", () => {
  test("makes its folder for this user alone, at the first line and not before", () => {
    const { folder, path, log } = open();
    expect(existsSync(folder)).toBe(false);
    log.write("one");
    log.close();
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("writes without being asked, soon", async () => {
    const { log, lines } = open();
    log.write("one");
    expect(await eventually(() => lines().length === 1, 60_000)).toBe(true);
    log.close();
  });

  test("writes a burst without waiting for a timer", () => {
    const { log, lines } = open();
    for (let index = 0; index < 100; index += 1) log.write("x".repeat(1000));
    expect(lines().length).toBeGreaterThan(50);
    log.close();
    expect(lines()).toHaveLength(100);
  });

  test("puts a full file aside and loses no line, within one piece of writing", () => {
    const { log, lines, folder } = open({ fileBytes: 100 });
    for (const line of numbers(0, 100)) log.write(line);
    log.close();
    expect(lines()).toEqual(numbers(0, 100));
    for (const name of readdirSync(folder))
      expect(statSync(join(folder, name)).size).toBeLessThanOrEqual(100);
  });

  test("keeps all files together below the total", () => {
    const { log, lines, folder } = open({ fileBytes: 100, totalBytes: 500 });
    for (const line of numbers(0, 1000)) {
      log.write(line);
      log.flush();
    }
    log.close();
    const sizes = readdirSync(folder).map((name) => statSync(join(folder, name)).size);
    expect(sizes.reduce((total, size) => total + size, 0)).toBeLessThanOrEqual(500);
    expect(lines()).toEqual(numbers(1000 - lines().length, 1000));
    expect(lines().length).toBeGreaterThan(30);
  });

  test("keeps two files where a file may be larger than the total", () => {
    const { log, lines, folder } = open({ fileBytes: 10_000, totalBytes: 200 });
    for (const line of numbers(0, 1000)) log.write(line);
    log.close();
    const sizes = readdirSync(folder).map((name) => statSync(join(folder, name)).size);
    expect(sizes.reduce((total, size) => total + size, 0)).toBeLessThanOrEqual(200);
    expect(lines().at(-1)).toBe("line 999");
  });

  test("puts a file aside after a day, and removes it after its time", async () => {
    const { log, lines, folder, clock } = open({ keepMs: 4 * 24 * HOUR_MS });
    log.write("first");
    log.flush();
    await clock.advance(25 * HOUR_MS);
    log.write("second");
    log.flush();
    const [aside] = listAside(folder);
    expect(aside === undefined ? [] : linesOf(aside.path)).toEqual(["first"]);
    const longAgo = (clock.wallMs() - 5 * 24 * HOUR_MS) / 1000;
    utimesSync(aside?.path ?? "", longAgo, longAgo);
    await clock.advance(25 * HOUR_MS);
    log.write("third");
    log.close();
    expect(lines()).toEqual(["second", "third"]);
  });

  test("goes on by number when the clock is set back by years", async () => {
    const { log, lines, clock } = open({ fileBytes: 20 });
    for (const line of ["one", "two", "three", "four"]) {
      log.write(`${line} is long enough`);
      log.flush();
      clock.setWall(clock.wallMs() - 400 * 24 * HOUR_MS);
      await clock.advance(1000);
    }
    log.close();
    expect(lines().map((line) => line.split(" ")[0])).toEqual(["one", "two", "three", "four"]);
  });

  test("goes on in the file that is there, on a line of its own after a half-written one", () => {
    const folder = newFolder();
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, CURRENT_LOG), 'whole\n{"timesta');
    const { log, lines } = open({}, folder);
    log.write("next");
    log.close();
    expect(lines()).toEqual(["whole", '{"timesta', "next"]);
  });

  test("never writes over a file that was put aside, whatever numbers there are", () => {
    const folder = newFolder();
    mkdirSync(folder, { recursive: true });
    writeFileSync(asidePath(folder, 999_999), "old\n");
    const { log, lines } = open({ fileBytes: 8 }, folder);
    for (const line of ["line 1", "line 2", "line 3"]) log.write(line);
    log.close();
    expect(lines()).toEqual(["old", "line 1", "line 2", "line 3"]);
  });
});

describe("what others do to the files", () => {
  test("a file renamed by logrotate is left, and a new one is begun", () => {
    const { log, path, folder } = open();
    log.write("one");
    log.flush();
    renameSync(path, join(folder, "fleetd.log.1"));
    log.write("two");
    log.close();
    expect(linesOf(join(folder, "fleetd.log.1"))).toEqual(["one"]);
    expect(linesOf(path)).toEqual(["two"]);
  });

  test("a removed file and a removed folder come back", () => {
    const { log, path, folder, told } = open();
    log.write("one");
    log.flush();
    unlinkSync(path);
    log.write("two");
    log.flush();
    expect(linesOf(path)).toEqual(["two"]);
    rmSync(folder, { recursive: true });
    log.write("three");
    log.close();
    expect(linesOf(path)).toEqual(["three"]);
    expect(told).toEqual([]);
  });

  test("a file cut to nothing is written from its start, and its size is counted anew", () => {
    const { log, path, lines } = open({ fileBytes: 100 });
    for (let round = 0; round < 5; round += 1) {
      log.write("x".repeat(80));
      log.flush();
      truncateSync(path, 0);
    }
    log.write("last");
    log.close();
    expect(lines()).toEqual(["last"]);
  });

  test("lines of somebody else in it do no harm", () => {
    const { log, path, lines } = open();
    log.write("one");
    log.flush();
    appendFileSync(path, "somebody else\n");
    log.write("two");
    log.close();
    expect(lines()).toEqual(["one", "somebody else", "two"]);
  });
});

describe("a log that cannot be written", () => {
  test("keeps a bounded part, counts the rest, and says how much was lost", () => {
    const { log, folder, path, told, lines } = open();
    mkdirSync(folder, { recursive: true });
    symlinkSync("/dev/full", path);
    for (let index = 0; index < 2000; index += 1) log.write(`${index} ${"x".repeat(1000)}`);
    log.flush();
    unlinkSync(path);
    log.flush();
    log.close();
    expect(told).toHaveLength(2);
    expect(told[0]).toContain("ENOSPC");
    const lost = Number(/\d+/.exec(told[1] ?? "")?.[0]);
    expect(lost).toBe(2000 - lines().length);
    expect(lines().length).toBeGreaterThan(200);
    expect(lines()[0]).toStartWith("0 ");
  });

  test("a folder that cannot be made is no reason to stop", () => {
    const file = newFolder();
    writeFileSync(file, "");
    const { log, told } = open({}, join(file, "logs"));
    log.write("one");
    log.close();
    expect(told).toHaveLength(1);
  });
});

/** A file system of 64 KiB, or why there is none. */
function mountTiny(folder: string): string | null {
  mkdirSync(folder, { recursive: true });
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "only root on Linux can mount one";
  const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]);
  return mounted.success ? null : `mount said ${mounted.stderr.toString().trim()}`;
}

if (missing !== null) console.log(`skipped: a disk that is really full (${missing})`);
else afterEach(() => rmSync(join(tiny, "logs"), { recursive: true, force: true }));

describe.skipIf(missing !== null)("a disk that is really full", () => {
  const line = (index: number): string => `${index} ${"x".repeat(1000)}`;

  test("takes part of a line, and the rest of it once there is room: nothing is lost or doubled", () => {
    const { log, told, lines } = open({}, join(tiny, "logs"));
    const filler = join(tiny, "filler");
    writeFileSync(filler, "y".repeat(30_000));
    for (let index = 0; index < 60; index += 1) log.write(line(index));
    log.flush();
    expect(told).toHaveLength(1);
    expect(told[0]).toContain("ENOSPC");
    unlinkSync(filler);
    log.flush();
    expect(lines()).toEqual(Array.from({ length: 60 }, (_, index) => line(index)));
    expect(told).toEqual([told[0] ?? "", "recovered, 0 lost"]);
    log.close();
  });

  test("leaves a log that can be read and gone on with by the next process", () => {
    const first = open({}, join(tiny, "logs"));
    for (let index = 0; index < 100; index += 1) first.log.write(line(index));
    first.log.close();
    expect(first.told[0]).toContain("ENOSPC");
    const whole = first.lines().filter((one) => one.length >= 1002).length;
    truncateSync(first.path, statSync(first.path).size - 10_000);
    const second = open({}, join(tiny, "logs"));
    second.log.write("next");
    second.log.close();
    expect(second.lines().at(-1)).toBe("next");
    expect(whole).toBeGreaterThan(40);
  });
});
