// Services that are started anew when their files change, by a monitor that started them and by one that found them.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FleetSandbox, type Monitor } from "../helpers/fleet-sandbox.ts";
import { killHard } from "../helpers/kill.ts";
import { untilHolds } from "../helpers/temp-git.ts";

const WITHIN_MS = 60_000;
const sandbox = new FleetSandbox();
const app = join(sandbox.folder, "app");
const starts = join(sandbox.folder, "starts");
mkdirSync(join(app, "src"), { recursive: true });
writeFileSync(
  join(sandbox.folder, "fleetd.yaml"),
  `services:
  web:
    command: "echo start >> ${starts}; exec sleep 1000"
    shell: true
    cwd: ${app}
    watch: { ignore: ["*.log"], debounce: 200ms }
`,
);

let monitor: Monitor;
beforeAll(async () => {
  await sandbox.init("code1");
  monitor = await sandbox.monitor("code1");
  await untilHolds(() => Promise.resolve(countStarts() === 1), WITHIN_MS);
}, 120_000);
afterAll(async () => {
  await sandbox.run("code1", ["stop", "--all", "--now"]);
  await sandbox.close();
}, 60_000);

function countStarts(): number {
  try {
    return readFileSync(starts, "utf8").split("\n").length - 1;
  } catch {
    return 0;
  }
}

/** Changes a file until the service was started so many times, since a watch may just be about to begin. */
async function changed(path: string, count: number): Promise<void> {
  await untilHolds(async () => {
    writeFileSync(path, String(performance.now()));
    await Bun.sleep(400);
    return countStarts() >= count;
  }, WITHIN_MS);
}

test("a burst of changes starts a service anew, and it says which file it was", async () => {
  mkdirSync(join(app, "node_modules"));
  writeFileSync(join(app, "node_modules", "left-out"), "");
  writeFileSync(join(app, "left-out.log"), "");
  await changed(join(app, "src", "main.ts"), 2);
  const { stdout } = await sandbox.run("code1", ["list", "--json"]);
  const [shown] = JSON.parse(stdout).services;
  expect(JSON.stringify(shown)).toContain("changed: ");
  expect(JSON.stringify(shown)).toContain(app);
  expect(JSON.stringify(shown)).not.toContain("left-out");
}, 120_000);

test("a monitor that finds a service running watches its files, too", async () => {
  const before = countStarts();
  killHard(monitor.pid, "alone");
  await monitor.ended;
  monitor = await sandbox.monitor("code1");
  expect(countStarts()).toBe(before);
  await changed(join(app, "src", "other.ts"), before + 1);
}, 120_000);
