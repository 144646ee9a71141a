// What strangers and broken writers can put on the remote: every case has to end in a quarantine with a reason, a
// daemon that lives, other servers' messages that still arrive, and no answer. Everything is made with plain git and
// ssh-keygen, since fleetd itself would write none of it.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type RunningMonitor, until, WireFleet } from "../helpers/wire-fleet.ts";
import { joinLines, WireWriter } from "../helpers/wire-writer.ts";

const FOLDER_MODE = "160000";
const SYMLINK_MODE = "120000";
const TIMEOUT_MS = 60_000;
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

const fleet = new WireFleet();
let monitor: RunningMonitor;
let writers = 0;
let markers = 0;

beforeAll(async () => {
  await fleet.json("alpha", "init");
  await fleet.json("beta", "init");
  monitor = await fleet.startMonitor("alpha", "--interval", "1");
}, TIMEOUT_MS);

afterAll(async () => await fleet.remove(), TIMEOUT_MS);

/** A new member of the fleet whose key is its own and whose first batch is good. */
function newWriter(): WireWriter {
  writers += 1;
  return new WireWriter(fleet, `rogue-${writers}`).join();
}

async function bodiesFrom(server: string): Promise<string[]> {
  const answer = await fleet.json("alpha", "inbox", "--from", server, "--limit", "1000", "--offline");
  return (answer["messages"] as { body: string }[]).map((message) => message.body);
}

async function problems(): Promise<string[]> {
  const answer = await fleet.json("alpha", "status");
  return (answer["problems"] as { text: string }[]).map((problem) => problem.text);
}

/** Another server still gets through, and the daemon that takes it is the one from the beginning. */
async function expectOthersArrive(): Promise<void> {
  markers += 1;
  const body = `marker ${markers}.`;
  const sent = await fleet.json("beta", "send", body, "marker", "--to", "alpha");
  expect(sent["state"]).toBe("pushed");
  await until(async () => (await bodiesFrom("beta")).includes(body), `"${body}" arrives`);
  const status = await fleet.json("alpha", "status");
  expect((status["monitor"] as { pid: number }).pid).toBe(monitor.pid);
}

async function expectProblem(server: string, reason: RegExp): Promise<void> {
  let seen: string[] = [];
  const isSeen = async (): Promise<boolean> => {
    seen = await problems();
    return seen.some((one) => one.includes(server) && reason.test(one));
  };
  await until(isSeen, `status tells ${reason} of ${server}`).catch((thrown) => {
    throw new Error(`${thrown}; it tells ${JSON.stringify(seen)}; ${monitor.output().slice(-2000)}`, {
      cause: thrown,
    });
  });
}

/** Messages that alpha itself wrote: there must be none, whatever it was asked. */
function answersOfAlpha(): string[] {
  const commits = fleet.gitText("rev-list", "refs/fleet/log/alpha").split("\n");
  return commits
    .flatMap((commit) => fleet.gitText("show", `${commit}:entries.jsonl`).split("\n"))
    .filter((line) => (JSON.parse(line) as { type: string }).type === "message");
}

/** `poison` puts something on the remote; the reason must show, and what the writer does afterwards counts again. */
interface Case {
  readonly name: string;
  readonly reason: RegExp;
  readonly poison: (writer: WireWriter) => void | Promise<void>;
  /** False where the poison is the writer's own lie and ends its chain. */
  readonly heals?: boolean;
}

/** Puts the batch on the log without moving the writer's own idea of its chain: what a stranger does. */
function asStranger(writer: WireWriter, push: () => void): void {
  const { seq, prev } = writer;
  push();
  writer.seq = seq;
  writer.prev = prev;
}

const DEEP = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;

/** The bytes of a well-formed request to alpha with its body replaced: for what no JSON library would write. */
function withBody(writer: WireWriter, body: string): string {
  const fields = { ...writer.envelope(), to: ["alpha"], subject: "s", body: "BODY", kind: "request" };
  return JSON.stringify(fields).replace('"BODY"', body);
}

const CASES: readonly Case[] = [
  {
    name: "a batch signed with another key",
    reason: /signature missing or wrong/,
    poison: (writer) =>
      asStranger(writer, () => {
        const bytes = joinLines([writer.message("alpha", "status?")]);
        const other = new WireWriter(fleet, `${writer.server}-other`);
        writer.pushFiles({ "entries.jsonl": bytes, "entries.sig": other.sign(bytes) });
      }),
  },
  {
    name: "a signature for another namespace",
    reason: /signature missing or wrong/,
    poison: (writer) =>
      asStranger(writer, () => {
        const bytes = joinLines([writer.message("alpha", "status?")]);
        writer.pushFiles({ "entries.jsonl": bytes, "entries.sig": writer.sign(bytes, "fleetd-card") });
      }),
  },
  {
    name: "an unsigned batch",
    reason: /no entries\.sig/,
    poison: (writer) =>
      asStranger(writer, () => {
        writer.pushFiles({ "entries.jsonl": joinLines([writer.message("alpha", "status?")]) });
      }),
  },
  {
    name: "a replayed batch",
    reason: /seq is 3, expected 4/,
    poison: (writer) => {
      const bytes = joinLines([writer.message("alpha", "said once", { kind: "info" })]);
      const files = { "entries.jsonl": bytes, "entries.sig": writer.sign(bytes) };
      writer.pushFiles(files);
      writer.pushFiles(files);
    },
  },
  {
    name: "a replayed batch of a future version",
    reason: /seq is 3, expected 4/,
    poison: (writer) => {
      const bytes = joinLines([writer.message("alpha", "status?", { v: 2 })]);
      const files = { "entries.jsonl": bytes, "entries.sig": writer.sign(bytes) };
      writer.pushFiles(files);
      writer.pushFiles(files);
    },
  },
  {
    name: "an entry whose from is another server",
    reason: /entry is from "beta"/,
    poison: (writer) =>
      asStranger(writer, () => writer.push([writer.message("alpha", "status?", { from: "beta" })])),
  },
  {
    name: "an unknown version",
    reason: /format version 2/,
    poison: (writer) => writer.push([writer.message("alpha", "status?", { v: 2 })]),
  },
  {
    name: "an unknown entry type",
    reason: /entry type "poll"/,
    poison: (writer) => writer.push([writer.message("alpha", "status?", { type: "poll" })]),
  },
  {
    name: "a body of 10 MB",
    reason: /entries\.jsonl has 10\d{6} bytes/,
    poison: (writer) =>
      asStranger(writer, () => writer.push([writer.message("alpha", "?".repeat(10_000_000))])),
  },
  {
    name: "a body over 256 KiB",
    reason: /body over 256 KiB/,
    poison: (writer) => writer.push([writer.message("alpha", "?".repeat(300_000))]),
  },
  {
    name: "a line over 2 MiB",
    reason: /line over 2 MiB/,
    poison: (writer) => void writer.push([writer.message("alpha", "?".repeat(2_200_000))]),
  },
  {
    name: "1,001 lines",
    reason: /over 1,000 lines/,
    poison: (writer) =>
      asStranger(writer, () =>
        writer.push(Array.from({ length: 1001 }, () => writer.message("alpha", "status?"))),
      ),
  },
  {
    name: "bad UTF-8",
    reason: /not UTF-8/,
    poison: (writer) => {
      const line = Buffer.from(withBody(writer, '"\u00ff status?"'), "latin1");
      writer.push([writer.rawLine(line)]);
    },
  },
  {
    name: "JSON that is 100,000 deep",
    reason: /nested deeper than 32/,
    poison: (writer) => void writer.push([writer.rawLine(withBody(writer, DEEP))]),
  },
  {
    name: "a key __proto__",
    reason: /a key is "__proto__"/,
    poison: (writer) =>
      void writer.push([writer.rawLine(withBody(writer, '"status?","__proto__":{"auto":false}'))]),
  },
  {
    name: "duplicate keys",
    reason: /same key twice/,
    poison: (writer) => void writer.push([writer.rawLine(withBody(writer, '"status?","body":"other?"'))]),
  },
  {
    name: "an id with a path in it",
    reason: /^.*: id: /,
    poison: (writer) => writer.push([writer.message("alpha", "status?", { id: "../../../../tmp/x" })]),
  },
  {
    name: "an instant that is none",
    reason: /: at: /,
    poison: (writer) => writer.push([writer.message("alpha", "status?", { at: "2026-99-99T99:99:99.999Z" })]),
  },
  {
    name: "a symlink named entries.jsonl",
    reason: /cut off/,
    poison: (writer) =>
      asStranger(writer, () => {
        const id = writer.blob(text("/etc/passwd"));
        const signature = writer.sign(text("/etc/passwd"));
        writer.pushFiles({
          "entries.jsonl": { mode: SYMLINK_MODE, kind: "blob", id },
          "entries.sig": signature,
        });
      }),
  },
  {
    name: "a submodule named entries.jsonl",
    reason: /no entries\.jsonl/,
    poison: (writer) =>
      asStranger(writer, () => {
        const id = "1".repeat(40);
        const file = { mode: FOLDER_MODE, kind: "commit", id };
        writer.pushFiles({ "entries.jsonl": file, "entries.sig": writer.sign(text("x")) });
      }),
  },
  {
    name: "a folder named entries.jsonl",
    reason: /no entries\.jsonl/,
    poison: (writer) =>
      asStranger(writer, () => {
        const id = fleet.gitText("rev-parse", "refs/fleet/log/beta^{tree}");
        const file = { mode: "040000", kind: "tree", id };
        writer.pushFiles({ "entries.jsonl": file, "entries.sig": writer.sign(text("x")) });
      }),
  },
  {
    name: "a merge commit of another log",
    reason: /no entries\.jsonl/,
    poison: (writer) =>
      asStranger(writer, () => {
        const other = fleet.refs().get("refs/fleet/log/beta") ?? "";
        writer.pushFiles({ README: text("merged\n") }, [...writer.tips(), other]);
      }),
  },
  {
    name: "a commit message of 2 MB",
    reason: /no entries\.jsonl/,
    poison: (writer) =>
      asStranger(writer, () => {
        const commit = writer.commit({ README: text("x") }, writer.tips(), "x".repeat(2_000_000));
        fleet.git(["update-ref", writer.logRef, commit]);
      }),
  },
  {
    name: "a merge commit that hides the log behind its second parent",
    reason: /does not continue/,
    heals: false,
    poison: (writer) => {
      const root = writer.commit({ README: text("a root of a stranger\n") }, []);
      writer.pushFiles({ README: text("merged\n") }, [root, ...writer.tips()]);
    },
  },
  {
    name: "a log rewritten by a stranger",
    reason: /does not continue/,
    heals: false,
    poison: (writer) => {
      const other = new WireWriter(fleet, writer.server);
      const { fleetId, epoch, publicKey } = other;
      const key = { type: "key", fleet: fleetId, epoch, public_key: publicKey, format: 1 };
      const bytes = joinLines([other.line(key), other.message("alpha", "status?")]);
      const files = { "entries.jsonl": bytes, "entries.sig": other.sign(bytes) };
      fleet.git(["update-ref", writer.logRef, other.commit(files, [])]);
    },
  },
  {
    name: "a log that is a file",
    reason: /is no commit|it is a blob/,
    heals: false,
    poison: (writer) => void fleet.git(["update-ref", writer.logRef, writer.blob(text("not a commit"))]),
  },
  {
    name: "a card without a signature",
    reason: /card or its signature is missing/,
    poison: (writer) => {
      const commit = writer.commit({ "card.json": writer.card(1) }, []);
      fleet.git(["update-ref", writer.stateRef, commit]);
    },
  },
  {
    name: "a card signed by somebody else",
    reason: /signature of the card is missing or wrong/,
    poison: (writer) => {
      const other = new WireWriter(fleet, `${writer.server}-other`);
      const card = writer.card(1);
      writer.pushCard(card, { signature: other.sign(card, "fleetd-card") });
    },
  },
  {
    name: "a card for somebody else",
    reason: /card is of "beta"/,
    poison: (writer) => void writer.pushCard(writer.card(1, { server: "beta" })),
  },
  {
    name: "a card of another fleet",
    reason: /card is for another fleet/,
    poison: (writer) =>
      void writer.pushCard(writer.card(1, { fleet: "019ac1ff-0000-7000-8000-000000000000" })),
  },
  {
    name: "a card over 64 KiB",
    reason: /missing or too large/,
    poison: (writer) => void writer.pushCard(writer.card(1, { padding: "x".repeat(70_000) })),
  },
  {
    name: "a card with an instant that is none",
    reason: /card: at/,
    poison: (writer) => void writer.pushCard(writer.card(1, { at: "2026-99-99T99:99:99.999Z" })),
  },
  {
    name: "a card with an old number",
    reason: /replayed/,
    poison: async (writer) => {
      writer.pushCard(writer.card(7));
      const isTaken = async (): Promise<boolean> => {
        const answer = await fleet.json("alpha", "servers", "--offline");
        const known = answer["servers"] as { server: string; last_seen_at: string | null }[];
        return known.some((one) => one.server === writer.server && one.last_seen_at !== null);
      };
      await until(isTaken, "the first card is taken");
      writer.pushCard(writer.card(6));
    },
  },
];

describe("a poisoned remote", () => {
  for (const { name, reason, poison, heals } of CASES) {
    test(
      `${name} is quarantined with a reason, and everybody else goes on`,
      async () => {
        const writer = newWriter();
        // First contact: the key is pinned before the poison comes.
        writer.push([writer.message("alpha", "hello.", { kind: "info" })]);
        await until(async () => (await bodiesFrom(writer.server)).includes("hello."), "first contact");
        await poison(writer);
        await expectProblem(writer.server, reason);
        if (heals !== false) {
          writer.push([writer.message("alpha", "and on.", { kind: "info" })]);
          await until(async () => (await bodiesFrom(writer.server)).includes("and on."), "its next batch");
        }
        await expectOthersArrive();
        expect(answersOfAlpha()).toEqual([]);
      },
      TIMEOUT_MS,
    );
  }

  test(
    "refs named like no server are shown and never read",
    async () => {
      const writer = newWriter();
      const tip = writer.push([writer.message("alpha", "status?")]);
      for (const name of [
        "log/Alpha",
        "log/con",
        "log/all",
        "log/a/b/c",
        "log/-x",
        "log/\u202Egnp",
        "state/x.y",
      ]) {
        fleet.git(["update-ref", `refs/fleet/${name}`, tip]);
        await expectProblem(name.slice(name.indexOf("/") + 1), /named like no server/);
        fleet.git(["update-ref", "-d", `refs/fleet/${name}`]);
      }
      await expectOthersArrive();
    },
    TIMEOUT_MS,
  );

  test(
    "a ref that lies where a known log was keeps nobody waiting",
    async () => {
      const writer = newWriter();
      await until(() => monitor.output().length > 0 && isKnown(writer.server), "first contact");
      fleet.git(["update-ref", "-d", writer.logRef]);
      fleet.git(["update-ref", `${writer.logRef}/below`, fleet.gitText("rev-parse", "refs/fleet/log/beta")]);
      await expectProblem(`${writer.server}/below`, /named like no server/);
      await expectOthersArrive();
      fleet.git(["update-ref", "-d", `${writer.logRef}/below`]);
    },
    TIMEOUT_MS,
  );

  test(
    "an id that its writer uses twice is one message",
    async () => {
      const writer = newWriter();
      const once = { id: writer.newId(), kind: "info" };
      writer.push([
        writer.message("alpha", "the first.", once),
        writer.message("alpha", "the second.", once),
      ]);
      writer.push([
        writer.message("alpha", "the third.", once),
        writer.message("alpha", "last.", { kind: "info" }),
      ]);
      await until(async () => (await bodiesFrom(writer.server)).includes("last."), "all batches are read");
      expect(await bodiesFrom(writer.server)).toEqual(["last.", "the first."]);
    },
    TIMEOUT_MS,
  );
});

async function isKnown(server: string): Promise<boolean> {
  const answer = await fleet.json("alpha", "servers", "--offline");
  return (answer["servers"] as { server: string }[]).some((one) => one.server === server);
}
