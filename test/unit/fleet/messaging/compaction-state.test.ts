import { beforeEach, expect, test } from "bun:test";
import {
  adoptShortened,
  compactionRefusal,
  dropShortened,
  noteCompactionRefusal,
  noteShortened,
  pendingShortened,
  wasOwn,
} from "../../../../src/fleet/messaging/compaction-state.ts";
import { listFormer } from "../../../../src/fleet/messaging/former-logs.ts";
import { TRACKING } from "../../../../src/fleet/messaging/mailbox-ports.ts";
import { loadHead, outboxItem } from "../../../../src/fleet/messaging/outbox.ts";
import { confirmedBatch } from "../../../../src/fleet/messaging/take-back.ts";
import { buildMemory, compactMemory, countBatches } from "../../../helpers/memory-compaction.ts";
import { MemoryFleet, type MemoryServer, strangersCommit } from "../../../helpers/memory-fleet.ts";

let fleet = new MemoryFleet();
let me: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
  for (let count = 0; count < 4; count += 1) await me.send({ to: ["all"] });
});

const log = (tip: string, fromTip: string) => ({ tip, fromTip, cut: "c" });

test("a shortened log is pending as long as the log stands where it was built on", async () => {
  const tip = confirmedBatch(me.state)?.tip ?? "";
  noteShortened(me.state, log("x", tip), 1);
  noteShortened(me.state, log("y", tip), 2);
  expect(pendingShortened(me.state).map((one) => one.tip)).toEqual(["x", "y"]);
  dropShortened(me.state, "x");
  expect(pendingShortened(me.state).map((one) => one.tip)).toEqual(["y"]);
  await me.send({ to: ["all"] });
  expect(pendingShortened(me.state)).toEqual([]);
  noteShortened(me.state, log("z", confirmedBatch(me.state)?.tip ?? ""), 3);
  expect(me.state.all("SELECT commit_id FROM compactions")).toEqual([{ commit_id: "z" }]);
});

test("adoptShortened() gives the kept batches their new ids, forgets the others, and keeps the old log", async () => {
  const built = await buildMemory(me, 2);
  const before = loadHead(me.state);
  noteShortened(me.state, built, 1);
  await adoptShortened(me.sendPorts, built);
  expect(countBatches(me)).toBe(3);
  expect(loadHead(me.state)).toEqual({ ...(before ?? fail()), tip: built.tip });
  expect(confirmedBatch(me.state)).toMatchObject({ tip: built.tip, head: { tip: built.tip } });
  const [, ...kept] = await me.store.listCommits(built.tip, null, 1e9);
  const rows = me.state.all<{ commit_id: string }>("SELECT commit_id FROM batches ORDER BY number");
  expect(rows.map((row) => row.commit_id)).toEqual(kept.map(({ id }) => id));
  expect(listFormer(me.store, "code1")).toEqual([built.fromTip]);
  expect(me.store.refs.get(TRACKING.own)).toBe(built.tip);
  expect(me.store.refs.has(TRACKING.shortened)).toBe(false);
  expect(pendingShortened(me.state)).toEqual([]);
  // Once more changes nothing.
  const dump = me.state.dump();
  await adoptShortened(me.sendPorts, built);
  expect(me.state.dump()).toEqual(dump);
});

test("adoptShortened() queues again what was built on the old log", async () => {
  const built = await buildMemory(me, 2);
  fleet.remote.troubles.outage = { kind: "unreachable", detail: "no" };
  const id = me.queue({ to: ["all"] });
  await me.flush();
  expect(outboxItem(me.state, id)?.state).toBe("built");
  await adoptShortened(me.sendPorts, built);
  expect(outboxItem(me.state, id)).toMatchObject({ state: "queued", seq: null });
  expect(loadHead(me.state)?.tip).toBe(built.tip);
});

test("wasOwn() knows every commit of the own log, before and after, and no other", async () => {
  const old = (await me.store.listCommits(confirmedBatch(me.state)?.tip ?? "", null, 1e9)).map(
    ({ id }) => id,
  );
  await compactMemory(me, 2);
  const now = (await me.store.listCommits(confirmedBatch(me.state)?.tip ?? "", null, 1e9)).map(
    ({ id }) => id,
  );
  for (const commit of [...old, ...now]) expect(await wasOwn(me.sendPorts, commit)).toBe(true);
  expect(await wasOwn(me.sendPorts, "1".repeat(40))).toBe(false);
});

test("wasOwn() knows a batch of the own log in the commit of somebody else, whether or not it was removed", async () => {
  const old = confirmedBatch(me.state)?.tip ?? "";
  const steps = await me.store.listCommits(old, null, 1e9);
  await compactMemory(me, 2);
  for (const { id } of steps) {
    const [batch] = await me.store.readObjects([`${id}:entries.jsonl`], 1e6);
    if (batch?.status !== "found") throw new Error("no batch");
    const copy = strangersCommit({ "another.txt": batch.content, "entries.jsonl": batch.content }, null);
    const other = strangersCommit({ "another.txt": batch.content }, null);
    me.store.writeObjects([...copy.all, ...other.all], false);
    expect(await wasOwn(me.sendPorts, copy.commitId)).toBe(true);
    expect(await wasOwn(me.sendPorts, other.commitId)).toBe(false);
  }
});

test("a refusal is remembered in its own words until the remote takes one", () => {
  expect(compactionRefusal(me.state)).toBeNull();
  noteCompactionRefusal(me.state, "no ".repeat(1000));
  expect(compactionRefusal(me.state)).toHaveLength(500);
  noteCompactionRefusal(me.state, "");
  expect(compactionRefusal(me.state)).toBeNull();
});

const fail = (): never => {
  throw new Error("no head");
};
