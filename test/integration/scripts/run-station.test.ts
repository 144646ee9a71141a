import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openMemoryFolder } from "../../../scripts/gate/memory-folder.ts";
import { runStation } from "../../../scripts/gate/run-station.ts";
import type { Station } from "../../../scripts/gate/stations.ts";

let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "fleetd-gate-"));
  const imports = 'import { expect, test } from "bun:test";\n';
  const suites = {
    green: 'test("a", () => expect(1).toBe(1));',
    red: 'test("a", () => expect(1).toBe(1)); test("b", () => expect("found").toBe("wanted"));',
    exits: 'test("a", () => process.exit(0));',
    "does-not-load": 'import "./gone.ts";',
    writes: 'test("a", () => console.log("in", process.env["TMPDIR"]));',
  };
  for (const [name, text] of Object.entries(suites)) {
    await Bun.write(join(root, name, "a.test.ts"), imports + text);
  }
  await Bun.write(
    join(root, "leaves.ts"),
    `const sleeper = Bun.spawn([process.execPath, "-e", "await Bun.sleep(60_000)"], {
       stdout: "inherit", stderr: "inherit",
     });
     sleeper.unref();
     console.log(sleeper.pid);`,
  );
  await Bun.write(join(root, "env.ts"), "console.log(process.env.WORD); process.exit(3);");
});

afterAll(() => rm(root, { recursive: true, force: true }));

const suite = (folder: string): Station & { kind: "tests" } => ({
  kind: "tests",
  name: folder,
  folder,
  options: [],
});

test("runStation() counts a green suite", async () => {
  const report = await runStation(root, suite("green"), process.env);
  expect(report).toMatchObject({ isRed: false, counts: { passed: 1, failed: 0, skipped: 0 } });
});

test("runStation() counts a red suite and keeps what it printed", async () => {
  const report = await runStation(root, suite("red"), process.env);
  expect(report).toMatchObject({ isRed: true, counts: { passed: 1, failed: 1, skipped: 0 } });
  expect(report.output).toContain('Expected: "wanted"');
});

test.each(["exits", "does-not-load"])("runStation() takes a suite that %s for red", async (folder) => {
  const report = await runStation(root, suite(folder), process.env);
  expect(report.isRed).toBe(true);
  expect(report.counts.failed).toBeGreaterThan(0);
});

test("runStation() says that a folder has no tests", async () => {
  const report = await runStation(root, suite("nowhere"), process.env);
  expect(report).toMatchObject({ isRed: false, output: "no tests in nowhere\n" });
});

const memory = openMemoryFolder();
memory?.remove();
if (memory === null) console.log("skipped: tests that write to memory, because there is none for that");

test.skipIf(memory === null)("runStation() lets a suite write to memory, and takes that away", async () => {
  const station: Station = { ...suite("writes"), inMemory: true };
  const { output } = await runStation(root, station, { ...process.env, TMPDIR: undefined });
  const folder = /^in (.*)$/m.exec(output)?.[1] ?? "";
  expect(folder).toStartWith("/dev/shm/ok-");
  expect(existsSync(folder)).toBe(false);
});

test("runStation() has every suite write where the caller wants it", async () => {
  const station: Station = { ...suite("writes"), inMemory: true };
  const { output } = await runStation(root, station, { ...process.env, TMPDIR: root });
  expect(output).toContain(`in ${root}\n`);
});

test("runStation() counts a red check as one failure and passes the environment on", async () => {
  const check: Station = { kind: "check", name: "env", words: ["env.ts"] };
  const report = await runStation(root, check, { ...process.env, WORD: "passed on" });
  expect(report).toMatchObject({ isRed: true, output: "passed on\n", counts: { passed: 0, failed: 1 } });
});

test("runStation() does not wait for a process that the station left behind", async () => {
  const check: Station = { kind: "check", name: "leaves", words: ["leaves.ts"] };
  const startedMs = performance.now();
  const report = await runStation(root, check, process.env);
  process.kill(Number(report.output));
  expect(performance.now() - startedMs).toBeLessThan(30_000);
  expect(report.isRed).toBe(false);
});
