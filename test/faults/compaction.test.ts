// A log that is shortened on a real remote: beside a sender, with readers everywhere, on a host
// that refuses it; and servers that are forgotten, deleted and come back.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { EAGER_SETTINGS, isShortened, judgeCompactions } from "../helpers/compaction-kills.ts";
import { KillRun } from "../helpers/kill-run.ts";
import { type Answer, TempFleet } from "../helpers/temp-fleet.ts";
import { eventually } from "../helpers/temp-git.ts";

const WITHIN_MS = 120_000;
const SEED = Number(process.env["FLEETD_KILL_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

/** Bodies that were told to be safe and are not there. */
const lost = (bodies: readonly string[], { sandbox }: KillRun): string[] =>
  sandbox.sends.filter((one) => one.told !== "nothing" && !bodies.includes(one.body)).map((one) => one.body);

async function bodiesOf({ sandbox }: KillRun, server: string): Promise<string[]> {
  const listed = await sandbox.run(server, ["inbox", "--json", "--limit", "1000"]);
  return (JSON.parse(listed.stdout) as { messages: { body: string }[] }).messages.map((one) => one.body);
}

describe.skipIf(process.platform !== "linux")("a log that is shortened", () => {
  test(
    "goes on beside a sender",
    async () => {
      const run = new KillRun(SEED);
      const { sandbox } = run;
      try {
        const settings = EAGER_SETTINGS.replace("keep:", "every: 300ms, keep:");
        writeFileSync(`${sandbox.folder}/fleetd.yaml`, settings);
        for (const server of ["a", "b"]) await sandbox.init(server);
        const monitors = [await sandbox.monitor("a"), await sandbox.monitor("b")];
        for (let count = 0; count < 12; count += 1) {
          const sent = await sandbox.send("a", { to: "b", more: ["--wait", "queued"] });
          run.expectExit("a send beside it", sent, [0, 75]);
        }
        expect(await isShortened(run, "a")).toBe(true);
        for (const monitor of monitors) await monitor.stop();
        expect(await judgeCompactions(run)).toEqual([]);
        expect(run.counts.faults).toEqual([]);
      } finally {
        await sandbox.close();
      }
    },
    WITHIN_MS,
  );
});

test.skipIf(process.platform !== "linux")(
  "a stranger who prunes the store of a sender again and again makes nothing get lost",
  async () => {
    const run = new KillRun(SEED);
    const { sandbox } = run;
    let isOver = false;
    const prune = async (): Promise<void> => {
      while (!isOver) {
        await Bun.spawn(["git", "-C", sandbox.filesOf("a").store, "gc", "--quiet", "--prune=now"], {
          env: sandbox.temp.environment,
          stdio: ["ignore", "ignore", "ignore"],
        }).exited;
      }
    };
    try {
      for (const server of ["a", "b"]) await sandbox.init(server);
      const pruning = prune();
      for (let count = 0; count < 6; count += 1) {
        run.expectExit("a send beside gc", await sandbox.send("a", { to: "b" }), [0, 75]);
      }
      isOver = true;
      await pruning;
      run.expectExit("the last send", await sandbox.send("a", { to: "b" }), [0]);
      // What a push failed for rests a while, so the order is not judged here.
      for (let tries = 0; tries < 50 && lost(await bodiesOf(run, "b"), run).length > 0; tries += 1) {
        await Bun.sleep(200);
        await sandbox.run("a", ["queue", "retry", "--all"]);
      }
      const bodies = await bodiesOf(run, "b");
      expect(lost(bodies, run)).toEqual([]);
      expect(new Set(bodies).size).toBe(bodies.length);
      expect(run.counts.faults).toEqual([]);
    } finally {
      isOver = true;
      await sandbox.close();
    }
  },
  WITHIN_MS,
);

let fleet: TempFleet;
let eager = "";
beforeEach(() => {
  fleet = new TempFleet();
  eager = `${fleet.git.folder}/eager.yaml`;
  writeFileSync(eager, EAGER_SETTINGS);
});
afterEach(async () => await fleet.remove(), WITHIN_MS);

const send = async (server: string, to: string, count: number): Promise<void> => {
  for (let sent = 0; sent < count; sent += 1)
    await fleet.text(["send", `${server} ${sent}`, "subject", "--to", to], { as: server });
};

/** Takes in what is there and says so on the card, but of a server that it has forgotten. */
async function handle(server: string, forgotten = ""): Promise<void> {
  const monitor = await fleet.monitor(server, [], { env: { FLEETD_CONFIG: eager } });
  const remote = `${fleet.root}/remote.git`;
  const show = (name: string): string => fleet.git.git(remote, "show", `refs/fleet/${name}`);
  const seqOf = (line: string): number => (JSON.parse(line) as { seq: number }).seq;
  const heads = fleet.git
    .git(remote, "for-each-ref", "--format=%(refname:lstrip=3)", "refs/fleet/log/")
    .split("\n")
    .filter((writer) => writer !== server && writer !== forgotten)
    .map((writer) => ({ writer, seq: seqOf(show(`log/${writer}:entries.jsonl`).split("\n").at(-1) ?? "") }));
  const hasSaid = (): boolean => {
    const { cursors } = JSON.parse(show(`state/${server}:card.json`)) as {
      cursors: Record<string, { seq: number }>;
    };
    return heads.every(({ writer, seq }) => cursors[writer]?.seq === seq);
  };
  const isDone = await eventually(hasSaid, 60_000);
  await monitor.stop();
  expect(isDone).toBe(true);
}

/** As a host does that lets no log be replaced. */
function refuseReplacedLogs(remote: string): void {
  mkdirSync(`${remote}/hooks`, { recursive: true });
  const hook = `#!/bin/sh
case "$1" in */log/*) git merge-base --is-ancestor "$2" "$3" || { echo "logs are for ever"; exit 1; } ;; esac
`;
  writeFileSync(`${remote}/hooks/update`, hook, { mode: 0o755 });
}

const compact = (server: string, config = eager, code = 0): Promise<Answer> =>
  fleet.json(["compact", "--config", config], { as: server }, code);

const messagesOf = async (server: string, ...words: string[]): Promise<string[]> => {
  const { messages } = (await fleet.json([...words, "--limit", "1000"], { as: server })) as {
    messages: { id: string }[];
  };
  return messages.map((one) => one.id);
};

async function findings(server: string): Promise<Record<string, string>> {
  const ran = await fleet.run(["doctor", "--json"], { as: server });
  const answer = JSON.parse(ran.stdout) as { findings: { id: string; verdict: string; evidence: string }[] };
  return Object.fromEntries(
    answer.findings.filter((one) => one.verdict !== "ok").map((one) => [one.id, one.evidence]),
  );
}

describe("readers of a log that was shortened", () => {
  test(
    "have the same as before, made anew and after the second time",
    async () => {
      await fleet.init(["a", "b"]);
      const seen = async () => [await messagesOf("b", "inbox"), await messagesOf("a", "sent")];
      for (let round = 1; round <= 2; round += 1) {
        await send("a", "b", 4);
        await handle("b");
        expect(await compact("a")).toMatchObject({ status: "done" });
        const before = await seen();
        expect(before.map((ids) => ids.length)).toEqual([4 * round, 4 * round]);
        for (const server of ["a", "b"]) await fleet.text(["rebuild-index"], { as: server });
        expect(await seen()).toEqual(before);
      }
      expect(await findings("b")).not.toHaveProperty("alarm-rewritten");
      expect(await compact("a")).toMatchObject({ status: "nothing", dry_run: false });
      const dry = await fleet.json(["compact", "--dry-run", "--config", eager], { as: "a" });
      expect(dry).toMatchObject({ status: "nothing", entries: 0, dry_run: true });
    },
    WITHIN_MS,
  );

  test(
    "who were away for longer than anybody waited are told how much they missed, and go on",
    async () => {
      await fleet.init(["a", "b", "c"]);
      await handle("c");
      await send("a", "all", 4);
      await handle("b");
      const kept = await compact("a");
      expect(kept["held_by"]).toContain("c has read up to entry");
      const config = `${fleet.git.folder}/impatient.yaml`;
      writeFileSync(config, `${EAGER_SETTINGS.replace("keep:", "live: 1ms, keep:")}`);
      expect(await compact("a", config)).toMatchObject({ status: "done" });
      await send("a", "all", 1);
      expect((await messagesOf("c", "inbox")).length).toBe(2);
      expect((await findings("c"))["alarm-gap"]).toContain("a: 3 of its entries were removed");
      expect((await messagesOf("b", "inbox")).length).toBe(5);
    },
    WITHIN_MS,
  );

  test(
    "keep what they know when an old state of it is put back, and the owner puts it right",
    async () => {
      await fleet.init(["a", "b"]);
      await send("a", "b", 4);
      const remote = `${fleet.root}/remote.git`;
      const old = fleet.git.git(remote, "rev-parse", "refs/fleet/log/a");
      await handle("b");
      await compact("a");
      await messagesOf("b", "inbox");
      fleet.git.git(remote, "update-ref", "refs/fleet/log/a", old);
      expect((await messagesOf("b", "inbox")).length).toBe(4);
      await send("a", "b", 1);
      expect((await messagesOf("b", "inbox")).length).toBe(5);
      expect(fleet.git.git(remote, "rev-list", "--count", "--first-parent", "refs/fleet/log/a")).toBe("3");
      expect(await findings("b")).not.toHaveProperty("alarm-rewritten");
    },
    WITHIN_MS,
  );
});

test(
  "a host that refuses it is asked once, and told of by doctor",
  async () => {
    await fleet.init(["a", "b"]);
    const remote = `${fleet.root}/remote.git`;
    await send("a", "b", 4);
    await handle("b");
    refuseReplacedLogs(remote);
    expect(await compact("a", eager, 1)).toMatchObject({ status: "refused" });
    expect((await findings("a"))["compaction"]).toContain("refuses");
    await send("a", "b", 1);
    expect((await messagesOf("b", "inbox")).length).toBe(5);
    // The monitor does not try again by itself.
    const config = `${fleet.git.folder}/often.yaml`;
    writeFileSync(config, EAGER_SETTINGS.replace("keep:", "every: 100ms, keep:"));
    const monitor = await fleet.monitor("a", [], { env: { FLEETD_CONFIG: config } });
    const told = (): number => monitor.stdout().split("refuses shortened logs").length - 1;
    expect(await eventually(() => told() > 0, 30_000)).toBe(true);
    await monitor.stop();
    expect(told()).toBe(1);
    rmSync(`${remote}/hooks/update`);
    expect(await compact("a")).toMatchObject({ status: "done" });
    expect(await findings("a")).not.toHaveProperty("compaction");
  },
  WITHIN_MS,
);

describe("a server that is forgotten", () => {
  test(
    "is shown as one that speaks again, and is taken back by hand",
    async () => {
      await fleet.init(["a", "b", "c"]);
      await messagesOf("a", "inbox");
      await fleet.text(["servers", "forget", "b"], { as: "a" });
      await handle("a", "b");
      await handle("b");
      await messagesOf("c", "inbox");
      const own = (await fleet.json(["servers"], { as: "a" })) as { servers: Record<string, unknown>[] };
      expect(own.servers.find((one) => one["server"] === "b")).toMatchObject({
        forgotten: true,
        speaks_again: true,
      });
      expect(await fleet.text(["servers"], { as: "a" })).toContain("fleetd servers remember b");
      // Another server is told, and decides for itself.
      const other = (await fleet.json(["servers"], { as: "c" })) as { servers: Record<string, unknown>[] };
      expect(other.servers.find((one) => one["server"] === "b")).toMatchObject({
        forgotten: false,
        forgotten_by: ["a"],
      });
      expect(await fleet.text(["servers"], { as: "b" })).toContain("b (this server) was forgotten by a");
      await fleet.text(["servers", "remember", "b"], { as: "a" });
      expect(await fleet.text(["servers"], { as: "a" })).not.toContain("forgotten");
    },
    WITHIN_MS,
  );

  test(
    "and deleted is gone from the remote, and nothing of it is taken when it comes back",
    async () => {
      await fleet.init(["a", "b"]);
      await send("b", "a", 1);
      await messagesOf("a", "inbox");
      const refs = (): string[] =>
        fleet.git.git(`${fleet.root}/remote.git`, "for-each-ref", "--format=%(refname)").split("\n");
      const dry = await fleet.json(["servers", "forget", "b", "--purge", "--dry-run"], { as: "a" });
      expect(dry).toMatchObject({
        purged: false,
        dry_run: true,
        refs: ["refs/fleet/log/b", "refs/fleet/state/b"],
      });
      expect((await fleet.run(["servers", "forget", "b", "--purge"], { as: "a" })).code).toBe(64);
      expect(refs()).toContain("refs/fleet/log/b");
      const purged = await fleet.json(["servers", "forget", "b", "--purge", "--yes"], { as: "a" });
      expect(purged).toMatchObject({ purged: true, refused: {}, dry_run: false });
      expect(refs().filter((ref) => ref.endsWith("/b"))).toEqual([]);
      expect((await messagesOf("a", "inbox")).length).toBe(1);
      await send("b", "a", 1);
      for (let look = 0; look < 2; look += 1) expect((await messagesOf("a", "inbox")).length).toBe(1);
      expect((await findings("a"))["alarm-returned"]).toContain("b: it is on the remote again");
      const doctor = (await fleet.run(["doctor"], { as: "a" })).stdout.replaceAll(/\s+/g, " ");
      expect(doctor).toContain("fleetd trust add b takes it back; else fleetd servers forget b --purge");
      expect((await fleet.run(["servers", "remember", "b"], { as: "a" })).code).toBe(65);
    },
    WITHIN_MS,
  );
});
