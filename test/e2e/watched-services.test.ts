// Services that are started anew when their files change, by a monitor that started them and by one that found them.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { FleetSandbox, type Monitor } from "../helpers/fleet-sandbox.ts";
import { killHard } from "../helpers/kill.ts";
import { untilHolds } from "../helpers/temp-git.ts";

const isLinux = process.platform === "linux";
if (!isLinux) console.log("skipped: watched services: only Linux tells what is watched");
const onLinux = test.skipIf(!isLinux);

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

/** Whether the monitor watches a folder: Linux tells of each watch by the number of the file. */
function isWatched(folder: string): boolean {
  const mark = `ino:${statSync(folder).ino.toString(16)} `;
  return readdirSync(`/proc/${monitor.pid}/fdinfo`).some((name) => {
    try {
      return readFileSync(`/proc/${monitor.pid}/fdinfo/${name}`, "utf8").includes(mark);
    } catch {
      // Closed meanwhile.
      return false;
    }
  });
}

/** Changes a file once, in one moment, and waits for the start that follows. */
async function changed(path: string, count: number): Promise<void> {
  await untilHolds(() => Promise.resolve(isWatched(dirname(path))), WITHIN_MS);
  writeFileSync(`${path}.log`, String(performance.now()));
  renameSync(`${path}.log`, path);
  await untilHolds(() => Promise.resolve(countStarts() >= count), WITHIN_MS);
}

onLinux(
  "a burst of changes starts a service anew, and it says which file it was",
  async () => {
    mkdirSync(join(app, "node_modules"));
    writeFileSync(join(app, "node_modules", "left-out"), "");
    writeFileSync(join(app, "left-out.log"), "");
    await changed(join(app, "src", "main.ts"), 2);
    const { stdout } = await sandbox.run("code1", ["list", "--json"]);
    const [shown] = JSON.parse(stdout).services;
    expect(JSON.stringify(shown)).toContain("changed: ");
    expect(JSON.stringify(shown)).toContain(app);
    expect(JSON.stringify(shown)).not.toContain("left-out");
  },
  120_000,
);

onLinux(
  "a monitor that finds a service running watches its files, too",
  async () => {
    const before = countStarts();
    killHard(monitor.pid, "alone");
    await monitor.ended;
    monitor = await sandbox.monitor("code1");
    expect(countStarts()).toBe(before);
    await changed(join(app, "src", "other.ts"), before + 1);
    expect(countStarts()).toBe(before + 1);
  },
  120_000,
);
