import { afterAll, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  copyFileSync,
  cpSync,
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
import { basename, join } from "node:path";
import type { PumpLimits, ServiceLog, ServiceLogOptions } from "../../../src/base/ports/service-log.ts";
import { LogFollower } from "../../../src/platform/log-reader.ts";
import { PlaceFile, readPlace } from "../../../src/platform/service-log/place-file.ts";
import { openServiceLog } from "../../../src/platform/service-log/service-log.ts";
import { FakeClock } from "../../helpers/fake-clock.ts";

const root = mkdtempSync(join(tmpdir(), "fleetd-service-log-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const HOUR_MS = 3_600_000;
let count = 0;

interface Opened {
  readonly folder: string;
  readonly spool: string;
  readonly log: ServiceLog;
  readonly clock: FakeClock;
  readonly told: string[];
  /** All lines of the log, oldest first, without their time. */
  readonly lines: () => string[];
  /** Pumps until nothing waits. */
  readonly drain: () => void;
}

function newFolder(): string {
  count += 1;
  const folder = join(root, `s${count}`, "web");
  mkdirSync(folder, { recursive: true });
  return folder;
}

function open(
  limits: Partial<PumpLimits> = {},
  folder = newFolder(),
  onLine: ServiceLogOptions["onLine"] = () => undefined,
): Opened {
  const told: string[] = [];
  const clock = new FakeClock();
  clock.setWall(Date.now());
  const log = openServiceLog(folder, {
    limits: () => ({
      fileBytes: 1_000_000,
      keepMs: 14 * 24 * HOUR_MS,
      totalBytes: 100_000_000,
      linesPerSecond: 0,
      diskFreeBytes: 0,
      partialMs: 2_000,
      ...limits,
    }),
    clock,
    onLine,
    onTrouble: (detail) => told.push(detail),
    onRecovered: (lost) => told.push(`recovered, ${lost} lost`),
  });
  const spool = join(folder, "spool-a");
  log.follow(spool);
  return {
    folder,
    spool,
    log,
    clock,
    told,
    lines: () => linesIn(folder),
    drain() {
      while (log.pump());
    },
  };
}

const logFiles = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => /^web(?:-\d+)?\.log$/.test(name))
    .sort((left, right) => (left === "web.log" ? 1 : right === "web.log" ? -1 : left < right ? -1 : 1));
const linesIn = (folder: string): string[] =>
  logFiles(folder)
    .flatMap((name) => readFileSync(join(folder, name), "utf8").split("\n").slice(0, -1))
    .map((line) => line.slice(25));
const numbered = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, index) => `line ${from + index}`);
const asLog = (lines: readonly string[]): string[] => lines.map((line) => `info ${line}`);
const asText = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join("");

describe("openServiceLog()", () => {
  test("writes what a program wrote, with time and level, as it comes", () => {
    const { spool, log, lines, folder } = open();
    expect(log.pump()).toBe(false);
    writeFileSync(spool, "ready\nERROR x\n");
    log.pump();
    appendFileSync(spool, "ha");
    log.pump();
    appendFileSync(spool, "lf\n");
    log.pump();
    expect(lines()).toEqual(["info ready", "error ERROR x", "info half"]);
    expect(readFileSync(join(folder, "web.log"), "utf8")).toMatch(
      /^\d{4}-\d\d-\d\dT[\d:.]{12}Z info ready\n/,
    );
    expect(log.tail(2)).toMatchObject([{ level: "ERROR", text: "ERROR x" }, { text: "half" }]);
  });

  test("shows half a line after a while, and the rest when it comes", async () => {
    const { spool, log, lines, clock } = open();
    writeFileSync(spool, "Password: ");
    log.pump();
    await clock.advance(1_999);
    log.pump();
    expect(lines()).toEqual([]);
    await clock.advance(1);
    log.pump();
    expect(lines()).toEqual(["info Password: "]);
    appendFileSync(spool, "\nok\n");
    log.pump();
    expect(lines()).toEqual(["info Password: ", "info ok"]);
  });

  test("reads a spool to its end when the run is over, and removes it", () => {
    const { spool, log, lines, folder } = open();
    writeFileSync(spool, `${asText(numbered(0, 20_000))}last`);
    while (!log.finished(spool));
    expect(lines()).toEqual([...asLog(numbered(0, 20_000)), "info last"]);
    expect(readdirSync(folder)).toEqual(["web.log"]);
    expect(log.spools()).toEqual([]);
    expect(log.finished(join(folder, "spool-never"))).toBe(true);
  });

  test("does a bounded piece in a call, and says that more waits", () => {
    const { spool, log, lines } = open();
    writeFileSync(spool, asText(numbered(0, 100_000)));
    expect(log.pump()).toBe(true);
    expect(lines().length).toBeLessThan(50_000);
    let calls = 1;
    while (log.pump()) calls += 1;
    expect(calls).toBeGreaterThan(2);
    expect(lines()).toEqual(asLog(numbered(0, 100_000)));
  });

  test("reads several spools at once: two runs of one program may overlap", () => {
    const { spool, log, lines, folder, drain } = open();
    const other = join(folder, "spool-b");
    log.follow(other);
    writeFileSync(spool, "a1\n");
    writeFileSync(other, "b1\n");
    log.pump();
    appendFileSync(spool, "a2\n");
    drain();
    expect(lines()).toEqual(["info a1", "info b1", "info a2"]);
    expect(
      log
        .spools()
        .map((path) => basename(path))
        .sort(),
    ).toEqual(["spool-a", "spool-b"]);
  });

  test("tells every line to whoever waits for one, with the spool it came from", () => {
    const told: string[] = [];
    const { spool, log } = open({ linesPerSecond: 1 }, newFolder(), (line, path) =>
      told.push(`${basename(path)} ${line}`),
    );
    writeFileSync(spool, "one\ntwo\r\n");
    log.pump();
    expect(told).toEqual(["spool-a one", "spool-a two"]);
  });

  test("takes the time of the last write where that is earlier, as after a time without a reader", async () => {
    const { spool, clock, log } = open();
    writeFileSync(spool, "x\n");
    await clock.advance(HOUR_MS);
    log.pump();
    const [line] = log.tail(1);
    expect(Date.parse(line?.timestamp ?? "")).toBe(Math.floor(statSync(spool).mtimeMs));
  });
});

describe("rotation", () => {
  test("puts files aside by rename, within their size, and removes what is too much", () => {
    const { spool, drain, folder, lines } = open({ fileBytes: 10_000, totalBytes: 50_000 });
    for (let index = 0; index < 10; index += 1) {
      appendFileSync(spool, asText(numbered(index * 500, index * 500 + 500)));
      drain();
    }
    const sizes = logFiles(folder).map((name) => statSync(join(folder, name)).size);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(10_000);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(50_000);
    const kept = lines();
    expect(kept.length).toBeGreaterThan(800);
    expect(kept).toEqual(asLog(numbered(5_000 - kept.length, 5_000)));
  });

  test("puts a file aside after a day, and removes it after its time", async () => {
    const { spool, log, clock, folder } = open({ keepMs: 48 * HOUR_MS });
    appendFileSync(spool, "one\n");
    log.pump();
    await clock.advance(25 * HOUR_MS);
    appendFileSync(spool, "two\n");
    while (log.pump());
    expect(logFiles(folder)).toEqual(["web-000001.log", "web.log"]);
    await clock.advance(49 * HOUR_MS);
    appendFileSync(spool, "three\n");
    while (log.pump());
    expect(logFiles(folder)).not.toContain("web-000001.log");
    expect(linesIn(folder).at(-1)).toBe("info three");
  });

  test("goes on in a new file when somebody renames or removes the one that is there", () => {
    const { spool, log, folder } = open();
    appendFileSync(spool, "one\n");
    log.pump();
    renameSync(join(folder, "web.log"), join(folder, "web.log.1"));
    appendFileSync(spool, "two\n");
    log.pump();
    expect(linesIn(folder)).toEqual(["info two"]);
    unlinkSync(join(folder, "web.log"));
    appendFileSync(spool, "three\n");
    log.pump();
    expect(linesIn(folder)).toEqual(["info three"]);
  });

  test("is followed by a reader without a line missed or told twice", () => {
    const { spool, log, folder } = open({ fileBytes: 2_000 });
    const follower = new LogFollower(folder, "web");
    const seen: string[] = [];
    for (let index = 0; index < 60; index += 1) {
      appendFileSync(spool, asText(numbered(index * 10, index * 10 + 10)));
      while (log.pump());
      if (index % 7 === 0) seen.push(...follower.next());
    }
    seen.push(...follower.next());
    follower.close();
    expect(seen.map((line) => line.slice(25))).toEqual(asLog(numbered(0, 600)));
  });
});

describe("after a sudden death", () => {
  /** A log whose last piece is in the file only up to `bytes` of it; a new reader goes on. */
  function cutAt(share: number): { lines: () => string[]; count: number; resumed: Opened } {
    const first = open({ fileBytes: 50_000 });
    writeFileSync(first.spool, asText(numbered(0, 900)));
    first.drain();
    appendFileSync(first.spool, asText(numbered(900, 1_000)));
    first.drain();
    const noted = readPlace(`${first.spool}.at`)?.place;
    if (noted === undefined) throw new Error("nothing was noted");
    const path = join(first.folder, "web.log");
    truncateSync(path, noted.log.size + Math.floor(noted.added * share));
    const resumed = open({ fileBytes: 50_000 }, first.folder);
    appendFileSync(first.spool, asText(numbered(1_000, 1_100)));
    return { lines: resumed.lines, count: 1_100, resumed };
  }

  test.each([0, 0.001, 0.1, 0.5, 0.77, 0.999, 1])(
    "a piece of which %p is in the log is completed, once",
    (share) => {
      const { lines, count: total, resumed } = cutAt(share);
      resumed.drain();
      expect(lines()).toEqual(asLog(numbered(0, total)));
    },
  );

  test("a piece of which only a part is there is completed at the end of the run, too", () => {
    const { lines, count: total, resumed } = cutAt(0.4);
    while (!resumed.log.finished(resumed.spool));
    expect(lines()).toEqual(asLog(numbered(0, total)));
  });

  test("a reader that would make something else of the piece takes back the part that is there", () => {
    const first = open();
    writeFileSync(first.spool, asText(numbered(0, 10)));
    first.drain();
    const path = join(first.folder, "web.log");
    const text = readFileSync(path, "utf8");
    // As a version that writes levels in capital letters would have left it.
    writeFileSync(path, text.slice(0, 100).replaceAll("info", "INFO"));
    const resumed = open({}, first.folder);
    appendFileSync(first.spool, "more\n");
    resumed.drain();
    expect(resumed.lines()).toEqual([...asLog(numbered(0, 10)), "info more"]);
  });

  test("a copy of any moment is gone on with: each state of the files leads to the same log", () => {
    const first = open({ fileBytes: 5_000 });
    const copies: string[] = [];
    for (let index = 0; index < 12; index += 1) {
      appendFileSync(first.spool, asText(numbered(index * 40, index * 40 + 40)));
      first.log.pump();
      const copy = newFolder();
      cpSync(first.folder, copy, { recursive: true });
      copies.push(copy);
    }
    first.drain();
    for (const copy of copies) {
      copyFileSync(first.spool, join(copy, "spool-a"));
      const resumed = open({ fileBytes: 5_000 }, copy);
      resumed.drain();
      expect(resumed.lines()).toEqual(asLog(numbered(0, 480)));
    }
  });

  test("a note that is damaged leaves the one before it", () => {
    const first = open();
    writeFileSync(first.spool, "one\n");
    first.log.pump();
    appendFileSync(first.spool, "two\n");
    first.log.pump();
    const path = `${first.spool}.at`;
    const bytes = readFileSync(path);
    bytes.fill(0, 1024 + 100, 2048);
    writeFileSync(path, bytes);
    expect(readPlace(path)).toMatchObject({ turn: 0, place: { to: 4 } });
    writeFileSync(path, "rubbish");
    expect(readPlace(path)).toBeNull();
  });

  test("a spool that is shorter than what was read of it, as after a power cut, is read from its end", () => {
    const first = open();
    writeFileSync(first.spool, asText(numbered(0, 100)));
    first.drain();
    truncateSync(first.spool, 300);
    const noted = readPlace(`${first.spool}.at`);
    if (noted === null) throw new Error("nothing was noted");
    new PlaceFile(`${first.spool}.at`, noted.turn + 1).write({ ...noted.place, boot: "another" });
    const resumed = open({}, first.folder);
    resumed.drain();
    appendFileSync(first.spool, "new\n");
    resumed.drain();
    expect(resumed.lines()).toEqual([...asLog(numbered(0, 100)), "info new"]);
  });

  test("a log that lost its end in a power cut goes on with a line of its own", () => {
    const first = open();
    writeFileSync(first.spool, asText(numbered(0, 100)));
    first.drain();
    appendFileSync(first.spool, "tail\n");
    first.drain();
    truncateSync(join(first.folder, "web.log"), 100);
    const resumed = open({}, first.folder);
    appendFileSync(first.spool, "new\n");
    resumed.drain();
    expect(resumed.lines().slice(-2)).toEqual(["info tail", "info new"]);
  });

  test("notes of spools that are gone are removed", () => {
    const folder = newFolder();
    writeFileSync(join(folder, "spool-old.at"), "x");
    const { spool, log } = open({}, folder);
    writeFileSync(spool, "x\n");
    log.pump();
    expect(existsSync(join(folder, "spool-old.at"))).toBe(false);
  });

  test("a spool that nobody followed is there to be finished", () => {
    const folder = newFolder();
    writeFileSync(join(folder, "spool-left"), "one\ntwo");
    const { log, lines } = open({}, folder);
    for (const path of log.spools()) while (!log.finished(path));
    expect(lines()).toEqual(["info one", "info two"]);
  });
});

test("a spool that its program cuts while nobody reads it is read from its beginning", () => {
  const first = open();
  writeFileSync(first.spool, "one\ntwo\n");
  first.drain();
  // What `echo new >/dev/stdout` does.
  writeFileSync(first.spool, "new\n");
  const resumed = open({}, first.folder);
  resumed.drain();
  expect(resumed.lines()).toEqual(["info one", "info two", "info new"]);
});

test("a spool that somebody cuts while it is read is read from its beginning", () => {
  const { spool, log, lines } = open();
  writeFileSync(spool, "one\ntwo\n");
  log.pump();
  truncateSync(spool, 0);
  appendFileSync(spool, "new\n");
  log.pump();
  expect(lines()).toEqual(["info one", "info two", "info new"]);
});

describe("bounds", () => {
  test("a writer that is faster than its reader loses what the log could not hold, and it is said", () => {
    const { spool, drain, lines, log } = open({ fileBytes: 20_000, totalBytes: 100_000 });
    writeFileSync(spool, asText(numbered(0, 100_000)));
    drain();
    expect(lines().at(-1)).toBe("info line 99999");
    expect(log.tail(100_000).length).toBeLessThan(10_000);
    const all = lines().join("\n");
    expect(all.match(/warning fleetd: \d+ bytes of output dropped/g)?.length ?? 0).toBeLessThanOrEqual(1);
  });

  test("more lines than are allowed in a second are dropped, and it is said", async () => {
    const { spool, log, lines, clock } = open({ linesPerSecond: 100 });
    writeFileSync(spool, asText(numbered(0, 250)));
    clock.setWall(Math.ceil(statSync(spool).birthtimeMs));
    log.pump();
    expect(lines()).toEqual(asLog(numbered(0, 100)));
    await clock.advance(1_000);
    log.pump();
    expect(lines().at(-1)).toBe("warning fleetd: 150 lines dropped: more than 100 lines in a second");
  });

  test("binary garbage and a line of a MiB are bounded, and what comes after them is read", () => {
    const { spool, drain, lines } = open();
    const garbage = Buffer.from(Array.from({ length: 200_000 }, (_, index) => (index * 7919) % 251));
    writeFileSync(spool, Buffer.concat([garbage, Buffer.from(`\n${"x".repeat(2 ** 20)}\nafter\n`)]));
    drain();
    expect(lines().at(-1)).toBe("info after");
    for (const line of lines()) expect(Buffer.byteLength(line)).toBeLessThanOrEqual(64 * 1024 + 10);
  });

  test("with too little free room nothing is written, and it is told once and said when it goes again", async () => {
    const wanted = { diskFreeBytes: Number.MAX_SAFE_INTEGER };
    const { spool, log, lines, clock, told } = open(wanted);
    writeFileSync(spool, "lost\n");
    log.pump();
    appendFileSync(spool, "lost, too\n");
    log.pump();
    expect(lines()).toEqual([]);
    expect(told).toHaveLength(1);
    expect(told[0]).toContain("bytes are free");
    wanted.diskFreeBytes = 0;
    await clock.advance(1_000);
    appendFileSync(spool, "kept\n");
    log.pump();
    expect(lines()).toEqual(["warning fleetd: 2 lines dropped: the log could not take them", "info kept"]);
    expect(told[1]).toBe("recovered, 2 lost");
  });

  test("a log that cannot be written drops and counts lines, and goes on when it can", async () => {
    const { spool, log, lines, clock, told, folder } = open();
    symlinkSync("/dev/full", join(folder, "web.log"));
    writeFileSync(spool, "lost 1\nlost 2\n");
    log.pump();
    appendFileSync(spool, "lost 3\n");
    log.pump();
    expect(told).toHaveLength(1);
    expect(told[0]).toContain("ENOSPC");
    unlinkSync(join(folder, "web.log"));
    await clock.advance(1_000);
    appendFileSync(spool, "kept\n");
    log.pump();
    expect(lines()).toEqual(["warning fleetd: 3 lines dropped: the log could not take them", "info kept"]);
    expect(told.slice(1)).toEqual(["recovered, 3 lost"]);
  });
});

describe("expire()", () => {
  const limits = { keepMs: 2_000 };

  test("removes what is too old, though nothing is written any more", async () => {
    const { folder, spool, log, lines, clock } = open(limits);
    log.expire();
    expect(logFiles(folder)).toEqual([]);
    writeFileSync(spool, "old\n");
    log.pump();
    log.expire();
    expect(lines()).toEqual(["info old"]);
    await clock.advance(60_000);
    log.expire();
    expect(logFiles(folder)).toEqual([]);
    appendFileSync(spool, "new\n");
    log.pump();
    expect(lines()).toEqual(["info new"]);
  });

  test("puts aside what goes on for long, and removes it when its last line is too old", async () => {
    const { folder, spool, log, clock } = open(limits);
    writeFileSync(spool, "old\n");
    log.pump();
    await clock.advance(3_000);
    // Its last line, as the system notes it.
    utimesSync(join(folder, "web.log"), clock.wallMs() / 1_000, clock.wallMs() / 1_000);
    log.expire();
    expect(logFiles(folder)).toEqual(["web-000001.log"]);
    await clock.advance(3_000);
    log.expire();
    expect(logFiles(folder)).toEqual([]);
  });
});
