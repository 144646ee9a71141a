import { afterAll, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PumpLimits, ServiceLog } from "../../../src/base/ports/service-log.ts";
import { systemClock } from "../../../src/platform/clock.ts";
import { openServiceLog } from "../../../src/platform/service-log/service-log.ts";
import { eventually } from "../../helpers/temp-git.ts";

const FLOOD = join(import.meta.dir, "../../helpers/fixtures/flood.ts");
const MIB = 2 ** 20;
const root = mkdtempSync(join(tmpdir(), "fleetd-service-log-flood-"));
const children: Bun.Subprocess[] = [];
afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(children.map((child) => child.exited));
  rmSync(root, { recursive: true, force: true });
});

function open(name: string, limits: Partial<PumpLimits>): { log: ServiceLog; spool: string; folder: string } {
  const folder = join(root, name);
  mkdirSync(folder);
  const log = openServiceLog(folder, {
    limits: () => ({
      fileBytes: MIB,
      keepMs: 3_600_000,
      totalBytes: 4 * MIB,
      linesPerSecond: 0,
      diskFreeBytes: 0,
      partialMs: 60_000,
      ...limits,
    }),
    clock: systemClock,
    onTrouble: (detail) => {
      throw new Error(detail);
    },
    onRecovered: () => undefined,
  });
  const spool = join(folder, "spool-a");
  log.follow(spool);
  return { log, spool, folder };
}

const takenBytes = (path: string): number => statSync(path).blocks * 512;
const logBytes = (folder: string): number =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".log"))
    .reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);

/** Whether the disk of these tests gives back a part of a file. */
function givesBack(): boolean {
  const { log, spool } = open("probe", {});
  writeFileSync(spool, "x\n".repeat(MIB));
  while (log.pump());
  return log.freesRead === true;
}

const canGiveBack = givesBack();
if (!canGiveBack) console.log("skipped: a spool that takes no more room, the disk here gives back no parts");

describe.skipIf(!canGiveBack)("a program that writes for ever", () => {
  test("takes a bounded piece of the disk, however much it wrote", () => {
    const { log, spool, folder } = open("steady", {});
    const lines = `${"x".repeat(99)}\n`.repeat(10_000);
    const taken: number[] = [];
    for (let round = 0; round < 60; round += 1) {
      appendFileSync(spool, lines);
      while (log.pump());
      taken.push(takenBytes(spool));
    }
    expect(statSync(spool).size).toBeGreaterThan(50 * MIB);
    // What was read last, and what is too little to be given back.
    expect(Math.max(...taken)).toBeLessThan(1.5 * MIB);
    expect(logBytes(folder)).toBeLessThanOrEqual(4 * MIB);
  }, 120_000);

  test("as fast as it can does so, too, and its last lines are kept", async () => {
    const { log, spool, folder } = open("flood", {});
    const output = openSync(spool, "a", 0o600);
    const child = Bun.spawn([process.execPath, FLOOD, "0", "0"], { stdout: output, stderr: output });
    children.push(child);
    closeSync(output);
    const wrote = (bytes: number): boolean => {
      log.pump();
      return (statSync(spool, { throwIfNoEntry: false })?.size ?? 0) > bytes;
    };
    expect(await eventually(() => wrote(200 * MIB), 120_000)).toBe(true);
    child.kill("SIGKILL");
    await child.exited;
    while (log.pump());
    expect(takenBytes(spool)).toBeLessThan(1.5 * MIB);
    expect(logBytes(folder)).toBeLessThanOrEqual(4 * MIB);
    expect(log.tail(10).every(({ text }) => / of a program /.test(text))).toBe(true);
    while (!log.finished(spool));
    expect(readdirSync(folder).filter((name) => name.startsWith("spool"))).toEqual([]);
  }, 180_000);
});
