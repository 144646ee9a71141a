import { startGitDaemon } from "../helpers/git-servers.ts";
import type { Bench, Context } from "./context.ts";
import { type CountingProxy, startCountingProxy } from "./counting-proxy.ts";
import { absoluteRow, type Row } from "./row.ts";
import { makeServer, startDaemon } from "./servers.ts";
import { canSeeUsage, countingGit, usageOf } from "./usage.ts";

const WATCHED_MS = 60_000;
const HOUR_MS = 3_600_000;
/** The rounds after a start are no idling. */
const SETTLE_MS = 3_000;

/** What a daemon costs that has nothing to do, with the interval it has by default. */
export const idle: Bench = {
  name: "idle",
  async run(context) {
    if (context.quick || !canSeeUsage("idle monitor")) return [];
    const git = await startGitDaemon(context.temp);
    const proxy = git === null ? null : await startCountingProxy(git.port);
    const remotes: Watched[] = [{ kind: "file", url: context.temp.bare(), proxy: null }];
    if (proxy !== null) {
      const path = context.temp.bare().slice(context.temp.folder.length);
      remotes.push({ kind: "git", url: `git://127.0.0.1:${proxy.port}${path}`, proxy });
    }
    try {
      const rows = await Promise.all(remotes.map((remote) => watchIdle(context, remote)));
      return rows.flat();
    } finally {
      await proxy?.stop();
      await git?.stop();
    }
  },
};

/** A remote, and what counts the bytes to it where it is one of the network. */
interface Watched {
  readonly kind: string;
  readonly url: string;
  readonly proxy: CountingProxy | null;
}

async function watchIdle(context: Context, { kind, url, proxy }: Watched): Promise<Row[]> {
  const server = await makeServer(context, `idler-${kind}`, url);
  const counter = countingGit(context);
  const daemon = await startDaemon(context, server, { PATH: `${counter.folder}:${process.env["PATH"]}` });
  const now = () => ({ ...usageOf(daemon.pid), spawned: counter.count(), bytes: proxy?.bytes() ?? 0 });
  try {
    await Bun.sleep(SETTLE_MS);
    const before = now();
    await Bun.sleep(WATCHED_MS);
    const after = now();
    const percent = (ms: number): number => (ms / WATCHED_MS) * 100;
    const perHour = (count: number): number => count * (HOUR_MS / WATCHED_MS);
    const row = (name: string, what: string, unit: string, on: { value: number; limit: number | null }) =>
      absoluteRow(
        {
          name: `idle.${kind}.${name}`,
          what: `idle monitor, ${kind} remote: ${what}`,
          unit,
          direction: "at-most",
          limit: on.limit,
        },
        [on.value],
      );
    const own = percent(after.ownMs - before.ownMs);
    const children = percent(after.childrenMs - before.childrenMs);
    const spawned = perHour(after.spawned - before.spawned);
    const kilobytes = perHour(after.bytes - before.bytes) / 1024;
    return [
      row("memory", "memory (RSS)", "MB", { value: after.rssMb, limit: 60 }),
      row("processor", "processor, itself", "%", { value: own, limit: 0.3 }),
      row("children", "processor, its git", "%", { value: children, limit: null }),
      row("spawned", "git started per hour", "", { value: spawned, limit: null }),
      ...(proxy === null
        ? []
        : [row("bytes", "bytes to and from the remote per hour", "KiB", { value: kilobytes, limit: null })]),
    ];
  } finally {
    await daemon.stop();
  }
}
