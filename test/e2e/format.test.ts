// docs/format.md is enough to write a reader: docs/examples/reader.py is one, in another language, with git and
// ssh-keygen alone. Here it reads what fleetd wrote, and has to see the same.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Ran, WireFleet } from "../helpers/wire-fleet.ts";
import { WireWriter } from "../helpers/wire-writer.ts";

const READER = join(import.meta.dir, "../../docs/examples/reader.py");
const TIMEOUT_MS = 60_000;
const MANY = 120;
const BODIES = [
  "plain",
  "Grüße aus Zürich — 東京, Привет, 👩‍👩‍👧 e\u0301",
  'quotes " and \\ and\nlines\n\twith tabs',
  "controls \u001B[31m \u202E \u2028 \u0007 end",
];

const hasPython = Bun.which("python3") !== null;
if (!hasPython) console.log("skipped: docs/examples/reader.py, since there is no python3 here");

const fleet = new WireFleet();

interface Message {
  readonly id: string;
  readonly from: string;
  readonly seq: number;
  readonly subject: string;
  readonly body: string;
}

async function readWith(remote: string): Promise<Ran> {
  const child = Bun.spawn(["python3", READER, remote], {
    env: fleet.environment,
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { exitCode, stdout, stderr };
}

const parse = (stdout: string): Message[] =>
  stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Message);

/** A copy of the remote as it is now, for somebody to tamper with. */
function copyOfRemote(name: string): string {
  const copy = join(fleet.folder, name);
  cpSync(fleet.remote, copy, { recursive: true });
  return copy;
}

function git(folder: string, ...words: readonly string[]): string {
  const ran = Bun.spawnSync(["git", "-C", folder, ...words], { env: fleet.environment });
  if (ran.exitCode !== 0) throw new Error(`git ${words.join(" ")}: ${ran.stderr.toString()}`);
  return ran.stdout.toString().trim();
}

describe.skipIf(!hasPython)("docs/examples/reader.py", () => {
  beforeAll(async () => {
    for (const server of ["alpha", "beta"]) await fleet.json(server, "init");
    for (const [index, body] of BODIES.entries())
      await fleet.json("alpha", "send", body, `subject ${index} ü`, "--to", "beta");
    const monitor = await fleet.startMonitor("beta");
    const words = (index: number): string[] => [
      "entry",
      `many ${index}`,
      "--to",
      "alpha",
      "--wait",
      "queued",
    ];
    await Promise.all(Array.from({ length: 8 }, (_, index) => fleet.json("beta", "send", ...words(index))));
    await monitor.stop();
    // One batch of many entries, written by hand: the format allows 1,000.
    const writer = new WireWriter(fleet, "gamma").join();
    const lines = Array.from({ length: MANY }, (_, index) => writer.message("alpha", `entry ${index}.`));
    writer.push(lines);
  }, TIMEOUT_MS);

  afterAll(async () => await fleet.remove(), TIMEOUT_MS);

  test(
    "reads every message as fleetd reads it",
    async () => {
      const ran = await readWith(fleet.remote);
      expect([ran.exitCode, ran.stderr]).toEqual([0, ""]);
      const shown = ["alpha", "beta"].map(async (server) => {
        const answer = await fleet.json(server, "inbox", "--limit", "1000");
        return answer["messages"] as Message[];
      });
      const byPlace = (left: Message, right: Message): number =>
        left.from === right.from ? left.seq - right.seq : left.from < right.from ? -1 : 1;
      const inboxes = (await Promise.all(shown)).flat().sort(byPlace);
      const facts = ({ id, from, seq, subject, body }: Message): Message => ({
        id,
        from,
        seq,
        subject,
        body,
      });
      expect(inboxes.length).toBe(BODIES.length + 8 + MANY);
      expect(parse(ran.stdout).sort(byPlace).map(facts)).toEqual(inboxes.map(facts));
    },
    TIMEOUT_MS,
  );

  test(
    "reads a conversation as fleetd thread shows it",
    async () => {
      const [first] = parse((await readWith(fleet.remote)).stdout);
      await fleet.json("beta", "reply", first?.id ?? "", "ja – gelesen ✓");
      const answer = await fleet.json("beta", "thread", first?.id ?? "");
      const shown = (answer["messages"] as Message[]).map((message) => [message.from, message.body]);
      const all = parse((await readWith(fleet.remote)).stdout) as (Message & { thread?: string })[];
      const read = all.filter((one) => one.id === first?.id || one.thread === first?.id);
      expect(read.map((message) => [message.from, message.body])).toEqual(shown);
    },
    TIMEOUT_MS,
  );

  test(
    "reads what is left of a log that was shortened, and what is added to it",
    async () => {
      const config = join(fleet.folder, "eager.yaml");
      writeFileSync(config, "compaction: { keep: 0s, entries: 0, live: 1ms }\n");
      await fleet.json("alpha", "send", "before", "--to", "beta");
      const compacted = await fleet.json("alpha", "compact", "--config", config);
      expect(compacted["status"]).toBe("done");
      await fleet.json("alpha", "send", "after", "--to", "beta");
      const ran = await readWith(fleet.remote);
      expect([ran.exitCode, ran.stderr]).toEqual([0, ""]);
      const kept = parse(ran.stdout).filter((message) => message.from === "alpha");
      expect(kept.map((message) => message.body)).toEqual(["before", "after"]);
    },
    TIMEOUT_MS,
  );

  test(
    "fails on a remote whose batch was changed",
    async () => {
      const copy = copyOfRemote("changed.git");
      const lines = git(copy, "show", "refs/fleet/log/alpha:entries.jsonl").replace("subject", "sabject");
      const blob = Bun.spawnSync(["git", "-C", copy, "hash-object", "-w", "--stdin"], {
        env: fleet.environment,
        stdin: new TextEncoder().encode(`${lines}\n`),
      });
      const signature = git(copy, "rev-parse", "refs/fleet/log/alpha:entries.sig");
      const rows = `100644 blob ${blob.stdout.toString().trim()}\tentries.jsonl\n100644 blob ${signature}\tentries.sig\n`;
      const tree = Bun.spawnSync(["git", "-C", copy, "mktree"], {
        env: fleet.environment,
        stdin: new TextEncoder().encode(rows),
      });
      const parent = git(copy, "rev-parse", "refs/fleet/log/alpha^");
      const commit = git(copy, "commit-tree", tree.stdout.toString().trim(), "-p", parent, "-m", "x");
      git(copy, "update-ref", "refs/fleet/log/alpha", commit);
      const ran = await readWith(copy);
      expect([ran.exitCode, ran.stderr]).toEqual([
        1,
        `alpha ${commit}: refused: signature missing or wrong\n`,
      ]);
    },
    TIMEOUT_MS,
  );

  test(
    "fails on a remote where a batch was taken out, and on one where a batch stands twice",
    async () => {
      const copy = copyOfRemote("cut.git");
      const [tip = "", , second = ""] = git(copy, "rev-list", "refs/fleet/log/alpha").split("\n");
      const message = ["-m", "x"];
      const cut = git(copy, "commit-tree", `${tip}^{tree}`, "-p", second, ...message);
      git(copy, "update-ref", "refs/fleet/log/alpha", cut);
      const missing = await readWith(copy);
      const twice = git(copy, "commit-tree", `${tip}^{tree}`, "-p", tip, ...message);
      git(copy, "update-ref", "refs/fleet/log/alpha", twice);
      const repeated = await readWith(copy);
      expect([missing.exitCode, missing.stderr, repeated.exitCode, repeated.stderr]).toEqual([
        1,
        `alpha ${cut}: refused: not the next entry\n`,
        1,
        `alpha ${twice}: refused: not the next entry\n`,
      ]);
    },
    TIMEOUT_MS,
  );

  test(
    "follows a key that is changed, and nobody who only says that it is",
    async () => {
      const rotated = await fleet.run("alpha", "trust", "rotate", "--yes");
      expect(rotated.exitCode).toBe(0);
      await fleet.json("alpha", "send", "by the new key", "--to", "beta");
      const bodies = async (): Promise<string[]> =>
        parse((await readWith(fleet.remote)).stdout).map(({ body }) => body);
      expect(await bodies()).toContain("by the new key");
      const writer = new WireWriter(fleet, "delta").join().rotate();
      writer.push([writer.message("beta", "by another new key")]);
      expect(await bodies()).toContain("by another new key");
      const ran = await readWith(fleet.remote);
      expect([ran.exitCode, ran.stderr]).toEqual([0, ""]);
      const before = fleet.refs().get(writer.logRef) ?? "";
      const forged = writer.push([writer.handover({ proof: "none" }).line]);
      expect(await readWith(fleet.remote)).toMatchObject({
        exitCode: 1,
        stderr: `delta ${forged}: refused: another key without its proof\n`,
      });
      fleet.git(["update-ref", writer.logRef, before]);
    },
    TIMEOUT_MS,
  );

  test(
    "reads what is left of a log that was shortened behind a change of its key, and goes on to the next change",
    async () => {
      const config = join(fleet.folder, "eager.yaml");
      writeFileSync(config, "compaction: { keep: 0s, entries: 0, live: 1ms }\n");
      await fleet.json("alpha", "send", "still here", "--to", "all");
      expect((await fleet.json("alpha", "compact", "--config", config))["status"]).toBe("done");
      const root = fleet.gitText("rev-list", "--max-parents=0", "refs/fleet/log/alpha");
      const { type, keys } = JSON.parse(fleet.gitText("show", `${root}:entries.jsonl`)) as {
        type: string;
        keys: { proof?: string }[];
      };
      expect([type, keys.at(-1)?.proof !== undefined]).toEqual(["compacted", true]);
      expect((await fleet.run("alpha", "trust", "rotate", "--yes")).exitCode).toBe(0);
      await fleet.json("alpha", "send", "by the newest key", "--to", "all");
      const ran = await readWith(fleet.remote);
      expect([ran.exitCode, ran.stderr]).toEqual([0, ""]);
      const kept = parse(ran.stdout).filter((message) => message.from === "alpha");
      expect(kept.map((message) => message.body).slice(-2)).toEqual(["still here", "by the newest key"]);
      await fleet.json("epsilon", "init");
      const { messages } = await fleet.json("epsilon", "inbox", "--from", "alpha", "--limit", "2");
      expect((messages as Message[]).map(({ body }) => body)).toEqual(["by the newest key", "still here"]);
    },
    TIMEOUT_MS,
  );
});
