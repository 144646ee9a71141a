import type { Mailbox } from "../../src/daemon/open-mailbox.ts";
import { receiveMessages } from "../../src/fleet/messaging/receive-messages.ts";
import { type GitServer, startGitDaemon, startHttpServer } from "../helpers/git-servers.ts";
import type { Bench, Context } from "./context.ts";
import { countOf, LARGE, LARGE_SINGLE, type Size, SMALL, SMALL_SINGLE } from "./large-remote.ts";
import { interleave, timed, timeProgram } from "./measure.ts";
import { absoluteRow, type Row, ratioRow } from "./row.ts";
import { type BenchServer, makeServer } from "./servers.ts";

const OPTIONS = { timeoutMs: 120_000, signal: new AbortController().signal };

/** A look at a remote that holds very much and nothing new, against git's own. */
export const poll: Bench = {
  name: "poll",
  async run(context) {
    const { temp, quick, remotes } = context;
    const size = quick ? SMALL : LARGE;
    const folder = await remotes.get(size);
    const path = folder.slice(temp.folder.length);
    const rows = [await comparePolls(context, { kind: "file", url: folder, size })];
    const servers: [string, GitServer | null][] = [
      ["git", await startGitDaemon(temp)],
      ["http", startHttpServer(temp, null)],
    ];
    temp.git(folder, "config", "http.receivepack", "true");
    for (const [kind, server] of servers) {
      if (server === null) continue;
      rows.push(await comparePolls(context, { kind, url: `${server.url}${path}`, size }));
      await server.stop();
    }
    return rows;
  },
};

async function comparePolls(context: Context, on: { kind: string; url: string; size: Size }): Promise<Row> {
  const { temp, runs } = context;
  const server = await makeServer(context, `poller-${on.kind}`, on.url);
  const bare = temp.bare();
  const refspecs = ["+refs/fleet/log/*:refs/fleet/log/*", "+refs/fleet/state/*:refs/fleet/state/*"];
  const fetchBare = (): Promise<number> =>
    timed(async () => {
      const words = ["git", "fetch", "--quiet", "--no-tags", "--prune", on.url, ...refspecs];
      const child = Bun.spawn(words, {
        cwd: bare,
        env: temp.environment,
        stdio: ["ignore", "ignore", "ignore"],
      });
      if ((await child.exited) !== 0) throw new Error(`git fetch of ${on.url} failed`);
    });
  const mailbox = server.open();
  try {
    await receive(mailbox);
    const values = await interleave(runs(15), {
      fetch: fetchBare,
      poll: () => timed(() => receive(mailbox)),
    });
    const messages = countOf(on.size).toLocaleString("en");
    const what = `no-op poll, ${on.size.servers} servers, ${messages} messages, ${on.kind} remote`;
    const against = { what: "bare git fetch of the refspecs", values: values.fetch };
    return ratioRow({ name: `poll.${on.kind}`, what, limit: 1.5 }, values.poll, against);
  } finally {
    await mailbox.close();
  }
}

async function receive(mailbox: Mailbox): Promise<void> {
  const received = await receiveMessages(mailbox.receivePorts(), OPTIONS);
  if (!received.ok) throw new Error(received.error.detail);
}

/** Everything that a store holds, verified and put into an empty index by `fleetd rebuild-index`. */
export const catchUp: Bench = {
  name: "catch-up",
  async run(context) {
    const tenEach = { each: "10 per batch", size: SMALL, limitMs: 800, usual: 5 };
    const measures = [{ ...tenEach, name: "catch-up.10000" }];
    if (!context.quick) {
      measures.push({ ...tenEach, name: "catch-up.100000", size: LARGE, limitMs: 5000, usual: 3 });
      // A tenth of what `--long` measures, and of its budget.
      const single = { each: "1 per batch", size: SMALL_SINGLE, limitMs: 2000, usual: 3 };
      measures.push({ ...single, name: "catch-up.single.10000" });
      if (context.long) {
        measures.push({ ...single, name: "catch-up.single.100000", size: LARGE_SINGLE, limitMs: 20_000 });
      }
    }
    const rows: Row[] = [];
    for (const one of measures) rows.push(...(await measureCatchUp(context, one)));
    return rows;
  },
};

async function measureCatchUp(
  context: Context,
  on: { name: string; each: string; size: Size; limitMs: number; usual: number },
): Promise<Row[]> {
  const { fleetd, temp, remotes, runs } = context;
  const server = await makeServer(
    context,
    `catcher-${on.size.messages}-${countOf(on.size)}`,
    await remotes.get(on.size),
  );
  const values: number[] = [];
  for (let turn = 0; turn <= runs(on.usual); turn += 1) {
    const words = [fleetd, "rebuild-index"];
    const durationMs = timeProgram(words, { environment: server.environment, folder: temp.folder });
    if (turn > 0) values.push(durationMs);
  }
  await checkIndex(server, on.size);
  const what = `${countOf(on.size).toLocaleString("en")} messages, ${on.each}, into a fresh index`;
  const note = "the whole command, start included";
  const { name, limitMs } = on;
  return [absoluteRow({ name, what, unit: "ms", direction: "at-most", limit: limitMs, note }, values)];
}

/** A fast answer that left something out would be worth nothing. */
async function checkIndex(server: BenchServer, size: Size): Promise<void> {
  const mailbox = server.open();
  const sql = "SELECT count(*) AS count FROM entries WHERE type = 'message'";
  const count = mailbox.index().get<{ count: number }>(sql)?.count;
  await mailbox.close();
  if (count !== countOf(size)) throw new Error(`the index holds ${count} messages, not ${countOf(size)}`);
}
