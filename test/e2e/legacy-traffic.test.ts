// A day of the system that fleetd replaces, sent again: seven servers with running monitors and 125 messages. Then the
// remote alone has to prove what happened, read with plain git and ssh-keygen.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { until, WireFleet } from "../helpers/wire-fleet.ts";
import { readVerifiedLog, type WireEntry } from "../helpers/wire-reader.ts";

interface LegacyMessage {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly subject: string;
  readonly body: string;
  readonly type?: string;
  readonly priority?: string;
  readonly ack_required?: boolean;
}

const TIMEOUT_MS = 120_000;
/** Defaults of the loop guard: automatic answers in an hour, per peer and per host. */
const PER_PEER = 10;
const PER_HOST = 50;

const fleet = new WireFleet();
const file = Bun.file(join(import.meta.dir, "../data/legacy/messages.json"));
const { messages } = (await file.json()) as { messages: readonly LegacyMessage[] };
const servers = [...new Set(messages.map((message) => message.from))].sort();
const logs = new Map<string, WireEntry[]>();
const startedMs = performance.now();

beforeAll(async () => {
  for (const server of servers) await fleet.json(server, "init");
  await Promise.all(servers.map((server) => fleet.startMonitor(server, "--interval", "1")));
  console.log(`sending after ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
  await Promise.all(servers.map((server) => sendAllOf(server)));
  console.log(`sent after ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
  await until(isSettled, "all queues are empty and every cursor is at its head", 60_000);
  for (const server of servers) logs.set(server, readVerifiedLog(fleet, server, fleet.publicKey(server)));
}, TIMEOUT_MS);

afterAll(async () => await fleet.remove(), TIMEOUT_MS);

async function sendAllOf(server: string): Promise<void> {
  for (const message of messages.filter((one) => one.from === server)) {
    const { id, to, subject, body, type, priority, ack_required } = message;
    const kind = type === "heartbeat" ? ["--label", "legacy-kind=heartbeat"] : ["--kind", type ?? "info"];
    const words = [
      "--to",
      to,
      ...kind,
      "--priority",
      priority ?? "normal",
      "--idempotency-key",
      id,
      "--wait",
      "queued",
    ];
    const ack = ack_required === true ? ["--require-ack"] : [];
    await fleet.json(server, "send", ...words, ...ack, "--", body, subject);
  }
}

interface Status {
  readonly problems: readonly { readonly text: string }[];
  readonly queue: { readonly count: number };
  readonly monitor: { readonly last_fetch_at: string | null } | null;
}

const statusOf = async (server: string): Promise<Status> =>
  (await fleet.json(server, "status")) as unknown as Status;

const logHeads = (): string => [...fleet.refs()].filter(([name]) => name.includes("/log/")).join("\n");

interface Card {
  readonly server: string;
  readonly cursors: Readonly<Record<string, { readonly seq: number }>>;
}

interface Line {
  readonly seq: number;
  readonly to?: readonly string[];
  readonly ack_required?: boolean;
}

/** The lines of a log as they are, with one git process. */
function readLines(writer: string): Line[] {
  const commits = fleet.gitText("rev-list", `refs/fleet/log/${writer}`).split("\n");
  const names = commits.map((commit) => `${commit}:entries.jsonl\n`).join("");
  const lines = new TextDecoder().decode(fleet.git(["cat-file", "--batch"], names)).split("\n");
  return lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Line);
}

/** The last entry that its reader has to tell of at once: to it alone, or asking for an ack. */
const lastAwaited = (lines: readonly Line[], reader: string): number =>
  Math.max(
    0,
    ...lines
      .filter((line) => line.to?.includes(reader) || (line.to?.includes("all") && line.ack_required === true))
      .map((line) => line.seq),
  );

/** Nothing waits anywhere, and the cards on the remote say that everybody read what was meant for it. */
async function isSettled(): Promise<boolean> {
  const all = await Promise.all(servers.map(statusOf));
  if (all.some((status) => status.queue.count > 0)) return false;
  const cards = servers.map((server) => {
    const json = fleet.gitText("cat-file", "blob", `refs/fleet/state/${server}:card.json`);
    return JSON.parse(json) as Card;
  });
  const lines = new Map(servers.map((server) => [server, readLines(server)]));
  return cards.every(({ server: reader, cursors }) =>
    servers.every(
      (writer) =>
        writer === reader || (cursors[writer]?.seq ?? 0) >= lastAwaited(lines.get(writer) ?? [], reader),
    ),
  );
}

const messagesOf = (server: string): WireEntry[] =>
  (logs.get(server) ?? []).filter((entry) => entry.type === "message");
const isAutomatic = (entry: WireEntry): boolean => entry["auto"] === true;

/** What the default rule answers: a direct message, or a broadcast that asks for an ack, that asks something. */
function asksForAnswer(message: LegacyMessage): boolean {
  if (message.to === "all" && message.ack_required !== true) return false;
  if (message.type === "request") return true;
  return [message.subject.trim(), message.body.trim()].some(
    (text) => text.endsWith("?") || /\b(?:status|ping|health|report)\b/i.test(text),
  );
}

/** Answers at most from one server to another, by the messages it was asked and its budget for that peer. */
function answersAtMost(from: string, to: string): number {
  const asked = messages.filter(
    (message) => message.from === to && [from, "all"].includes(message.to) && asksForAnswer(message),
  );
  return Math.min(PER_PEER, asked.length);
}

describe("a day of legacy traffic between seven servers", () => {
  test("the remote holds every message exactly once, with what it said", () => {
    const seen = servers.flatMap(messagesOf).filter((entry) => !isAutomatic(entry));
    const shown = seen.map((entry) => ({
      id: entry["idempotency_key"],
      from: entry.from,
      to: entry["to"],
      subject: entry["subject"],
      body: entry["body"],
      kind: entry["kind"] ?? "info",
      priority: entry["priority"] ?? "normal",
      ack: entry["ack_required"] ?? false,
      labels: entry["labels"] ?? {},
    }));
    const sent = messages.map((message) => ({
      id: message.id,
      from: message.from,
      to: [message.to],
      subject: message.subject,
      body: message.body,
      kind: message.type === "heartbeat" ? "info" : (message.type ?? "info"),
      priority: message.priority ?? "normal",
      ack: message.ack_required ?? false,
      labels: message.type === "heartbeat" ? { "legacy-kind": "heartbeat" } : {},
    }));
    const byId = (left: { id: unknown }, right: { id: unknown }): number =>
      String(left.id) < String(right.id) ? -1 : 1;
    expect(seen.length).toBe(125);
    expect(shown.sort(byId)).toEqual(sent.sort(byId));
  });

  test("every log keeps the order of its sender", () => {
    const sent = servers.map((server) =>
      messages.filter((message) => message.from === server).map((message) => message.id),
    );
    const kept = servers.map((server) =>
      messagesOf(server).flatMap((entry) => (isAutomatic(entry) ? [] : [entry["idempotency_key"]])),
    );
    expect(kept).toEqual(sent);
  });

  test("every server signs with a key of its own", () => {
    const keys = new Set(servers.map((server) => logs.get(server)?.[0]?.public_key));
    expect(keys.size).toBe(servers.length);
  });

  test("automatic answers stay within what the budgets and the questions allow", () => {
    const answers = servers.flatMap(messagesOf).filter(isAutomatic);
    const allowed = servers.reduce((total, from) => {
      const toAll = servers.map((to) => (to === from ? 0 : answersAtMost(from, to)));
      return (
        total +
        Math.min(
          PER_HOST,
          toAll.reduce((sum, count) => sum + count, 0),
        )
      );
    }, 0);
    const bound = servers.length * Math.min(PER_HOST, (servers.length - 1) * PER_PEER);
    console.log(
      `automatic answers: ${answers.length}; asked for and within the budgets: ${allowed}; ` +
        `bound ${servers.length} hosts x ${PER_HOST} an hour = ${bound}`,
    );
    expect(allowed).toBeLessThanOrEqual(bound);
    expect(answers.length).toBe(allowed);
  });

  test("an automatic answer answers a message of a person, once, to its sender alone, and ends there", () => {
    const answers = servers.flatMap(messagesOf).filter(isAutomatic);
    const people = new Map(
      servers.flatMap(messagesOf).flatMap((entry) => (isAutomatic(entry) ? [] : [[entry.id, entry.from]])),
    );
    const wrong = answers.filter((answer) => {
      const asker = people.get(String(answer["in_reply_to"]));
      return asker === undefined || answer["hops"] !== 1 || String(answer["to"]) !== asker;
    });
    const pairs = new Set(answers.map((answer) => `${answer.from} ${String(answer["in_reply_to"])}`));
    expect([wrong, pairs.size]).toEqual([[], answers.length]);
  });

  test(
    "then all is silent: two more looks of every monitor add no commit to any log",
    async () => {
      const before = logHeads();
      for (let round = 1; round <= 2; round += 1) {
        const looked = await Promise.all(servers.map(lastLook));
        const isNewer = async (server: string, index: number): Promise<boolean> =>
          (await lastLook(server)) !== looked[index];
        for (const [index, server] of servers.entries())
          await until(() => isNewer(server, index), `${server} looks`);
      }
      const commits = before.split("\n").map((line) => line.split(",")[1] ?? "");
      const counts = commits.map((commit) => Number(fleet.gitText("rev-list", "--count", commit)));
      console.log(
        `commits on the logs: ${counts.reduce((sum, count) => sum + count, 0)}; ` +
          `${((performance.now() - startedMs) / 1000).toFixed(1)} s in all`,
      );
      expect(logHeads()).toBe(before);
    },
    TIMEOUT_MS,
  );

  test("nothing was quarantined and nobody is in trouble", async () => {
    const all = await Promise.all(servers.map(statusOf));
    expect(all.flatMap((status) => status.problems)).toEqual([]);
  });
});

const lastLook = async (server: string): Promise<string | null> =>
  (await statusOf(server)).monitor?.last_fetch_at ?? null;
