// Automatic answers come to an end: among honest servers by the rules, with peers that lie by the budgets.
//
// The bounds, for the default budgets (10 answers per peer and 50 per host in an hour):
// - a broadcast that asks for an ack to N daemons: 1 + N messages, and without asking for one just 1
// - a peer that answers every answer with K questions: 1 + 10 x (1 + K) messages
// - however many such peers: not more answers than the budget of the host
import { afterAll, expect, test } from "bun:test";
import { Figures, seconds } from "../helpers/figures.ts";
import { describe, judge, type RemoteEntry } from "../helpers/fleet-checker.ts";
import { gather, readLogs } from "../helpers/fleet-evidence.ts";
import { FleetSandbox, type Monitor } from "../helpers/fleet-sandbox.ts";
import { inParallel } from "../helpers/in-parallel.ts";

const PER_PEER = 10;
/** So long without a new message is silence: meanwhile every daemon has looked, even one that nothing woke. */
const QUIET_MS = 3_000;
const INTERVAL = ["--interval", "1s"];
const SILENT_WITHIN_MS = 90_000;
const LOOK_EVERY_MS = 100;

const figures = new Figures("storm: messages until silence");
afterAll(() => figures.print());

const messagesOf = (sandbox: FleetSandbox): RemoteEntry[] =>
  readLogs(sandbox).filter((entry) => entry.type === "message");

/** Every new message is shown to `react`; ends when none has come for a while. Answers all of them. */
async function untilSilence(
  sandbox: FleetSandbox,
  react: (message: RemoteEntry) => Promise<unknown> = () => Promise.resolve(),
): Promise<RemoteEntry[]> {
  const startedMs = performance.now();
  let lastNewsMs = startedMs;
  const shown = new Set<string>();
  while (performance.now() - lastNewsMs < QUIET_MS) {
    if (performance.now() - startedMs > SILENT_WITHIN_MS) throw new Error("there is no silence");
    const news = messagesOf(sandbox).filter((message) => !shown.has(message.id));
    for (const message of news) shown.add(message.id);
    await inParallel(news, 4, react);
    if (news.length > 0) lastNewsMs = performance.now();
    else await Bun.sleep(LOOK_EVERY_MS);
  }
  return messagesOf(sandbox);
}

/** Runs `body` in a fleet of `daemons` that run and of `others`, and has the whole fleet judged afterwards. */
async function inFleet(
  fleet: {
    readonly daemons: readonly string[];
    readonly others?: readonly string[];
    readonly settings?: string;
  },
  body: (sandbox: FleetSandbox) => Promise<void>,
): Promise<void> {
  const sandbox = new FleetSandbox(fleet.settings);
  try {
    await inParallel([...fleet.daemons, ...(fleet.others ?? [])], 4, (server) => sandbox.init(server));
    const monitors = await inParallel(fleet.daemons, 4, (server) => sandbox.monitor(server, INTERVAL));
    await body(sandbox);
    await inParallel(monitors, 4, (monitor: Monitor) => monitor.stop());
    expect(describe(judge(sandbox.sends, await gather(sandbox)))).toBe("");
  } finally {
    await sandbox.close();
  }
}

/** How often `server` asks `to` how it is, by hand or by a script that never says that it is one. */
const askFrom = (sandbox: FleetSandbox, server: string, to: string, more: string[] = []) =>
  sandbox.send(server, { to, body: `${sandbox.nextBody(server)}, and how are you?`, more });

const answersOf = (messages: readonly RemoteEntry[], server: string): number =>
  messages.filter((message) => message.from === server && message.auto).length;

test("two broadcasts that ask 21 daemons for their status are answered once by each, and then there is silence", async () => {
  const servers = Array.from({ length: 22 }, (_, number) => `server-${number}`);
  await inFleet({ daemons: servers }, async (sandbox) => {
    const quiet = await sandbox.send("server-0", { to: "all", body: "status? but nobody need say it" });
    expect(quiet.exitCode).toBe(0);
    expect(await untilSilence(sandbox)).toHaveLength(1);
    const startedMs = performance.now();
    const ask = (server: string) =>
      sandbox.send(server, { to: "all", body: `${server} wants a status report`, more: ["--require-ack"] });
    await Promise.all([ask("server-0"), ask("server-1")]);
    const messages = await untilSilence(sandbox);
    const bound = 1 + 2 + 2 * 21;
    figures.add(
      "2 broadcasts to 21 daemons each",
      `${messages.length} messages, bound ${bound}, silence after ${seconds(performance.now() - startedMs - QUIET_MS)}`,
    );
    expect(messages.length).toBe(bound);
    expect(answersOf(messages, "server-0")).toBe(1);
    expect(answersOf(messages, "server-2")).toBe(2);
  });
}, 120_000);

test("a peer that answers every answer with two questions, one in a new thread, is left alone after ten answers", async () => {
  await inFleet({ daemons: ["honest"], others: ["liar"] }, async (sandbox) => {
    await askFrom(sandbox, "liar", "honest");
    const messages = await untilSilence(sandbox, async (message) => {
      if (message.from !== "honest") return;
      await askFrom(sandbox, "liar", "honest", [
        "--reply-to",
        message.id,
        "--thread",
        message.inReplyTo ?? "",
      ]);
      await askFrom(sandbox, "liar", "honest");
    });
    const bound = 1 + PER_PEER * 3;
    figures.add("a peer that lies", `${messages.length} messages, bound ${bound}`);
    expect(answersOf(messages, "honest")).toBe(PER_PEER);
    expect(messages.length).toBe(bound);
  });
}, 120_000);

test("many peers that lie get no more answers than the budget of the host", async () => {
  const liars = ["liar-0", "liar-1", "liar-2"];
  const perHost = 16;
  const settings = `auto_reply: { per_host: ${perHost} }\n`;
  await inFleet({ daemons: ["honest"], others: liars, settings }, async (sandbox) => {
    await Promise.all(liars.map((liar) => askFrom(sandbox, liar, "honest")));
    const messages = await untilSilence(sandbox, async (message) => {
      if (message.from === "honest") await askFrom(sandbox, message.to[0] ?? "", "honest");
    });
    figures.add(
      `${liars.length} peers that lie`,
      `${messages.length} messages, bound ${liars.length + perHost * 2}`,
    );
    expect(answersOf(messages, "honest")).toBe(perHost);
    expect(messages.length).toBe(liars.length + perHost * 2);
  });
}, 120_000);

test("two daemons whose owners' scripts answer every answer with a question fall silent", async () => {
  await inFleet({ daemons: ["left", "right"] }, async (sandbox) => {
    await Promise.all([askFrom(sandbox, "left", "right"), askFrom(sandbox, "right", "left")]);
    const messages = await untilSilence(sandbox, async (message) => {
      if (message.auto) await askFrom(sandbox, message.to[0] ?? "", message.from);
    });
    const bound = 2 * (1 + PER_PEER * 2);
    figures.add("two daemons with scripts that ask", `${messages.length} messages, bound ${bound}`);
    expect([answersOf(messages, "left"), answersOf(messages, "right")]).toEqual([PER_PEER, PER_PEER]);
    expect(messages.length).toBe(bound);
  });
}, 120_000);
