import { existsSync } from "node:fs";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Counts, countRed, NO_TESTS, parseCounts } from "./counts.ts";
import { openMemoryFolder } from "./memory-folder.ts";
import type { Station } from "./stations.ts";

/** How a station ended. `output` is everything it printed, in the order it came. */
export type StationReport = { readonly isRed: boolean; readonly counts: Counts; readonly output: string };

/** Runs `station` in the project at `root` to its end. A test folder without tests is green and says so. */
export async function runStation(root: string, station: Station, env: Environment): Promise<StationReport> {
  if (station.kind === "check") {
    const { exitCode, output } = await runBun(root, station.words, env);
    return reportOf(exitCode, output, NO_TESTS);
  }
  if (!hasTests(join(root, station.folder))) return reportOf(0, `no tests in ${station.folder}\n`, NO_TESTS);
  const { exitCode, output } = await runTests(root, station, env);
  const counts = parseCounts(output);
  if (counts !== undefined) return reportOf(exitCode, output, counts);
  return reportOf(exitCode || 1, `${output}\nThe test runner ended without a summary.\n`, NO_TESTS);
}

/** Flushing to memory costs nothing. What has to survive a power cut is tested on a disk that the tests bring along. */
async function runTests(
  root: string,
  station: Station & { kind: "tests" },
  env: Environment,
): Promise<Ended> {
  const words = ["test", ...station.options, `./${station.folder}`];
  const memory = station.inMemory === true && env["TMPDIR"] === undefined ? openMemoryFolder() : null;
  if (memory === null) return await runBun(root, words, env);
  try {
    return await runBun(root, words, { ...env, TMPDIR: memory.path });
  } finally {
    memory.remove();
  }
}

function reportOf(exitCode: number, output: string, counts: Counts): StationReport {
  const isRed = exitCode !== 0 || counts.failed > 0;
  return { isRed, output, counts: isRed ? countRed(counts) : counts };
}

/** The environment of every child. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** How a child ended. */
type Ended = { readonly exitCode: number; readonly output: string };

const hasTests = (folder: string): boolean =>
  existsSync(folder) && !new Bun.Glob("**/*.test.ts").scanSync({ cwd: folder }).next().done;

/**
 * Runs Bun with `words` to its end. The output goes to a file and not through a pipe: a pipe ends with the last process
 * that holds it, so a server that a test left behind would keep the gate waiting.
 */
async function runBun(cwd: string, words: readonly string[], env: Environment): Promise<Ended> {
  const folder = await mkdtemp(join(tmpdir(), "fleetd-gate-"));
  const log = await open(join(folder, "output"), "a+");
  try {
    const child = Bun.spawn([process.execPath, ...words], { cwd, env, stdout: log.fd, stderr: log.fd });
    const exitCode = await child.exited;
    return { exitCode, output: await readFile(join(folder, "output"), "utf8") };
  } finally {
    await log.close();
    await rm(folder, { recursive: true, force: true });
  }
}
