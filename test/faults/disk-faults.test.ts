// Disks that are full or may only be read, and a machine without a file left to open: each said plainly with 74, reading
// goes on, nothing acknowledged is lost, and when the fault is gone everything goes on by itself.
import { afterAll, expect, test } from "bun:test";
import { closeSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { faultOfEnd } from "../helpers/call-faults.ts";
import { Figures } from "../helpers/figures.ts";
import { describe, judge } from "../helpers/fleet-checker.ts";
import { gather, readLogs } from "../helpers/fleet-evidence.ts";
import { type CommandResult, FleetSandbox } from "../helpers/fleet-sandbox.ts";
import { killHard } from "../helpers/kill.ts";
import { PowerDisk, whyNoDisk } from "../helpers/power-disk.ts";
import { eventually } from "../helpers/temp-git.ts";

const WITHIN_MS = 60_000;
const DISK_MEGABYTES = 16;
const SETTINGS = "interval: 300ms\n";
/** As root nothing is kept back for root, or the disk would not be full for these tests. */
const FORMAT = ["-m", "0"];

const missing = whyNoDisk();
if (missing !== null) console.log(`skipped: disks that are full or read-only, because ${missing}`);
const figures = new Figures("disk faults");
afterAll(() => figures.print());

/** `fault` breaks the disk and `mend` takes that back; whether a daemon can run through it. */
interface DiskFault {
  readonly fault: (disk: PowerDisk) => void;
  readonly mend: (disk: PowerDisk) => void;
  readonly keepsDaemon: boolean;
}

/** A fleet on a small disk, which sends and reads while the disk is broken; answers what was seen. */
async function onSmallDisk({ fault, mend, keepsDaemon }: DiskFault): Promise<string> {
  const disk = new PowerDisk(DISK_MEGABYTES, FORMAT);
  const sandbox = new FleetSandbox({
    settings: SETTINGS,
    disk: { folder: disk.folder, founder: "a" },
  });
  try {
    disk.mount();
    for (const server of ["a", "b", "c"]) await sandbox.init(server);
    await sandbox.send("a", { to: "b", body: "before" });
    // Told apart: a has no daemon, b has one that runs through the fault.
    let monitor = await sandbox.monitor("b");
    const hasBefore = await eventually(
      () => monitor.events().some((event) => event["kind"] === "message"),
      WITHIN_MS,
    );
    expect(hasBefore).toBe(true);
    const first = await sandbox.run("b", ["inbox"]);
    if (!keepsDaemon) {
      await monitor.stop();
      await leaveUnfinished(sandbox, "c");
    }
    fault(disk);
    if (!keepsDaemon) await expectRefusal(sandbox);
    const ends: CommandResult[] = [];
    for (let count = 0; count < 4; count += 1) ends.push(await sandbox.send("a", { to: "b" }));
    ends.push(await sandbox.send("b", { to: "a" }));
    const read = await sandbox.run("b", ["inbox"]);
    const status = await sandbox.run("c", ["status"]);
    // Before anything is mended: what is asserted here, the disk must not keep anybody waiting.
    expect([first.exitCode, read.exitCode, status.exitCode]).toEqual([0, 0, 0]);
    expect(read.stdout).toContain("before");
    const refused = ends.filter((end) => end.exitCode !== 0);
    expect(refused.length).toBeGreaterThan(0);
    const faults = ends.map((end) => faultOfEnd({ ...end, folder: disk.folder }, [0, 74, 75]));
    expect(faults.filter((one) => one !== null)).toEqual([]);
    mend(disk);
    if (!keepsDaemon) monitor = await sandbox.monitor("b");
    // Nobody does anything: the daemon that ran through it sends, and what waits at a goes with its next message.
    const sent = await sandbox.send("a", { to: "b", body: "afterwards" });
    expect(sent.exitCode).toBe(0);
    const last = await sandbox.send("b", { to: "a", body: "as well" });
    expect([0, 75]).toContain(last.exitCode ?? -1);
    const isThere = (): boolean => readLogs(sandbox).some((entry) => entry.body === "as well");
    expect(await eventually(isThere, WITHIN_MS)).toBe(true);
    expect(monitor.hasEnded()).toBe(false);
    await monitor.stop();
    expect(describe(judge(sandbox.sends, await gather(sandbox)))).toBe("");
    const codes = ends.map((end) => end.exitCode).join(", ");
    return `sends ended with ${codes}; ${sandbox.sends.length} messages asked for, none lost`;
  } finally {
    await sandbox.close();
    await disk.remove();
  }
}

/** What a daemon that ended hard leaves: databases whose last transactions are beside them. */
async function leaveUnfinished(sandbox: FleetSandbox, server: string): Promise<void> {
  const monitor = await sandbox.monitor(server);
  killHard(monitor.pid, "tree");
  await monitor.ended;
  const { state } = sandbox.filesOf(server);
  expect(statSync(`${state}-wal`).size).toBeGreaterThan(0);
}

/** A daemon that is started on such a disk ends with 74 and says why. */
async function expectRefusal(sandbox: FleetSandbox): Promise<void> {
  const refused = sandbox.startMonitor("b");
  await refused.ended;
  expect(refused.complaints()).toContain('"exit":74');
  expect(refused.complaints()).toContain(sandbox.serversFolder);
}

/** Writes until nothing fits any more. */
function fill(path: string): void {
  const file = openSync(path, "w");
  try {
    for (let size = 65_536; size >= 512; ) {
      try {
        writeSync(file, new Uint8Array(size));
      } catch {
        // ENOSPC: perhaps a smaller piece fits.
        size /= 2;
      }
    }
  } finally {
    closeSync(file);
  }
}

test.skipIf(missing !== null)(
  "a disk that is full is said plainly, what is there can be read, and it goes on when there is room",
  async () => {
    const filler = (disk: PowerDisk): string => join(disk.folder, "filler");
    const seen = await onSmallDisk({
      fault: (disk) => fill(filler(disk)),
      mend: (disk) => rmSync(filler(disk)),
      keepsDaemon: true,
    });
    figures.add("full disk (ext4)", seen);
  },
  240_000,
);

test.skipIf(missing !== null)(
  "a disk that became read-only is said plainly, what is there can be read, and it goes on when it is mended",
  async () => {
    // The kernel lets nobody have a file open for writing then.
    const seen = await onSmallDisk({
      fault: (disk) => disk.remount("ro"),
      mend: (disk) => disk.remount("rw"),
      keepsDaemon: false,
    });
    figures.add("read-only (ext4 remounted)", seen);
  },
  240_000,
);

/** So many open files are enough for nothing, for some of it, and for all of a command without a daemon. */
const OPEN_FILES = [7, 9, 11, 13, 15, 17, 20, 24];
const FEW_FILES = 'ulimit -n "$0"; exec "$@"';

test.skipIf(process.platform !== "linux")(
  "too few open files are said plainly, and nothing acknowledged is lost",
  async () => {
    const sandbox = new FleetSandbox(SETTINGS);
    try {
      for (const server of ["a", "b"]) await sandbox.init(server);
      const faults: (string | null)[] = [];
      const codes: (number | null)[] = [];
      for (const count of OPEN_FILES) {
        sandbox.wrapper = ["sh", "-c", FEW_FILES, String(count)];
        const ends = [await sandbox.send("a", { to: "b" }), await sandbox.run("b", ["inbox"])];
        sandbox.wrapper = [];
        faults.push(...ends.map((end) => faultOfEnd({ ...end, folder: sandbox.folder }, [0, 74, 75])));
        codes.push(...ends.map((end) => end.exitCode));
      }
      // A daemon meets it while it starts: 74, and it says what it could not open.
      sandbox.wrapper = ["sh", "-c", FEW_FILES, "12"];
      const monitor = sandbox.startMonitor("b");
      sandbox.wrapper = [];
      await monitor.ended;
      expect(monitor.complaints()).toContain('"exit":74');
      expect(faults.filter((one) => one !== null)).toEqual([]);
      expect(codes).toContain(74);
      for (const server of ["a", "b"]) expect((await sandbox.send(server, { to: "a" })).exitCode).toBe(0);
      expect(describe(judge(sandbox.sends, await gather(sandbox)))).toBe("");
      figures.add(
        "open files",
        `${codes.length} runs, exit codes ${[...new Set(codes)].join(", ")}, none lost`,
      );
    } finally {
      await sandbox.close();
    }
  },
  240_000,
);
