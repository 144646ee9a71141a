import { afterAll, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LogFile } from "../../../src/base/ports/log-file.ts";
import { systemClock } from "../../../src/platform/clock.ts";
import { openLogFile } from "../../../src/platform/log-file.ts";
import { asidePath, CURRENT_LOG } from "../../../src/platform/log-names.ts";
import { LogFollower, linesBackward, listLogParts } from "../../../src/platform/log-reader.ts";

const root = mkdtempSync(join(tmpdir(), "fleetd-log-reader-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let count = 0;

function newFolder(): string {
  count += 1;
  const folder = join(root, `logs-${count}`);
  mkdirSync(folder);
  return folder;
}

const logIn = (folder: string, fileBytes = 1_000_000): LogFile =>
  openLogFile(folder, {
    limits: () => ({ fileBytes, keepMs: 3_600_000, totalBytes: 10_000_000 }),
    clock: systemClock,
    onTrouble: (detail) => {
      throw new Error(detail);
    },
    onRecovered: () => undefined,
  });
const numbered = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, index) => `line ${from + index}`);
const allBackward = (folder: string): string[] =>
  listLogParts(folder).flatMap(({ path }) => [...linesBackward(path)]);

describe("linesBackward()", () => {
  test.each([
    ["", []],
    ["\n\n", []],
    ["one", ["one"]],
    ["one\n", ["one"]],
    ["one\n\ntwo\n", ["two", "one"]],
  ])("of %j", (text, lines) => {
    const path = join(newFolder(), "x");
    writeFileSync(path, text);
    expect([...linesBackward(path)]).toEqual(lines);
  });

  test("joins lines that lie across its pieces, in any script", () => {
    const path = join(newFolder(), "x");
    const lines = [1, 65_535, 65_536, 65_537, 200_000, 3].map((length) => "ü😀x".repeat(length / 3 + 1));
    writeFileSync(path, `${lines.join("\n")}\n`);
    expect([...linesBackward(path)]).toEqual(lines.reverse());
  });

  test("reads only what lies before an end", () => {
    const path = join(newFolder(), "x");
    writeFileSync(path, "one\ntwo\nthree\n");
    expect([...linesBackward(path, 8)]).toEqual(["two", "one"]);
  });

  test("of a file that is gone is empty", () => {
    expect([...linesBackward(join(root, "nothing"))]).toEqual([]);
  });
});

test("listLogParts() goes through rotated files by number, newest first, and through no other file", () => {
  const folder = newFolder();
  const log = logIn(folder, 100);
  for (const line of numbered(0, 300)) log.write(line);
  log.close();
  writeFileSync(join(folder, "notes.log"), "no\n");
  writeFileSync(join(folder, "fleetd-1.log"), "no\n");
  expect(readdirSync(folder).length).toBeGreaterThan(10);
  expect(allBackward(folder).reverse()).toEqual(numbered(0, 300));
  expect(listLogParts(join(folder, "missing"))).toEqual([]);
});

describe("LogFollower", () => {
  test("tells what is added, as whole lines, and nothing of what was there", () => {
    const folder = newFolder();
    const path = join(folder, CURRENT_LOG);
    writeFileSync(path, "old\nhalf");
    const follower = new LogFollower(folder);
    expect(follower.next()).toEqual([]);
    appendFileSync(path, " a line\nnext\nund");
    expect(follower.next()).toEqual(["half a line", "next"]);
    appendFileSync(path, "one\n");
    expect(follower.next()).toEqual(["undone"]);
    follower.close();
  });

  test("sees every line once, in order, through as many rotations as there are", () => {
    const folder = newFolder();
    const log = logIn(folder, 50);
    log.write("old");
    log.flush();
    const follower = new LogFollower(folder);
    const seen: string[] = [];
    for (let index = 0; index < 200; index += 1) {
      log.write(`line ${index}`);
      if (index % 7 === 0) log.flush();
      if (index % 31 === 0) seen.push(...follower.next());
    }
    log.close();
    seen.push(...follower.next());
    expect(seen).toEqual(numbered(0, 200));
    follower.close();
  });

  test("follows a file that logrotate renames, down to the last line its writer still puts there", () => {
    const folder = newFolder();
    const path = join(folder, CURRENT_LOG);
    writeFileSync(path, "");
    const follower = new LogFollower(folder);
    appendFileSync(path, "one\n");
    renameSync(path, join(folder, "fleetd.log.1"));
    expect(follower.next()).toEqual(["one"]);
    appendFileSync(join(folder, "fleetd.log.1"), "two\n");
    writeFileSync(path, "three\n");
    expect(follower.next()).toEqual(["two", "three"]);
    follower.close();
  });

  test("starts anew in a file that was cut", () => {
    const folder = newFolder();
    const path = join(folder, CURRENT_LOG);
    writeFileSync(path, "one\ntwo\n");
    const follower = new LogFollower(folder);
    truncateSync(path, 0);
    appendFileSync(path, "new\n");
    expect(follower.next()).toEqual(["new"]);
    follower.close();
  });

  test("waits for a log that is not there yet", () => {
    const folder = newFolder();
    const follower = new LogFollower(folder);
    expect([follower.standsAt, follower.next()]).toEqual([null, []]);
    writeFileSync(join(folder, CURRENT_LOG), "first\n");
    expect(follower.next()).toEqual(["first"]);
    writeFileSync(asidePath(folder, 1), "elsewhere\n");
    expect(follower.next()).toEqual([]);
    follower.close();
  });
});
