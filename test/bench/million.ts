import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { flushNow, queueDrafts } from "../../src/daemon/flush-now.ts";
import { serverFacts } from "../../src/daemon/server-facts.ts";
import { listProgress } from "../../src/fleet/messaging/message-index.ts";
import { findPeer } from "../../src/fleet/messaging/peers.ts";
import { receiveMessages } from "../../src/fleet/messaging/receive-messages.ts";
import { draftMessage } from "../../src/fleet/messaging/send-message.ts";
import { findCard } from "../../src/fleet/messaging/stored-cards.ts";
import { DEFAULT_SETTINGS } from "../../src/fleet/settings/defaults.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { systemCryptography } from "../../src/platform/cryptography.ts";
import type { Bench, Context } from "./context.ts";
import { timed, timeProgram } from "./measure.ts";
import { absoluteRow, type Row } from "./row.ts";
import { type BenchServer, makeServer, startDaemon } from "./servers.ts";
import { canSeeUsage } from "./usage.ts";

const MESSAGES = Number(process.env["FLEETD_MILLION"] ?? 1_000_000);
/** As many as a batch holds. */
const PER_BATCH = 1000;

/** A million messages of one writer: how they are taken in, what they weigh, and what compaction leaves of them. */
export const million: Bench = {
  name: "million",
  async run(context) {
    if (!context.long || !canSeeUsage("a million messages")) return [];
    const remote = context.temp.bare();
    const writer = await makeServer(context, "million-writer", remote);
    const reader = await makeServer(context, "million-reader", remote);
    const rows: Row[] = [row("send", "queued and pushed", "s", await sendAll(writer))];
    rows.push(row("git", "fetched by git alone", "s", await fetchAlone(context, remote)));
    rows.push(...(await takeIn(context, writer, reader)));
    rows.push(row("remote", "remote, as pushed", "MB", sizeMb(remote)));
    context.temp.git(remote, "gc", "-q", "--prune=now");
    rows.push(row("remote.packed", "remote, after git gc", "MB", sizeMb(remote)));
    rows.push(row("poll", "no-op poll", "ms", await pollMs(context, reader)));
    rows.push(...(await shorten(context, { remote, writer, reader })));
    return rows;
  },
};

const row = (name: string, what: string, unit: string, value: number): Row =>
  absoluteRow(
    {
      name: `million.${name}`,
      what: `${MESSAGES.toLocaleString("en")} messages: ${what}`,
      unit,
      direction: "at-most",
      limit: null,
    },
    [value],
  );

/** Sends everything in this process, a batch a push; seconds. */
async function sendAll(writer: BenchServer): Promise<number> {
  const mailbox = writer.open();
  const signal = new AbortController().signal;
  const facts = serverFacts("0.0.0", { groups: [], labels: {} }, null);
  try {
    const durationMs = await timed(async () => {
      for (let sent = 0; sent < MESSAGES; sent += PER_BATCH) {
        const drafts = Array.from({ length: PER_BATCH }, (_, number) => draft(writer.name, sent + number));
        queueDrafts(mailbox, drafts, systemClock.wallMs());
        const request = { drafts: [], facts, rules: DEFAULT_SETTINGS, timeoutMs: 60_000, signal };
        const { status } = await flushNow(mailbox, request);
        if (status !== "pushed") throw new Error(`flush ended ${status}`);
      }
    });
    return durationMs / 1000;
  } finally {
    await mailbox.close();
  }
}

function draft(server: string, number: number) {
  const subject = `Deployment ${number} finished`;
  const body = `Everything of step ${number} is done; the next step waits for its turn.`;
  const from = { server, clock: systemClock, cryptography: systemCryptography };
  const made = draftMessage({ to: ["all"], subject, body }, from);
  if (!made.ok) throw new Error(made.error);
  return made.value;
}

/** What the remote's git takes to pack them and ours to unpack them: most of what a catch-up is. */
async function fetchAlone({ temp }: Context, remote: string): Promise<number> {
  const copy = temp.bare();
  const durationMs = await timed(() =>
    Promise.resolve(temp.git(copy, "fetch", "-q", remote, "+refs/fleet/*:refs/fleet/*")),
  );
  rmSync(copy, { recursive: true });
  return durationMs / 1000;
}

/** A daemon that finds all of them at its first look. */
async function takeIn(context: Context, writer: BenchServer, reader: BenchServer): Promise<Row[]> {
  const startMs = performance.now();
  const daemon = await startDaemon(context, reader, {
    FLEETD_HEARTBEAT_IDLE: "1s",
    FLEETD_HEARTBEAT_EVERY: "1s",
  });
  const mailbox = reader.open();
  // How far its log was read, not a count: that would walk over all of them with every look.
  const taken = (): number => listProgress(mailbox.index()).get(writer.name)?.seq ?? 0;
  while (taken() < MESSAGES) await Bun.sleep(200);
  const seconds = (performance.now() - startMs) / 1000;
  const handled = (): number => findPeer(mailbox.state, writer.name)?.handled.seq ?? 0;
  while (handled() < MESSAGES) await Bun.sleep(200);
  const handledSeconds = (performance.now() - startMs) / 1000;
  const peakMb = peakMbOf(daemon.pid) ?? Number.NaN;
  await mailbox.close();
  await untilTold(writer, reader);
  await daemon.stop();
  return [
    row("catch-up", "fetched, verified and indexed by a daemon", "s", seconds),
    row("handled", "and looked at by its rules", "s", handledSeconds),
    row("memory", "its memory at most (RSS)", "MB", peakMb),
  ];
}

/** Waits until the reader's card says that it has read everything: what is not read is not removed. */
async function untilTold(writer: BenchServer, reader: BenchServer): Promise<void> {
  const mailbox = writer.open();
  const cursor = (): number => findCard(mailbox.index(), reader.name)?.card.cursors[writer.name]?.seq ?? 0;
  const options = { timeoutMs: 60_000, signal: new AbortController().signal };
  try {
    while (cursor() < MESSAGES) {
      await receiveMessages(mailbox.receivePorts(), options);
      await Bun.sleep(200);
    }
  } finally {
    await mailbox.close();
  }
}

/** The most memory that a process had so far; null when it has ended. */
function peakMbOf(pid: number): number | null {
  try {
    const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
    return peak === undefined ? null : Number(peak) / 1024;
  } catch {
    return null;
  }
}

/** What a shortened log leaves, for the remote and for whoever joins after it. */
async function shorten(
  context: Context,
  at: { readonly remote: string; readonly writer: BenchServer; readonly reader: BenchServer },
): Promise<Row[]> {
  const { remote, writer, reader } = at;
  const settings = `${writer.root}/fleetd.yaml`;
  writeFileSync(settings, "compaction: {keep: 0s, entries: 1000, batches: 1}\n");
  const environment = { ...writer.environment, FLEETD_CONFIG: settings };
  const run = (words: readonly string[], server: BenchServer): number =>
    timeProgram([context.fleetd, ...words], { environment: server.environment, folder: context.temp.folder });
  const startMs = performance.now();
  const child = Bun.spawn([context.fleetd, "compact", "--json"], {
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let peakMb = 0;
  while (child.exitCode === null) {
    peakMb = peakMbOf(child.pid) ?? peakMb;
    await Bun.sleep(20);
  }
  const told = await new Response(child.stdout).text();
  // 0 is also what it ends with when nothing may go.
  if (child.exitCode !== 0 || (JSON.parse(told) as { status: string }).status !== "done")
    throw new Error(`compact: ${told}${await new Response(child.stderr).text()}`);
  const seconds = (performance.now() - startMs) / 1000;
  context.temp.git(remote, "gc", "-q", "--prune=now");
  const rows = [
    row("compact", "fleetd compact", "s", seconds),
    row("compact.memory", "its memory at most (RSS)", "MB", peakMb),
    row("compact.remote", "remote after it and git gc", "MB", sizeMb(remote)),
  ];
  const wordsMs = run(["rebuild-index"], reader);
  const newcomer = await makeServer(context, "million-newcomer", remote);
  const firstMs = run(["inbox", "--limit", "1"], newcomer);
  return [
    ...rows,
    row("compact.rebuild", "rebuild-index of a reader that had all", "s", wordsMs / 1000),
    row("compact.join", "first look of a server that joins after it", "s", firstMs / 1000),
    row("compact.poll", "no-op poll after it", "ms", await pollMs(context, reader)),
  ];
}

async function pollMs({ runs }: Context, reader: BenchServer): Promise<number> {
  const mailbox = reader.open();
  const options = { timeoutMs: 60_000, signal: new AbortController().signal };
  const values: number[] = [];
  try {
    for (let turn = 0; turn <= runs(9); turn += 1) {
      const durationMs = await timed(() => receiveMessages(mailbox.receivePorts(), options));
      if (turn > 0) values.push(durationMs);
    }
  } finally {
    await mailbox.close();
  }
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function sizeMb(folder: string): number {
  const du = Bun.spawnSync(["du", "-sk", folder]).stdout.toString();
  return Number.parseInt(du, 10) / 1024;
}
