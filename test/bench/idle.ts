import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { startGitDaemon } from "../helpers/git-servers.ts";
import type { Bench, Context } from "./context.ts";
import { absoluteRow, type Row } from "./row.ts";
import { type Daemon, makeServer, startDaemon } from "./servers.ts";

const WATCHED_MS = 60_000;
/** Linux counts processor time in ticks of 10 ms (USER_HZ, the same on every platform it runs on). */
const TICK_MS = 10;
/** The rounds after a start are no idling. */
const SETTLE_MS = 3_000;

/** What a daemon costs that has nothing to do, with the interval it has by default. */
export const idle: Bench = {
  name: "idle",
  async run(context) {
    if (context.quick) return [];
    if (process.platform !== "linux") {
      console.log("skipped: idle monitor: its memory and processor time are read from /proc");
      return [];
    }
    const git = await startGitDaemon(context.temp);
    const folder = context.temp.bare();
    const remotes: [string, string][] = [["file", context.temp.bare()]];
    if (git !== null) remotes.push(["git", `${git.url}${folder.slice(context.temp.folder.length)}`]);
    try {
      const rows = await Promise.all(remotes.map(([kind, remote]) => watchIdle(context, kind, remote)));
      return rows.flat();
    } finally {
      await git?.stop();
    }
  },
};

async function watchIdle(context: Context, kind: string, remote: string): Promise<Row[]> {
  const server = await makeServer(context, `idler-${kind}`, remote);
  const counter = countingGit(context);
  const daemon = await startDaemon(context, server, { PATH: `${counter.folder}:${process.env["PATH"]}` });
  try {
    await Bun.sleep(SETTLE_MS);
    const before = { ...usageOf(daemon), spawned: counter.count() };
    await Bun.sleep(WATCHED_MS);
    const after = { ...usageOf(daemon), spawned: counter.count() };
    const percent = (ms: number): number => (ms / WATCHED_MS) * 100;
    const own = percent(after.ownMs - before.ownMs);
    const children = percent(after.childrenMs - before.childrenMs);
    const at = `idle monitor, ${kind} remote`;
    const most = { direction: "at-most" } as const;
    const spawned = after.spawned - before.spawned;
    const name = (what: string): string => `idle.${kind}.${what}`;
    return [
      absoluteRow({ name: name("memory"), what: `${at}: memory (RSS)`, unit: "MB", limit: 60, ...most }, [
        after.rssMb,
      ]),
      absoluteRow(
        { name: name("processor"), what: `${at}: processor, itself`, unit: "%", limit: 0.3, ...most },
        [own],
      ),
      absoluteRow(
        { name: name("children"), what: `${at}: processor, its git`, unit: "%", limit: null, ...most },
        [children],
      ),
      absoluteRow(
        { name: name("spawned"), what: `${at}: git started in 60 s`, unit: "", limit: null, ...most },
        [spawned],
      ),
    ];
  } finally {
    await daemon.stop();
  }
}

function usageOf({ pid }: Daemon): { ownMs: number; childrenMs: number; rssMb: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // After the name in parentheses: state is field 3, utime 14, stime 15, those of waited-for children 16 and 17.
  const fields = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
  const ticks = (first: number): number => (fields[first - 3] ?? 0) + (fields[first - 2] ?? 0);
  const rss = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
  return { ownMs: ticks(14) * TICK_MS, childrenMs: ticks(16) * TICK_MS, rssMb: Number(rss) / 1024 };
}

/** A `git` that leaves a mark and becomes the real one. */
function countingGit({ temp }: Context): { folder: string; count: () => number } {
  const folder = temp.path("counting");
  mkdirSync(folder);
  const marks = `${folder}/marks`;
  writeFileSync(marks, "");
  writeFileSync(`${folder}/git`, `#!/bin/sh\nprintf . >> '${marks}'\nexec '${Bun.which("git")}' "$@"\n`);
  chmodSync(`${folder}/git`, 0o755);
  return { folder, count: () => readFileSync(marks).length };
}
