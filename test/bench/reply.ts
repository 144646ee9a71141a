import { writeFileSync } from "node:fs";
import type { Mailbox } from "../../src/daemon/open-mailbox.ts";
import { findReply } from "../../src/fleet/messaging/mailbox-queries.ts";
import { type GitServer, startGitDaemon, startHttpServer } from "../helpers/git-servers.ts";
import type { Bench, Context } from "./context.ts";
import { absoluteRow, type Row } from "./row.ts";
import { type Daemon, makeServer, startDaemon } from "./servers.ts";

const CHANGE_TIMEOUT_MS = 30_000;

/** Automatic replies are bounded per hour; a benchmark needs more of them. */
const SETTINGS = "auto_reply:\n  per_thread: 100000\n  per_peer: 100000\n  per_host: 100000\n";

/** From a request at one daemon to the automatic reply of another one on the same machine. */
export const reply: Bench = {
  name: "reply",
  async run(context) {
    const { temp } = context;
    const rows = [await measure(context, { kind: "file", remote: temp.bare(), limit: 250, usual: 30 })];
    rows.push(...(await overNetwork(context, "git", await startGitDaemon(temp))));
    rows.push(...(await overNetwork(context, "http", startHttpServer(temp, null))));
    return rows;
  },
};

async function overNetwork(context: Context, kind: string, server: GitServer | null): Promise<Row[]> {
  if (server === null) return [];
  try {
    const folder = context.temp.bare();
    context.temp.git(folder, "config", "http.receivepack", "true");
    const remote = `${server.url}${folder.slice(context.temp.folder.length)}`;
    return [await measure(context, { kind, remote, limit: 2500, usual: context.quick ? 8 : 20 })];
  } finally {
    await server.stop();
  }
}

async function measure(
  context: Context,
  on: { kind: string; remote: string; limit: number; usual: number },
): Promise<Row> {
  const asker = await makeServer(context, "asker", on.remote);
  const answerer = await makeServer(context, "answerer", on.remote);
  const config = { FLEETD_CONFIG: `${answerer.root}/fleetd.yaml` };
  writeFileSync(config.FLEETD_CONFIG, SETTINGS);
  const daemons = [await startDaemon(context, asker), await startDaemon(context, answerer, config)] as const;
  const mailbox = asker.open();
  try {
    const values: number[] = [];
    for (let turn = 0; turn <= context.runs(on.usual); turn += 1) {
      const durationMs = await ask(daemons[0], mailbox);
      // The first one is the first contact.
      if (turn > 0) values.push(durationMs);
      // The answers and receipts behind the reply are not waited for by anybody; let them pass.
      await Bun.sleep(300 + 20 * (turn % 10));
    }
    const what = `request → automatic reply, ${on.kind} remote, both daemons here`;
    const name = `reply.${on.kind}`;
    return absoluteRow({ name, what, unit: "ms", direction: "at-most", limit: on.limit }, values);
  } finally {
    await mailbox.close();
    await Promise.all(daemons.map((daemon) => daemon.stop()));
  }
}

/** Sends a question and answers how long its reply took to arrive in the asker's index, ms. */
async function ask({ client }: Daemon, mailbox: Mailbox): Promise<number> {
  const { signal } = new AbortController();
  const startMs = performance.now();
  let since = (await client.status()).revision;
  const request = { to: ["answerer"], subject: "Status?", body: "Status report please", kind: "request" };
  const { id } = await client.send(request);
  while (findReply(mailbox.index(), id, "asker") === null) {
    since = (await client.changes({ since, timeoutMs: CHANGE_TIMEOUT_MS }, signal)).revision;
  }
  return performance.now() - startMs;
}
