import { readdirSync, statSync, writeFileSync } from "node:fs";
import type { Bench } from "./context.ts";
import { absoluteRow, type Row } from "./row.ts";
import { makeServer, startDaemon } from "./servers.ts";
import { canSeeUsage, countingGit, type Usage, usageOf } from "./usage.ts";

const HOURS = 24;
/** So many times faster than by default: the day passes in less than four minutes. */
const FASTER = 400;
const DAY_MS = (HOURS * 3_600_000) / FASTER;
/** What a start needs is no growth; a twentieth of the day. */
const SETTLE_MS = DAY_MS / 20;

const SETTINGS = `interval: ${10_000 / FASTER}ms
poll:
  conversation: ${10_000 / FASTER}ms
  idle: ${10_000 / FASTER}ms
heartbeat:
  idle: ${120_000 / FASTER}ms
  every: ${300_000 / FASTER}ms
health:
  interval: ${100_000 / FASTER}ms
`;

/** What a day of idling leaves behind, on a file remote, with all intervals divided. */
export const day: Bench = {
  name: "day",
  async run(context) {
    if (!context.long || !canSeeUsage("a day of an idle monitor")) return [];
    const server = await makeServer(context, "day", context.temp.bare());
    const config = `${server.root}/fleetd.yaml`;
    writeFileSync(config, SETTINGS);
    const counter = countingGit(context);
    const daemon = await startDaemon(context, server, {
      FLEETD_CONFIG: config,
      PATH: `${counter.folder}:${process.env["PATH"]}`,
    });
    const now = () => ({
      ...usageOf(daemon.pid),
      spawned: counter.count(),
      looseObjects: filesIn(`${server.paths.store}/objects`).length,
      databaseBytes: [server.paths.state, server.paths.index].reduce((sum, path) => sum + sizeOf(path), 0),
    });
    try {
      await Bun.sleep(SETTLE_MS);
      const before = now();
      await Bun.sleep(DAY_MS - SETTLE_MS);
      return toRows(before, now());
    } finally {
      await daemon.stop();
    }
  },
};

type Left = Usage & {
  readonly spawned: number;
  readonly looseObjects: number;
  readonly databaseBytes: number;
};

function toRows(before: Left, after: Left): Row[] {
  const hours = HOURS * (1 - SETTLE_MS / DAY_MS);
  const row = (name: string, what: string, unit: string, value: number): Row =>
    absoluteRow(
      {
        name: `day.${name}`,
        what: `24 simulated hours idle, file remote: ${what}`,
        unit,
        direction: "at-most",
        limit: null,
      },
      [value],
    );
  return [
    row("memory", "memory (RSS) at the end", "MB", after.rssMb),
    row("growth", "growth of memory", "MB", after.rssMb - before.rssMb),
    row("files", "growth of open files", "", after.openFiles - before.openFiles),
    row("databases", "growth of the databases", "KiB", (after.databaseBytes - before.databaseBytes) / 1024),
    row("objects", "growth of loose objects", "", after.looseObjects - before.looseObjects),
    row("spawned", "git started", "", after.spawned - before.spawned),
    row("processor", "processor per hour, itself", "ms", (after.ownMs - before.ownMs) / hours),
  ];
}

const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\/[0-9a-f]{2}$/.test(entry.parentPath))
    .map((entry) => entry.name);

/** A database and its write-ahead log. */
function sizeOf(path: string): number {
  return [path, `${path}-wal`].reduce(
    (sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}
