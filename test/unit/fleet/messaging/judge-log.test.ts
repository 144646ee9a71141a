import { beforeEach, describe, expect, test } from "bun:test";
import {
  judgeBatches,
  knownChain,
  type ReadBatch,
  readBatches,
} from "../../../../src/fleet/messaging/judge-log.ts";
import { TRACKING } from "../../../../src/fleet/messaging/mailbox-ports.ts";
import { loadProgress } from "../../../../src/fleet/messaging/message-index.ts";
import { MemoryFleet, type MemoryServer } from "../../../helpers/memory-fleet.ts";

let me: MemoryServer;
let other: MemoryServer;
let commits: string[];
beforeEach(async () => {
  const fleet = new MemoryFleet();
  me = await fleet.add("code1");
  other = await fleet.add("code2");
  await other.send({ to: ["code1"], subject: "one", body: "1" });
  await other.send({ to: ["code1"], subject: "two", body: "2" });
  await other.flush();
  await me.receive();
  const tip = me.store.readRefs(TRACKING.log).get(`${TRACKING.log}code2`) ?? "";
  commits = (await me.store.listCommits(tip, null, 100)).map((step) => step.id);
});

const read = (): Promise<ReadBatch[]> => readBatches(me.receivePorts, commits);

describe("readBatches()", () => {
  test("reads both files of every commit, in order", async () => {
    const batches = await read();
    expect(batches.map((batch) => batch.commit)).toEqual(commits);
    expect(batches.every((batch) => batch.entries !== null && batch.signature !== null)).toBe(true);
    expect(batches.map((batch) => batch.trouble)).toEqual(commits.map(() => ""));
  });

  test("says what is missing where a commit holds something else", async () => {
    const meta = me.store.readRefs(TRACKING.state).get(`${TRACKING.state}code2`) ?? "";
    const [batch] = await readBatches(me.receivePorts, [meta]);
    expect(batch).toMatchObject({ entries: null, signature: null, trouble: "no entries.jsonl" });
  });
});

describe("judgeBatches()", () => {
  test("takes a log that nobody knows from its own key, and says which key to pin", async () => {
    const judged = await judgeBatches(me.receivePorts, "code2", { batches: await read(), known: null });
    expect(judged.refused).toEqual([]);
    expect(judged.pin).toBe(other.identity.publicKey);
    expect(judged.accepted.map((batch) => batch.commit)).toEqual(commits);
    expect(judged.accepted.at(-1)?.chain).toEqual(judged.chain);
  });

  test("refuses the batches of another key than the known one", async () => {
    const known = { publicKey: me.identity.publicKey, epoch: "", seq: 0, hash: "" };
    const judged = await judgeBatches(me.receivePorts, "code2", { batches: await read(), known });
    expect(judged.accepted).toEqual([]);
    expect(judged.chain).toEqual(known);
    expect(judged.refused.map((one) => one.reason)).toEqual(commits.map(() => "signature missing or wrong"));
  });

  test("passes over a batch in between that was tampered with, and takes none that no longer continues", async () => {
    const batches = await read();
    const [first, second, ...later] = batches;
    if (first === undefined || second === undefined) throw new Error("need two batches");
    const tampered = { ...second, entries: Uint8Array.from(second.entries ?? [], (byte) => byte ^ 1) };
    const mixed = [first, tampered, second, ...later];
    const judged = await judgeBatches(me.receivePorts, "code2", { batches: mixed, known: null });
    expect(judged.accepted.map((batch) => batch.commit)).toEqual(commits);
    expect(judged.refused).toEqual([{ place: second.commit, reason: "signature missing or wrong" }]);
  });
});

describe("knownChain()", () => {
  test("is null for a server that nobody pinned", () => {
    expect(knownChain(me.receivePorts, "code9", null)).toBeNull();
  });

  test("is the pinned key at the place where the index stopped", () => {
    const progress = loadProgress(me.receivePorts.index, "code2");
    expect(knownChain(me.receivePorts, "code2", progress)).toMatchObject({
      publicKey: other.identity.publicKey,
      seq: progress?.seq ?? -1,
      hash: progress?.hash ?? "",
    });
  });
});
