import { beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { commitDrafts } from "../../../../src/fleet/messaging/build-queued.ts";
import { encodeLine, parseLine } from "../../../../src/fleet/messaging/entry-line.ts";
import { listFormer } from "../../../../src/fleet/messaging/former-logs.ts";
import { listAlarms, listQuarantine } from "../../../../src/fleet/messaging/index-troubles.ts";
import { loadProgress } from "../../../../src/fleet/messaging/message-index.ts";
import type { Entry } from "../../../../src/fleet/messaging/model.ts";
import { ingestStore } from "../../../../src/fleet/messaging/receive-messages.ts";
import { compactMemory, countBatches, entriesOf } from "../../../helpers/memory-compaction.ts";
import { MemoryFleet, type MemoryServer, signedLog, strangersCommit } from "../../../helpers/memory-fleet.ts";

let fleet = new MemoryFleet();
let writer: MemoryServer;
let reader: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  writer = await fleet.add("code1");
  reader = await fleet.add("code2");
  await reader.receive();
});

/** Sends batches of so many messages each. */
async function sendBatches(from: MemoryServer, sizes: readonly number[]): Promise<void> {
  for (const size of sizes) {
    const drafts = Array.from({ length: size }, (_, place) =>
      from.draft({ to: ["all"], body: `${size} ${place}` }),
    );
    await commitDrafts(from.sendPorts, drafts);
  }
  await from.flush();
}

/** What happens to a log: its batches, which of them the reader knows, how many go, what comes then. */
interface Story {
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly known: number;
  readonly cut: number;
  readonly isTwice: boolean;
}

async function tell({ before, after, known, cut, isTwice }: Story): Promise<void> {
  fleet = new MemoryFleet();
  writer = await fleet.add("code1");
  const control = await fleet.add("code2");
  reader = await fleet.add("code3");
  const first = Math.floor(known * (before.length + 1));
  await sendBatches(writer, before.slice(0, first));
  await reader.receive();
  await sendBatches(writer, before.slice(first));
  await control.receive();
  await writer.receive();
  const progress = loadProgress(reader.index, "code1")?.seq ?? 0;
  await compactMemory(writer, 1 + Math.floor(cut * (countBatches(writer) - 1)));
  await sendBatches(writer, after);
  if (isTwice) {
    await control.receive();
    await writer.receive();
    await compactMemory(writer, 1);
    await sendBatches(writer, [1]);
  }
  for (const server of [control, reader, writer]) await server.receive();
  expectRead(control, progress, (await rootOf(writer)).seq);
  for (const server of [control, reader, writer]) {
    const held = entriesOf(server, "code1");
    server.loseIndex();
    await ingestStore(server.receivePorts);
    expect(entriesOf(server, "code1")).toEqual(held);
  }
}

/** The reader, who knew up to `progress` of a log that begins behind `root` now, has all that `control` has but the gap. */
function expectRead(control: MemoryServer, progress: number, root: number): void {
  const missed = Math.max(0, root - progress);
  const whole = entriesOf(control, "code1");
  const isThere = (seq: unknown): boolean => Number(seq) <= progress || Number(seq) > progress + missed;
  const read = entriesOf(reader, "code1");
  expect(read).toEqual(whole.filter((entry) => isThere(entry["seq"])));
  expect(new Set(read.map((entry) => entry["seq"])).size).toBe(read.length);
  expect(listAlarms(reader.index).map((alarm) => alarm.detail.split(" ")[0])).toEqual(
    missed === 0 ? [] : [String(missed)],
  );
  expect([kinds(control), listQuarantine(reader.index)]).toEqual([[], []]);
}

const kinds = (server: MemoryServer): string[] => listAlarms(server.index).map((alarm) => alarm.kind);

/** The single line of the root of the writer's log on the remote. */
async function rootOf(server: MemoryServer): Promise<Entry> {
  const [root] = await server.store.listCommits(fleet.remote.refs.get(server.logRef) ?? "", null, 1e9);
  const [file] = await server.store.readObjects([`${root?.id}:entries.jsonl`], 1e9);
  const parsed = file?.status === "found" ? parseLine(file.content.slice(0, -1)) : null;
  if (parsed?.status !== "entry") throw new Error("no root");
  return parsed.entry;
}

/** Puts a log that consists of this line, signed by `signer`, on the ref of the writer. */
async function putRoot(line: Entry, signer: MemoryServer): Promise<void> {
  const commit = strangersCommit(await signedLog([encodeLine(line)], signer.tools), null);
  fleet.remote.put(writer.logRef, commit.all, commit.commitId);
}

describe("a log that its owner shortened", () => {
  test("any known part, any cut, twice: the same index as without, nothing twice and nothing missing", async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 2, maxLength: 5 });
    const share = fc.double({ min: 0, max: 0.999, noNaN: true });
    const story = fc.record({ before: sizes, after: sizes, known: share, cut: share, isTwice: fc.boolean() });
    await fc.assert(fc.asyncProperty(story, tell), { numRuns: 40 });
  }, 120_000);

  test("is taken by a reader that knows nothing, as history", async () => {
    await sendBatches(writer, [2, 2]);
    await compactMemory(writer, 2);
    const late = await fleet.add("code3");
    expect(entriesOf(late, "code1").map((entry) => [entry["seq"], entry["history"]])).toEqual([
      [4, 1],
      [5, 1],
    ]);
  });

  test("keeps what it was before under a ref of its own, once", async () => {
    await sendBatches(writer, [1, 1]);
    await reader.receive();
    const tip = loadProgress(reader.index, "code1")?.tip ?? "";
    await compactMemory(writer, 1);
    await reader.receive();
    await reader.receive();
    expect(listFormer(reader.store, "code1")).toEqual([tip]);
  });

  test("begins beyond what a reader knows who was away: he goes on, and the gap is told for a week", async () => {
    await sendBatches(writer, [1, 1, 1]);
    await compactMemory(writer, 3);
    await reader.receive();
    expect(listAlarms(reader.index)).toMatchObject([
      {
        server: "code1",
        kind: "gap",
        detail: "2 of its entries were removed from its log before this server had read them",
      },
    ]);
    const id = await writer.send({ to: ["code2"], body: "still there?" });
    await reader.receive();
    expect(reader.message(id).history).toBe(false);
    expect(kinds(reader)).toEqual(["gap"]);
    await fleet.clock.advance(8 * 24 * 3_600_000);
    await reader.receive();
    expect(kinds(reader)).toEqual([]);
  });

  test("handles after a gap what came behind it, and nothing before it twice", async () => {
    await sendBatches(writer, [1]);
    await reader.receive();
    reader.answer();
    await sendBatches(writer, [1, 1, 1]);
    await compactMemory(writer, 3);
    const id = await writer.send({ to: ["code2"], body: "status?" });
    await reader.receive();
    const handled = reader.answer();
    expect(handled.map((one) => one.message.id)).toContain(id);
    expect(handled.length).toBe(3);
    expect(reader.answer()).toEqual([]);
  });
});

describe("what is no continuation", () => {
  /** The reader knows a log that was shortened twice; answers its first shortened state. */
  async function replayable(): Promise<string> {
    await sendBatches(writer, [1, 1, 1]);
    await reader.receive();
    await writer.receive();
    await compactMemory(writer, 1);
    const old = fleet.remote.refs.get(writer.logRef) ?? "";
    await sendBatches(writer, [1, 1]);
    await reader.receive();
    await writer.receive();
    await compactMemory(writer, 3);
    await reader.receive();
    return old;
  }

  const isUnmoved = async (): Promise<void> => {
    const before = [entriesOf(reader, "code1"), loadProgress(reader.index, "code1")];
    await reader.receive();
    await reader.receive();
    expect([entriesOf(reader, "code1"), loadProgress(reader.index, "code1")]).toEqual(before);
    expect(kinds(reader)).toContain("rewritten");
  };

  test("an old shortened log played again", async () => {
    const old = await replayable();
    fleet.remote.put(writer.logRef, [], old);
    await isUnmoved();
  });

  test("a root that somebody else signed, however far it claims to reach", async () => {
    await replayable();
    await putRoot({ ...(await rootOf(writer)), seq: 99 }, reader);
    await isUnmoved();
  });

  test("a root of another fleet, of another key, of epochs that do not name the one that is known", async () => {
    await replayable();
    const root = (await rootOf(writer)) as Entry & { keys: Entry[] };
    const [key] = root.keys;
    for (const change of [
      { fleet: "01a20168-a495-7453-a06d-915cb76c4466" },
      { public_key: reader.identity.publicKey },
      { epoch: "00000000000000ff" },
    ]) {
      const forged = { ...root, seq: 99, keys: [{ ...key, ...change }] };
      await putRoot(forged as Entry, writer);
      await isUnmoved();
    }
  });

  test("a root at the place that is known, of a line that is not", async () => {
    await replayable();
    const known = loadProgress(reader.index, "code1");
    const root = await rootOf(writer);
    const forged = { ...root, seq: known?.seq ?? 0, hash: `sha256:${"0".repeat(64)}` };
    await putRoot(forged as Entry, writer);
    await isUnmoved();
  });

  test("a root in the middle of a log is refused as a batch, and the owner goes on behind it", async () => {
    await sendBatches(writer, [1]);
    await reader.receive();
    const root = {
      ...(await rootOf(writer)),
      type: "compacted",
      hash: `sha256:${"0".repeat(64)}`,
      count: 1,
      receipts: [],
    };
    const key = await rootOf(writer);
    const line = encodeLine({ ...root, keys: [key] } as unknown as Entry);
    const commit = strangersCommit(
      await signedLog([line], writer.tools),
      fleet.remote.refs.get(writer.logRef) ?? null,
    );
    fleet.remote.put(writer.logRef, commit.all, commit.commitId);
    await reader.receive();
    expect(listQuarantine(reader.index)).toMatchObject([
      { reason: "log was compacted below what is known of it" },
    ]);
  });
});
