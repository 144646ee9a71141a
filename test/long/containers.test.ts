// The tests of services that are containers, which are skipped where no engine runs, beside one that is started for them.
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseCounts } from "../../scripts/gate/counts.ts";

const SCRIPT = join(import.meta.dir, "../lab/docker/with-engine.sh");
const TESTS = "./test/e2e/containers.test.ts";
const TIMEOUT_MS = 600_000;

const folder = mkdtempSync(join(tmpdir(), "fleetd-engine-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function beside(...words: string[]): Promise<{ readonly code: number; readonly output: string }> {
  // A file: what a failed test leaves behind would keep a pipe open.
  const output = join(folder, "output");
  const child = Bun.spawn(["sh", SCRIPT, ...words], {
    cwd: join(import.meta.dir, "../.."),
    env: { ...process.env, TMPDIR: folder },
    stdio: ["ignore", Bun.file(output), Bun.file(`${output}.err`)],
    timeout: TIMEOUT_MS,
  });
  const code = await child.exited;
  return { code, output: readFileSync(output, "utf8") + readFileSync(`${output}.err`, "utf8") };
}

async function whyNot(): Promise<string | null> {
  if (process.env["FLEETD_LONG"] !== "1") return "only with FLEETD_LONG=1";
  const { code, output } = await beside("true");
  return code === 0 ? null : (output.trim().split("\n").at(-1) ?? "no engine");
}

const reason = await whyNot();
if (reason !== null)
  console.log(`skipped: services that are containers, of an engine of their own: ${reason}`);

test.skipIf(reason !== null)(
  "services that are containers keep every promise beside a real engine",
  async () => {
    const startMs = performance.now();
    const { code, output } = await beside(process.execPath, "test", "--timeout", "120000", TESTS);
    const counts = parseCounts(output);
    if (code !== 0) console.log(output);
    expect(code).toBe(0);
    expect(counts).toMatchObject({ failed: 0, skipped: 0 });
    expect(counts?.passed).toBeGreaterThan(0);
    const seconds = ((performance.now() - startMs) / 1000).toFixed(0);
    console.log(`containers: ${counts?.passed} tests beside a real engine in ${seconds} s`);
  },
  TIMEOUT_MS,
);
