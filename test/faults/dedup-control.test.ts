// The negative control of the loop guard: two bots that know which messages they have seen, and nothing else, answer each
// other for ever. The judge has to find that, and nothing wrong with two daemons of fleetd under the same schedule.
import { afterAll, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Figures } from "../helpers/figures.ts";
import {
  describe,
  type Evidence,
  judge,
  type RemoteEntry,
  type SendRecord,
} from "../helpers/fleet-checker.ts";
import { gather, readLogs } from "../helpers/fleet-evidence.ts";
import { FleetSandbox } from "../helpers/fleet-sandbox.ts";
import { eventually, TempGit } from "../helpers/temp-git.ts";

const BOT = join(import.meta.dir, "../helpers/fixtures/echo-bot.ts");
const NAMES = ["left", "right"] as const;
/** Both are asked once; fleetd answers each question once, and no answer is answered (test/e2e/storm.test.ts). */
const BOUNDS = { automaticMax: NAMES.length };
/** Where the bots are stopped. */
const MESSAGES_MAX = 100;
const QUIET_MS = 3_000;
const WITHIN_MS = 60_000;

const figures = new Figures("negative control: deduplication as the only loop guard, the same judge");
afterAll(() => figures.print());

const peerOf = (name: string): string => NAMES.find((one) => one !== name) ?? "";
const questionOf = (name: string): string => `${name} asks: how are you?`;

/** The logs of the bots as if they were logs of a fleet; whatever chain they had would be whole. */
function readBots(folder: string): RemoteEntry[] {
  return NAMES.flatMap((writer) => {
    const path = join(folder, writer);
    const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : [];
    const messages = lines.map(
      (line) => JSON.parse(line) as { id: string; to: string; body: string; inReplyTo: string | null },
    );
    const key = { id: `key ${writer}`, to: "all", body: "", inReplyTo: null };
    return [key, ...messages].map(
      ({ id, to, body, inReplyTo }, place): RemoteEntry => ({
        writer,
        seq: place + 1,
        epoch: "",
        prev: place === 0 ? null : `${writer} ${place}`,
        hash: `${writer} ${place + 1}`,
        id,
        type: place === 0 ? "key" : "message",
        from: writer,
        to: [to],
        body,
        auto: inReplyTo !== null,
        inReplyTo,
      }),
    );
  });
}

test("judge() finds that bots which only know what they have seen never end", async () => {
  const temp = new TempGit();
  try {
    const sends = NAMES.map((name): SendRecord => {
      const message = { id: `question ${name}`, to: peerOf(name), body: questionOf(name), inReplyTo: null };
      writeFileSync(join(temp.folder, name), `${JSON.stringify(message)}\n`);
      return { server: name, body: message.body, startedWallMs: 0, endedWallMs: 1, told: "pushed" };
    });
    const bots = NAMES.map((name) =>
      Bun.spawn([process.execPath, BOT, temp.folder, name, peerOf(name), String(MESSAGES_MAX)], {
        env: temp.environment,
      }),
    );
    await Promise.all(bots.map((bot) => bot.exited));
    const entries = readBots(temp.folder);
    const evidence: Evidence = { entries, servers: [], fsck: [], locks: [], processes: [] };
    const violations = judge(sends, evidence, BOUNDS);
    const automatic = entries.filter((entry) => entry.auto).length;
    figures.add(
      "bots",
      `${automatic} automatic messages until they were stopped, bound ${BOUNDS.automaticMax}`,
    );
    // Nothing else is wrong: no message was answered twice.
    expect(violations.map(({ rule }) => rule)).toEqual(["storm"]);
    expect(automatic).toBeGreaterThan(MESSAGES_MAX);
  } finally {
    temp.remove();
  }
}, 120_000);

test("two daemons of fleetd under the same schedule stay within the bound", async () => {
  const sandbox = new FleetSandbox("interval: 300ms\n");
  try {
    for (const name of NAMES) await sandbox.init(name);
    const monitors = [await sandbox.monitor("left"), await sandbox.monitor("right")];
    for (const name of NAMES) await sandbox.send(name, { to: peerOf(name), body: questionOf(name) });
    const answers = () => readLogs(sandbox).filter((entry) => entry.auto).length;
    expect(await eventually(() => answers() >= NAMES.length, WITHIN_MS)).toBe(true);
    const isMore = await eventually(() => answers() > NAMES.length, QUIET_MS);
    expect(isMore).toBe(false);
    for (const monitor of monitors) await monitor.stop();
    figures.add("fleetd", `${answers()} automatic messages, bound ${BOUNDS.automaticMax}`);
    expect(describe(judge(sandbox.sends, await gather(sandbox), BOUNDS))).toBe("");
  } finally {
    await sandbox.close();
  }
}, 120_000);
