// What happens to messages while the remote is away, or answers and refuses them.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, renameSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe as describeFaults, judge } from "../helpers/fleet-checker.ts";
import { gather, listLocks, readLogs } from "../helpers/fleet-evidence.ts";
import { type CommandResult, FleetSandbox } from "../helpers/fleet-sandbox.ts";
import { killHard } from "../helpers/kill.ts";
import { createRandom } from "../helpers/random.ts";
import { HOOK_WORDS, refuseNothing, refuseUntil, refuseWord, VILE } from "../helpers/refusing-hook.ts";
import { eventually } from "../helpers/temp-git.ts";

const WITHIN_MS = 30_000;
const SETTINGS = "retry: { first: 20ms, longest: 80ms }\ninterval: 100ms\n";

let sandbox = new FleetSandbox(SETTINGS);
beforeEach(async () => {
  sandbox = new FleetSandbox(SETTINGS);
  for (const server of ["a", "b"]) await sandbox.init(server);
});
afterEach(() => sandbox.close());

type Json = Record<string, unknown>;
const run = (...words: string[]): Promise<CommandResult> => sandbox.run("a", words);
async function json(...words: string[]): Promise<Json> {
  const result = await run(...words, "--json");
  if (result.stdout === "")
    throw new Error(`${words.join(" ")} ended with ${result.exitCode}: ${result.stderr}`);
  return JSON.parse(result.stdout) as Json;
}
const queue = async (): Promise<Json[]> => (await json("queue"))["entries"] as Json[];
/** Bodies of the messages of "a" on the remote, in the order of its log. */
const onRemote = (): string[] =>
  readLogs(sandbox).flatMap((entry) => (entry.writer === "a" && entry.body !== "" ? [entry.body] : []));
const send = (body: string, ...more: string[]): Promise<CommandResult> =>
  run("send", body, "--to", "b", ...more);
/** Locks that killed pushes left count as stale now. */
function ageLocks(remote: string): void {
  const then = new Date(Date.now() - 120_000);
  for (const lock of listLocks(remote)) {
    // A git that outlived its parent may let go of its lock at this moment.
    if (existsSync(lock)) utimesSync(lock, then, then);
  }
}
/** Sends what nobody minds until the refused ones died. */
async function untilDead(count: number): Promise<void> {
  const dead = async (): Promise<number> =>
    (await queue()).filter((entry) => entry["state"] === "dead").length;
  for (let tries = 0; tries < 40 && (await dead()) < count; tries += 1) await send(`nudge ${tries}`);
  expect(await dead()).toBe(count);
}

describe("a remote that is away", () => {
  test("keeps 20 messages in their order, kills none, and they arrive once, without a daemon", async () => {
    const away = `${sandbox.remote}.away`;
    renameSync(sandbox.remote, away);
    const bodies = Array.from({ length: 20 }, (_, index) => `message ${index}`);
    for (const body of bodies) {
      const sent = await send(body);
      expect(sent).toMatchObject({ exitCode: 75 });
      expect(sent.stdout).toContain("is queued; it is safe here");
    }
    const entries = await queue();
    expect(entries.map((entry) => entry["subject"])).toEqual(bodies);
    expect(entries.map((entry) => entry["unreachable"])).toEqual(bodies.map((_, index) => 20 - index));
    expect(entries.every((entry) => entry["refused"] === 0 && entry["state"] === "built")).toBe(true);
    expect(entries[0]).toMatchObject({ to: ["b"], type: "message", failing_since: expect.any(String) });
    expect(String(entries[0]?.["reason"])).toStartWith("unreachable: ");
    const shown = await run("queue", "list");
    expect(shown.stdout).toContain("20 waiting, oldest since");
    expect(shown.stdout).toContain("unreachable: ");
    expect(await json("sent", String(entries[0]?.["id"]))).toMatchObject({
      messages: [{ state: "queued", recipients: [{ server: "b", state: "queued" }] }],
    });
    renameSync(away, sandbox.remote);
    expect((await send("the last one")).exitCode).toBe(0);
    expect(onRemote()).toEqual([...bodies, "the last one"]);
    expect(await queue()).toEqual([]);
    expect((await run("queue")).stdout).toBe("Nothing waits: everything was confirmed by the remote\n");
  });

  test("is waited for by the daemon, and a send says so", async () => {
    const monitor = await sandbox.monitor("a");
    const away = `${sandbox.remote}.away`;
    renameSync(sandbox.remote, away);
    expect((await send("one", "--timeout", "1s")).exitCode).toBe(75);
    expect((await send("two", "--wait", "queued")).exitCode).toBe(0);
    renameSync(away, sandbox.remote);
    expect(await eventually(() => onRemote().length === 2, WITHIN_MS)).toBe(true);
    expect(onRemote()).toEqual(["one", "two"]);
    await monitor.stop();
  });

  test("does not keep a message longer than its sender wants", async () => {
    const away = `${sandbox.remote}.away`;
    renameSync(sandbox.remote, away);
    await send("too late", "--expires", "50ms");
    await send("in time");
    renameSync(away, sandbox.remote);
    expect((await send("after")).exitCode).toBe(0);
    expect(onRemote()).toEqual(["in time", "after"]);
    const [entry] = await queue();
    expect(entry).toMatchObject({ state: "expired", subject: "too late" });
    const id = String(entry?.["id"]);
    expect(await run("queue", "retry", id)).toMatchObject({ exitCode: 65 });
    expect((await json("sent", id))["messages"]).toMatchObject([{ state: "expired" }]);
    expect((await run("queue", "drop", "--all-dead", "--yes")).stdout).toContain("too late");
    expect(await queue()).toEqual([]);
  });
});

describe("a remote that refuses one message", () => {
  test("gets all the others in order; the one dies with the reason, and lives again after a retry", async () => {
    refuseWord(sandbox.remote);
    const away = `${sandbox.remote}.away`;
    renameSync(sandbox.remote, away);
    for (const body of ["one", "two", `a ${VILE} one`, "three", "four"]) await send(body);
    renameSync(away, sandbox.remote);
    const five = await send("five");
    expect(five).toMatchObject({ exitCode: 0, stderr: "" });
    expect(onRemote()).toEqual(["one", "two", "three", "four", "five"]);
    expect(await queue()).toMatchObject([{ state: "refused", refused: 1, subject: `a ${VILE} one` }]);
    await untilDead(1);
    const [dead] = await queue();
    const id = String(dead?.["id"]);
    expect(dead).toMatchObject({ refused: 5, state: "dead" });
    expect(String(dead?.["reason"])).toContain(HOOK_WORDS);
    expect((await run("queue")).stdout).toMatch(/^1 dead\n/);
    expect((await run("sent", id)).stdout).toContain("dead");
    // Dead is dead: nothing tries it again, and nothing else minds.
    expect((await send("six")).exitCode).toBe(0);
    const still = await run("queue", "retry", id);
    expect(still).toMatchObject({ exitCode: 75 });
    expect(still.stderr).toContain(HOOK_WORDS);
    refuseNothing(sandbox.remote);
    const retried = await run("queue", "retry", id.slice(-8));
    expect(retried).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("and on the remote") });
    expect(onRemote().at(-1)).toBe(`a ${VILE} one`);
    expect(onRemote().filter((body) => body.includes(VILE))).toHaveLength(1);
    expect(await queue()).toEqual([]);
    const inbox = JSON.parse((await sandbox.run("b", ["inbox", "--limit", "100", "--json"])).stdout) as Json;
    expect((inbox["messages"] as Json[]).map((one) => one["body"]).toReversed()).toEqual(onRemote());
  });

  test("is told by send with 75 while it is tried again, and with 1 when it is dead", async () => {
    refuseWord(sandbox.remote);
    const words = [`a ${VILE} one`, "--idempotency-key", "k"];
    const first = await send(words[0] ?? "", ...words.slice(1));
    expect(first.exitCode).toBe(75);
    expect(first.stdout).toContain("was refused 1 of 5 times");
    expect(first.stdout + first.stderr).toContain(HOOK_WORDS);
    await untilDead(1);
    const last = await send(words[0] ?? "", ...words.slice(1));
    expect(last.exitCode).toBe(1);
    expect(last.stdout).toContain("is dead, the remote refused it 5 times");
    expect(last.stdout).toContain("fleetd queue retry");
    const told = JSON.parse((await send(words[0] ?? "", ...words.slice(1), "--json")).stdout) as Json;
    expect(told).toMatchObject({ state: "dead", reason: expect.stringContaining(HOOK_WORDS) });
  });

  test("has it dead by the daemon alone, which tells so, and takes it after a retry", async () => {
    refuseWord(sandbox.remote);
    const monitor = await sandbox.monitor("a");
    const sent = await send(`a ${VILE} one`);
    expect(sent.exitCode).toBe(75);
    expect((await send("a good one")).exitCode).toBe(0);
    const refusals = () => monitor.events().filter((event) => event["kind"] === "refused");
    expect(await eventually(() => refusals().at(-1)?.["dead"] === 1, WITHIN_MS)).toBe(true);
    expect(await queue()).toMatchObject([{ state: "dead", refused: 5 }]);
    refuseNothing(sandbox.remote);
    expect((await run("queue", "retry", "--all")).stdout).toContain("the monitor pushes it now");
    expect(await eventually(() => onRemote().length === 2, WITHIN_MS)).toBe(true);
    await monitor.stop();
  });

  test("has it dropped: only with --yes, never what may be on the remote, and never half", async () => {
    refuseWord(sandbox.remote);
    await send(`a ${VILE} one`);
    const id = String((await queue())[0]?.["id"]);
    expect(await run("queue", "drop", id)).toMatchObject({ exitCode: 64 });
    expect((await run("queue", "drop", id, "--dry-run")).stdout).toContain("Would drop");
    expect(await queue()).toHaveLength(1);
    expect((await run("queue", "drop", id, "--yes")).stdout).toContain("Dropped");
    expect(await queue()).toEqual([]);
    const away = `${sandbox.remote}.away`;
    renameSync(sandbox.remote, away);
    await send("perhaps there");
    const built = String((await queue())[0]?.["id"]);
    const refused = await run("queue", "drop", built, "--yes");
    expect(refused).toMatchObject({
      exitCode: 65,
      stderr: expect.stringContaining("may already be on the remote"),
    });
    renameSync(away, sandbox.remote);
    await send("after");
    expect(onRemote()).toEqual(["perhaps there", "after"]);
  });
});

describe("a remote that refuses everything", () => {
  test("has all of it dead after five times, and gets all of it in order once it is asked again", async () => {
    const flag = join(sandbox.folder, "open");
    refuseUntil(sandbox.remote, flag);
    const bodies = ["one", "two", "three"];
    for (const body of bodies) expect((await send(body)).exitCode).toBe(75);
    for (let tries = 0; tries < 40; tries += 1) {
      if ((await queue()).every((entry) => entry["state"] === "dead")) break;
      await send("knock", "--idempotency-key", "knock");
    }
    const entries = await queue();
    expect(entries.map((entry) => entry["state"])).toEqual(entries.map(() => "dead"));
    expect(String(entries[0]?.["reason"])).toContain("closed for today");
    expect(onRemote()).toEqual([]);
    writeFileSync(flag, "");
    expect((await run("queue", "retry", "--all")).exitCode).toBe(0);
    expect(onRemote()).toEqual([...bodies, "knock"]);
  }, 60_000);
});

test.skipIf(process.platform !== "linux")(
  "kill -9 while refused messages are searched for loses nothing and sends nothing twice",
  async () => {
    // Slow enough that kills land in the middle of the search.
    refuseWord(sandbox.remote, "sleep 0.02");
    const random = createRandom(Number(process.env["FLEETD_KILL_SEED"] ?? 4711));
    let landed = 0;
    for (let count = 0; count < 30; count += 1) {
      const word = count % 3 === 0 ? `${VILE} ` : "";
      for (const more of ["x", "y"]) {
        const body = `${word}${more} ${count}`;
        const { startedWallMs, endedWallMs, exitCode } = await send(body, "--wait", "queued");
        expect(exitCode).toBe(0);
        sandbox.sends.push({ server: "a", body, startedWallMs, endedWallMs, told: "queued" });
      }
      const killed = sandbox.startSend("a", { to: "b", body: `${word}z ${count}` });
      await Bun.sleep(random() * 500);
      killHard(killed.pid, count % 2 === 0 ? "tree" : "alone");
      if ((await killed.ended).exitCode === null) landed += 1;
    }
    expect(landed).toBeGreaterThan(10);
    ageLocks(sandbox.remote);
    refuseNothing(sandbox.remote);
    // A git that was left alone by its parent may hold a ref for a moment.
    const settled = async (): Promise<boolean> => {
      await run("queue", "retry", "--all");
      await sandbox.send("a", { to: "b" });
      return (await queue()).length === 0;
    };
    for (let tries = 0; tries < 20 && !(await settled()); tries += 1) ageLocks(sandbox.remote);
    expect(await queue()).toEqual([]);
    await sandbox.run("b", ["inbox"]);
    expect(describeFaults(judge(sandbox.sends, await gather(sandbox, ["b"])))).toBe("");
    expect((await sandbox.run("b", ["status"])).stdout).not.toContain("rewritten");
  },
  240_000,
);

test("a broadcast tells what became of it at each recipient", async () => {
  await sandbox.init("c");
  await run("servers");
  const sent = await json("send", "to everybody", "--to", "all");
  const id = String(sent["id"]);
  await sandbox.run("b", ["read", id]);
  await sandbox.run("b", ["ack", id]);
  const report = await json("sent", id);
  expect(report).toMatchObject({
    messages: [
      {
        id,
        state: "pushed",
        recipients: [
          {
            server: "b",
            state: "acked",
            receipts: ["read", "acked"],
            times: { read: expect.any(String), acked: expect.any(String) },
          },
          { server: "c", state: "pushed", receipts: [] },
        ],
      },
    ],
  });
  const page = await run("sent", id.slice(-8));
  expect(page.stdout).toContain("1 of 2 read, 1 acked, 1 not seen");
  expect((await run("read", id)).stdout).toContain("1 of 2 read, 1 acked");
});
