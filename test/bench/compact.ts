import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { flushNow } from "../../src/daemon/flush-now.ts";
import type { Mailbox } from "../../src/daemon/open-mailbox.ts";
import { serverFacts } from "../../src/daemon/server-facts.ts";
import { commitDrafts } from "../../src/fleet/messaging/build-queued.ts";
import { receiveMessages } from "../../src/fleet/messaging/receive-messages.ts";
import { draftMessage } from "../../src/fleet/messaging/send-message.ts";
import { DEFAULT_SETTINGS } from "../../src/fleet/settings/defaults.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { systemCryptography } from "../../src/platform/cryptography.ts";
import type { Bench, Context } from "./context.ts";
import { timed } from "./measure.ts";
import { absoluteRow, type Row } from "./row.ts";
import { type BenchServer, makeServer } from "./servers.ts";

const OPTIONS = { timeoutMs: 600_000, signal: new AbortController().signal };
const MB = 1024 * 1024;
/** What is younger than an hour is never removed, so everything is made older than that. */
const HOURS_AGO = 2;

/** A log of very many messages, shortened to 1,000: what it takes, and what the remote and a new reader have of it. */
export const compact: Bench = {
  name: "compact",
  async run(context) {
    const total = context.quick ? 10_000 : 100_000;
    const rows = await measure(context, { total, each: 10 });
    return context.quick ? rows : [...rows, ...(await measure(context, { total, each: 1000 }))];
  },
};

interface Log {
  readonly total: number;
  readonly each: number;
}

async function measure(context: Context, log: Log): Promise<Row[]> {
  const { temp } = context;
  const remote = temp.bare();
  const name = `writer-${log.each}`;
  const writer = await makeServer(context, name, remote);
  await fill(writer, log);
  age(temp.folder);
  const { store } = writer.paths;
  const before = { ...(await look(context, remote, `before-${log.each}`)), size: tidied(context, remote) };
  const storeBefore = sizeOf(store);
  const state = sizeOf(writer.paths.folder, "state.db");
  const config = join(writer.root, "fleetd.yaml");
  writeFileSync(config, "compaction: { keep: 0s, entries: 1000, live: 1ms }\n");
  const { durationMs, peakMb } = await run([context.fleetd, "compact", "--config", config], writer);
  age(temp.folder);
  const after = { ...(await look(context, remote, `after-${log.each}`)), size: tidied(context, remote) };
  const what = `log of ${log.total.toLocaleString("en")} messages, ${log.each} per batch, shortened to 1,000`;
  const row = (part: string, unit: string, value: number, note = ""): Row =>
    absoluteRow(
      {
        name: `compact.${log.each}.${part}`,
        what: `${what}: ${part}`,
        unit,
        direction: "at-most",
        limit: null,
        note,
      },
      [value],
    );
  return [
    row("time", "ms", durationMs, "the whole command, packing of the private store included"),
    row("memory", "MB", peakMb, "VmHWM of the command"),
    row("remote before", "MB", before.size / MB),
    row("remote after", "MB", after.size / MB),
    row("new reader before", "ms", before.firstMs, "fetched, verified and indexed"),
    row("new reader after", "ms", after.firstMs),
    row("poll before", "ms", before.pollMs),
    row("poll after", "ms", after.pollMs),
    row("own store before", "MB", storeBefore / MB, "nothing goes from there"),
    row("own store after", "MB", sizeOf(store) / MB),
    row("state.db", "MB", state / MB, `rows of messages left: ${countRows(writer)}`),
  ];
}

/** Builds the log as fast as this machine can; what is measured comes after it. */
async function fill(writer: BenchServer, { total, each }: Log): Promise<void> {
  const mailbox = writer.open();
  try {
    mailbox.state.run("PRAGMA synchronous = OFF");
    const ports = await mailbox.sendPorts();
    const from = { server: writer.name, clock: systemClock, cryptography: systemCryptography };
    const request = {
      to: ["all"],
      subject: "Deployment finished",
    };
    // Some of each text is new, so that packing has as much to do as with real ones.
    const body = (): string =>
      `Everything of step ${crypto.randomUUID()} is done; the next one waits for its turn.`;
    for (let made = 0; made < total; made += each) {
      const drafts = Array.from({ length: each }, () =>
        draftMessage({ ...request, body: body() }, from),
      ).flatMap((one) => (one.ok ? [one.value] : []));
      await commitDrafts(ports, drafts);
    }
    const facts = serverFacts("0.0.0", { groups: [], labels: {} }, null);
    const { status } = await flushNow(mailbox, { drafts: [], facts, rules: DEFAULT_SETTINGS, ...OPTIONS });
    if (status !== "pushed") throw new Error(`flush ended ${status}`);
  } finally {
    await mailbox.close();
  }
}

/** A server that joins, its first look and one at nothing new. It is silent from then on. */
async function look(
  context: Context,
  remote: string,
  name: string,
): Promise<{ firstMs: number; pollMs: number }> {
  const reader = await makeServer(context, name, remote);
  const mailbox = reader.open();
  try {
    // `init` has looked already: everything once more, as if it had not.
    const firstMs = await timed(() => makeAnew(context, reader, remote));
    await receive(mailbox);
    return { firstMs, pollMs: await timed(() => receive(mailbox)) };
  } finally {
    await mailbox.close();
  }
}

function makeAnew({ temp, fleetd }: Context, reader: BenchServer, remote: string): void {
  const bare = temp.bare();
  temp.git(bare, "fetch", "--quiet", "--no-tags", remote, "+refs/fleet/*:refs/fleet/*");
  const ran = Bun.spawnSync([fleetd, "rebuild-index"], { env: reader.environment, cwd: reader.root });
  if (ran.exitCode !== 0) throw new Error(`rebuild-index: ${ran.stderr.toString()}`);
}

async function receive(mailbox: Mailbox): Promise<void> {
  const received = await receiveMessages(mailbox.receivePorts(), OPTIONS);
  if (!received.ok) throw new Error(received.error.detail);
}

/** Runs a command and answers how long it took and how much memory it held at most. */
async function run(words: string[], server: BenchServer): Promise<{ durationMs: number; peakMb: number }> {
  const startMs = performance.now();
  const child = Bun.spawn(words, {
    env: server.environment,
    cwd: server.root,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let peakKb = 0;
  while (child.exitCode === null) {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, "latin1");
      peakKb = Math.max(peakKb, Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0));
    } catch {
      // It has ended, or this system has no /proc.
    }
    await Bun.sleep(5);
  }
  const said = await new Response(child.stdout).text();
  if (child.exitCode !== 0 || !said.includes("Shortened")) throw new Error(`${words.join(" ")}: ${said}`);
  return { durationMs: performance.now() - startMs, peakMb: peakKb / 1024 };
}

/** What a repository takes once its host has tidied it. */
function tidied({ temp }: Context, folder: string): number {
  temp.git(folder, "gc", "--quiet", "--prune=1.hour.ago");
  return sizeOf(folder);
}

const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

/** Bytes of all files, or of those whose names begin so. */
const sizeOf = (folder: string, name = ""): number =>
  filesIn(folder)
    .filter((path) => path.split("/").at(-1)?.startsWith(name) === true)
    .reduce((total, path) => total + statSync(path).size, 0);

function age(folder: string): void {
  const then = new Date(Date.now() - HOURS_AGO * 3_600_000);
  for (const path of filesIn(folder)) if (path.includes("/objects/")) utimesSync(path, then, then);
}

function countRows(server: BenchServer): number {
  const mailbox = server.open();
  const count = mailbox.state.get<{ count: number }>("SELECT count(*) AS count FROM outbox")?.count ?? 0;
  void mailbox.close();
  return count;
}
