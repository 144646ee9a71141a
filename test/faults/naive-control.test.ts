// The negative control: the same schedule and the same judge, on a system that shares one JSON file. The judge must find
// what such systems lose, or it would prove nothing about fleetd.
import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { Figures, seconds } from "../helpers/figures.ts";
import {
  describe,
  type Evidence,
  judge,
  type RemoteEntry,
  type SendRecord,
} from "../helpers/fleet-checker.ts";
import { killHard } from "../helpers/kill.ts";
import { createRandom } from "../helpers/random.ts";
import { TempGit } from "../helpers/temp-git.ts";

const SENDERS = 6;
const MESSAGES = 4;
/** Every fifth send is killed, as far as it lasts that long. */
const KILL_EVERY = 5;
const KILL_WITHIN_MS = 150;

const SENDER = join(import.meta.dir, "../helpers/fixtures/naive-sender.ts");
const figures = new Figures("negative control: one shared JSON file, the same judge");
const temp = new TempGit();
afterAll(() => {
  temp.remove();
  figures.print();
});

/** A bare repository with an empty document, and a clone of it for every sender. */
function makeClones(): { remote: string; clones: string[] } {
  const remote = temp.bare();
  const first = temp.path("first");
  temp.git(temp.folder, "init", "-q", "-b", "main", first);
  temp.git(first, "commit", "-q", "--allow-empty", "-m", "begin");
  temp.git(first, "push", "-q", remote, "HEAD:main");
  const clones = Array.from({ length: SENDERS }, () => temp.path("clone"));
  for (const clone of clones) temp.git(temp.folder, "clone", "-q", "-b", "main", remote, clone);
  return { remote, clones };
}

async function send(clone: string, words: { from: string; body: string; killAfterMs: number | null }) {
  const startedWallMs = Date.now();
  const child = Bun.spawn([process.execPath, SENDER, clone, words.from, words.body], {
    env: temp.environment,
    stdio: ["ignore", "ignore", "ignore"],
  });
  if (words.killAfterMs !== null) {
    await Bun.sleep(words.killAfterMs);
    killHard(child.pid, "tree");
  }
  const exitCode = await child.exited;
  const told = exitCode === 0 ? "pushed" : exitCode === 75 ? "queued" : "nothing";
  return { server: words.from, body: words.body, startedWallMs, endedWallMs: Date.now(), told } as const;
}

/** The document as if it were everybody's log: whatever chain it had would be whole, so only its content is judged. */
function readEvidence(remote: string): Evidence {
  const document = JSON.parse(temp.git(remote, "show", "main:messages.json")) as {
    messages: { id: string; from: string; body: string }[];
  };
  const logs = Map.groupBy(document.messages, (message) => message.from);
  const entries = [...logs].flatMap(([writer, messages]) => {
    const lines = [
      { type: "key", id: `key ${writer}`, body: "" },
      ...messages.map((one) => ({ ...one, type: "message" })),
    ];
    return lines.map(
      ({ type, id, body }, place): RemoteEntry => ({
        writer,
        seq: place + 1,
        epoch: "",
        prev: place === 0 ? null : `${writer} ${place}`,
        hash: `${writer} ${place + 1}`,
        id,
        type,
        from: writer,
        to: ["all"],
        body,
        auto: false,
        inReplyTo: null,
      }),
    );
  });
  return { entries, servers: [], fsck: [], locks: [], processes: [] };
}

test.skipIf(process.platform !== "linux")(
  "judge() finds what a shared file loses under the schedule that fleetd stands",
  async () => {
    const { remote, clones } = makeClones();
    const random = createRandom(1);
    const startedMs = performance.now();
    const sendInTurn = async (clone: string, number: number): Promise<SendRecord[]> => {
      const from = `sender-${number}`;
      const sends: SendRecord[] = [];
      for (let count = 1; count <= MESSAGES; count += 1) {
        const killAfterMs = (number + count) % KILL_EVERY === 0 ? random() * KILL_WITHIN_MS : null;
        sends.push(await send(clone, { from, body: `${from} says ${count}`, killAfterMs }));
      }
      return sends;
    };
    const sends = (await Promise.all(clones.map(sendInTurn))).flat();
    const evidence = readEvidence(remote);
    const violations = judge(sends, evidence);
    const acknowledged = sends.filter((one) => one.told === "pushed");
    const lost = violations.filter(({ rule }) => rule === "lost");
    const lostPushed = lost.filter(({ detail }) => detail.includes('"pushed"'));
    figures.add(
      "senders x messages",
      `${SENDERS} x ${MESSAGES} in ${seconds(performance.now() - startedMs)}`,
    );
    figures.add("told to be pushed", acknowledged.length);
    figures.add("of these not there any more", lostPushed.length);
    figures.add("lost in all", lost.length);
    console.log(`\n${describe(violations)}`);
    expect(acknowledged.length).toBeGreaterThan(0);
    expect(lostPushed.length).toBeGreaterThan(0);
  },
  120_000,
);
