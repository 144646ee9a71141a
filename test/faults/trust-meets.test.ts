// A changed key and a withdrawn trust beside everything else that befalls a log: it is deleted, shortened, read anew, its
// owner's state is salvaged or put back from before the change. On the compiled executable and a real remote.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { cpSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EAGER_SETTINGS } from "../helpers/compaction-kills.ts";
import { type Answer, type Ran, TempFleet } from "../helpers/temp-fleet.ts";
import { eventually } from "../helpers/temp-git.ts";
import { until } from "../helpers/wire-fleet.ts";

const TIMEOUT_MS = 180_000;
const WITHIN_MS = 60_000;

type Json = Record<string, unknown>;

let fleet: TempFleet;
let eager = "";
let impatient = "";
beforeEach(() => {
  fleet = new TempFleet();
  eager = join(fleet.git.folder, "eager.yaml");
  impatient = join(fleet.git.folder, "impatient.yaml");
  writeFileSync(eager, EAGER_SETTINGS);
  writeFileSync(impatient, EAGER_SETTINGS.replace("keep:", "live: 1ms, keep:"));
});
afterEach(async () => await fleet.remove(), TIMEOUT_MS);

const remote = (): string => join(fleet.root, "remote.git");
const linesOf = (commit: string): Json[] =>
  fleet.git
    .git(remote(), "show", `${commit}:entries.jsonl`)
    .split("\n")
    .map((line) => JSON.parse(line) as Json);
const logOf = (server: string): Json[] =>
  fleet.git
    .git(remote(), "rev-list", "--first-parent", "--reverse", `refs/fleet/log/${server}`)
    .split("\n")
    .flatMap(linesOf);

const send = async (server: string, to: string, body: string, ...more: string[]): Promise<Answer> =>
  await fleet.json(["send", body, body, "--to", to, ...more], { as: server });
const rotate = async (server: string): Promise<string> => {
  const rotated = await fleet.json(["trust", "rotate", "--yes"], { as: server });
  expect(rotated["pushed"]).toBe(true);
  return String(rotated["fingerprint"]);
};
const compact = (server: string, config: string): Promise<Answer> =>
  fleet.json(["compact", "--config", config], { as: server });

/** What was said, newest last; bodies are subjects as well, since `sent` shows those alone. */
async function bodiesOf(server: string, command: "inbox" | "sent" = "inbox"): Promise<string[]> {
  const { messages } = await fleet.json([command, "--limit", "1000"], { as: server });
  return (messages as { subject: string }[]).map(({ subject }) => subject).toReversed();
}

/** What the server has, and that an index made anew has the same. */
async function bodiesTwice(server: string, command: "inbox" | "sent" = "inbox"): Promise<string[]> {
  const before = await bodiesOf(server, command);
  await fleet.text(["rebuild-index"], { as: server });
  expect(await bodiesOf(server, command)).toEqual(before);
  return before;
}

async function findings(server: string): Promise<Record<string, string>> {
  const ran = await fleet.run(["doctor", "--json"], { as: server });
  const answer = JSON.parse(ran.stdout) as { findings: { id: string; verdict: string; evidence: string }[] };
  return Object.fromEntries(
    answer.findings.filter((one) => one.verdict !== "ok").map((one) => [one.id, one.evidence]),
  );
}

/** Lets the monitor of a server run until its card says that it handled the whole log of `writer`. */
async function handle(server: string, writer: string): Promise<void> {
  const monitor = await fleet.monitor(server, [], { env: { FLEETD_CONFIG: eager } });
  const end = logOf(writer).at(-1)?.["id"];
  const last = logOf(writer).at(-1) as { seq: number; type: string };
  const hasSaid = (): boolean => {
    const card = fleet.git.git(remote(), "show", `refs/fleet/state/${server}:card.json`);
    const { cursors } = JSON.parse(card) as { cursors: Record<string, { seq: number; epoch: string }> };
    const epoch = logOf(writer).findLast(({ type }) => type === "key")?.["epoch"];
    return cursors[writer]?.seq === last.seq && (epoch === undefined || cursors[writer]?.epoch === epoch);
  };
  const isDone = await eventually(hasSaid, WITHIN_MS);
  await monitor.stop();
  expect([end, isDone]).toEqual([end, true]);
}

test(
  "a server that was deleted and speaks again is an alarm, and after trust add only what comes then is handled",
  async () => {
    await fleet.init(["a", "b"]);
    await send("b", "a", "before");
    expect(await bodiesOf("a")).toEqual(["before"]);
    expect(await fleet.json(["servers", "forget", "b", "--purge", "--yes"], { as: "a" })).toMatchObject({
      purged: true,
    });
    const monitor = await fleet.monitor("a", [], { env: { FLEETD_CONFIG: eager } });
    await send("b", "a", "status? meanwhile", "--kind", "request");
    await until(async () => "alarm-returned" in (await findings("a")), "it is told", WITHIN_MS);
    expect(await bodiesOf("a")).toEqual(["before"]);
    const { servers } = await fleet.json(["servers"], { as: "a" });
    expect(servers as Json[]).toContainEqual(
      expect.objectContaining({ server: "b", purged: true, trust: "purged" }),
    );
    const refused: Ran = await fleet.run(["servers", "remember", "b"], { as: "a" });
    expect([refused.code, refused.stderr]).toEqual([77, expect.stringContaining("fleetd trust add b")]);

    await fleet.text(["trust", "add", "b"], { as: "a" });
    expect(await bodiesOf("a")).toEqual(["before", "status? meanwhile"]);
    const later = await send("b", "a", "status? later", "--kind", "request");
    const answers = (): Json[] => logOf("a").filter(({ type }) => type === "message");
    expect(await eventually(() => answers().length > 0, WITHIN_MS)).toBe(true);
    await monitor.stop();
    expect(answers().map((one) => one["in_reply_to"])).toEqual([later["id"]]);
    expect(await findings("a")).not.toHaveProperty("alarm-returned");
    expect(await bodiesTwice("a")).toEqual(["before", "status? meanwhile", "status? later"]);
    expect(await fleet.text(["servers", "remember", "b"], { as: "a" })).toContain("was not forgotten");
  },
  TIMEOUT_MS,
);

describe("a log whose key was changed", () => {
  test(
    "is shortened behind the change or not at all, and whoever saw the change goes on",
    async () => {
      await fleet.init(["a", "b"]);
      await send("a", "b", "old 1");
      await send("a", "b", "old 2");
      await handle("b", "a");
      const print = await rotate("a");
      await send("a", "b", "new 1");
      const early = await compact("a", eager);
      expect(early).toMatchObject({
        status: "nothing",
        reason: expect.stringContaining("the last change of the own key"),
      });
      expect(logOf("a")[0]?.["type"]).toBe("key");
      await handle("b", "a");
      expect(await compact("a", eager)).toMatchObject({ status: "done" });
      const [root] = logOf("a") as { type: string; keys: { public_key: string; proof?: string }[] }[];
      expect([root?.type, root?.keys.length]).toEqual(["compacted", 2]);
      expect(root?.keys.at(-1)?.proof).toBeDefined();
      const shown = await fleet.json(["trust", "list"], { as: "a" });
      expect((shown["servers"] as Json[])[0]).toMatchObject({
        fingerprint: print,
        public_key: root?.keys.at(-1)?.public_key,
      });

      await send("a", "b", "new 2");
      const all = ["old 1", "old 2", "new 1", "new 2"];
      expect(await bodiesTwice("b")).toEqual(all);
      expect(await bodiesTwice("a", "sent")).toEqual(all);
      // Once more: what is kept of before does not come to the newest key.
      await rotate("a");
      await send("a", "all", "newest");
      expect(await bodiesTwice("b")).toEqual([...all, "newest"]);
      expect(await bodiesTwice("a", "sent")).toEqual([...all, "newest"]);
      const troubles = Object.keys(await findings("b")).filter((id) => /alarm|quarantine/.test(id));
      expect(troubles).toEqual([]);
      // Who comes new reads what is left, and what is added.
      await fleet.init(["late"]);
      await send("a", "all", "for everybody");
      expect((await bodiesTwice("late")).at(-1)).toBe("for everybody");
      expect(Object.keys(await findings("late")).filter((id) => /alarm|quarantine/.test(id))).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test(
    "and shortened while a reader was away is an alarm there, and trust add takes it as it is",
    async () => {
      await fleet.init(["a", "c"]);
      await send("a", "c", "old");
      expect(await bodiesOf("c")).toEqual(["old"]);
      const first = (await fleet.json(["trust", "list"], { as: "a" }))["servers"] as Json[];
      await send("a", "c", "gone");
      const print = await rotate("a");
      await send("a", "c", "missed");
      expect(await compact("a", impatient)).toMatchObject({ status: "done" });
      await send("a", "c", "status? seen", "--kind", "request");
      // An alarm counts from the second look on.
      for (let look = 0; look < 2; look += 1) expect(await bodiesOf("c")).toEqual(["old"]);
      expect((await findings("c"))["alarm-rewritten"]).toContain("a: its log at");
      expect((await fleet.run(["doctor"], { as: "c" })).stdout).toContain("fleetd trust add");
      const asked = await fleet.run(["trust", "add", "a"], { as: "c" });
      expect([asked.code, asked.stderr]).toEqual([64, expect.stringContaining(`would be ${print}`)]);
      expect(asked.stderr).toContain(String(first[0]?.["fingerprint"]));

      await fleet.text(["trust", "add", "a", print, "--yes"], { as: "c" });
      expect(await bodiesTwice("c")).toEqual(["old", "missed", "status? seen"]);
      expect(await findings("c")).not.toHaveProperty("alarm-rewritten");
      const later = await send("a", "c", "status? later", "--kind", "request");
      await handle("c", "a");
      const answers = logOf("c").filter(({ type }) => type === "message");
      expect(answers.map((one) => one["in_reply_to"])).toEqual([later["id"]]);
      expect(await bodiesTwice("c")).toEqual(["old", "missed", "status? seen", "status? later"]);
    },
    TIMEOUT_MS,
  );

  test(
    "is adopted by a state that was salvaged after the change",
    async () => {
      await fleet.init(["a", "b"]);
      await send("a", "b", "old");
      await bodiesOf("b");
      const print = await rotate("a");
      await send("a", "b", "new");
      const paths = join(fleet.root, "a");
      for (const suffix of ["-wal", "-shm"]) rmSync(join(paths, `state.db${suffix}`), { force: true });
      writeFileSync(join(paths, "state.db"), "");
      expect((await fleet.run(["send", "x", "--to", "b"], { as: "a" })).code).toBe(74);
      const fixed = await fleet.run(["doctor", "--fix", "--yes"], { as: "a" });
      expect(fixed.stdout + fixed.stderr).toContain("damaged");
      await send("a", "b", "after");
      expect(await bodiesTwice("b")).toEqual(["old", "new", "after"]);
      expect(await bodiesTwice("a", "sent")).toEqual(["old", "new", "after"]);
      const [own] = (await fleet.json(["trust", "list"], { as: "a" }))["servers"] as Json[];
      expect(own).toMatchObject({ fingerprint: print });
      expect(own).toMatchObject({ former: [{ how: "rotated" }] });
      for (const server of ["a", "b"]) {
        expect(
          Object.keys(await findings(server)).filter((id) => /alarm|quarantine|own-ref/.test(id)),
        ).toEqual([]);
      }
      // Who has read up to the change keeps the log from being cut before it, also now.
      expect(await compact("a", eager)).toMatchObject({ status: "nothing" });
      await handle("b", "a");
      expect(await compact("a", eager)).toMatchObject({ status: "done" });
      expect(await bodiesTwice("b")).toEqual(["old", "new", "after"]);
    },
    TIMEOUT_MS,
  );

  test(
    "stops a state that was put back from before the change, and says why",
    async () => {
      await fleet.init(["a", "b"]);
      await send("a", "b", "old");
      const [folder, backup] = [join(fleet.root, "a"), join(fleet.git.folder, "backup")];
      cpSync(folder, backup, { recursive: true });
      const print = await rotate("a");
      await send("a", "b", "new");
      const before = fleet.git.git(remote(), "rev-parse", "refs/fleet/log/a");
      rmSync(folder, { recursive: true });
      cpSync(backup, folder, { recursive: true });
      for (let tries = 0; tries < 2; tries += 1) {
        const ran = await fleet.run(["send", "by the old key", "--to", "b"], { as: "a" });
        expect([ran.code, ran.stderr]).toEqual([77, expect.stringContaining(print)]);
        expect(ran.stderr).toContain("was changed");
      }
      expect(Object.values(await findings("a")).join()).toContain("was changed");
      expect(fleet.git.git(remote(), "rev-parse", "refs/fleet/log/a")).toBe(before);
      expect(await bodiesOf("b")).toEqual(["old", "new"]);
    },
    TIMEOUT_MS,
  );
});
