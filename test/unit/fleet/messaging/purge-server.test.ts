import { beforeEach, expect, test } from "bun:test";
import { purgeTrust } from "../../../../src/fleet/messaging/change-trust.ts";
import { listAlarms } from "../../../../src/fleet/messaging/index-troubles.ts";
import { loadProgress } from "../../../../src/fleet/messaging/message-index.ts";
import { findPeer, readmitPeer, setForgotten } from "../../../../src/fleet/messaging/peers.ts";
import { deleteRefs, findRefsOf } from "../../../../src/fleet/messaging/purge-server.ts";
import { noteTrust } from "../../../../src/fleet/messaging/trust.ts";
import { entriesOf } from "../../../helpers/memory-compaction.ts";
import { MemoryFleet, type MemoryServer, PATIENTLY } from "../../../helpers/memory-fleet.ts";

let fleet = new MemoryFleet();
let me: MemoryServer;
let other: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
  other = await fleet.add("code2");
  await fleet.add("code22");
  await other.send({ to: ["code1"], body: "before" });
  await me.receive();
});

async function purge(): Promise<void> {
  const refs = await findRefsOf(me.sendPorts, "code2", PATIENTLY);
  expect([...refs.keys()].sort()).toEqual([other.logRef, other.cardRef]);
  expect(await deleteRefs(me.sendPorts, refs, PATIENTLY)).toEqual(new Map());
  me.state.transaction(() => purgeTrust(me.state, "code2", 1));
}

test("finds the refs of one server alone and deletes them", async () => {
  await purge();
  expect([...fleet.remote.refs.keys()].filter((ref) => ref.includes("code2")).sort()).toEqual([
    `${me.identity.namespace}log/code22`,
    `${me.identity.namespace}state/code22`,
  ]);
  await me.receive();
  expect(entriesOf(me, "code2").length).toBe(2);
  expect(listAlarms(me.index)).toEqual([]);
});

test("deletes nothing that moved since it was seen", async () => {
  const refs = await findRefsOf(me.sendPorts, "code2", PATIENTLY);
  await other.send({ to: ["code1"] });
  const refused = await deleteRefs(me.sendPorts, refs, PATIENTLY);
  expect([...refused.keys()].sort()).toEqual([other.logRef, other.cardRef]);
  expect(fleet.remote.refs.has(other.logRef)).toBe(true);
});

test("what comes back after it is an alarm and not taken, until it is trusted again", async () => {
  await purge();
  await me.receive();
  await other.send({ to: ["code1"], body: "again" });
  await me.receive();
  await me.receive();
  expect(entriesOf(me, "code2").length).toBe(2);
  expect(listAlarms(me.index)).toMatchObject([{ server: "code2", kind: "returned" }]);
  const key = findPeer(me.state, "code2")?.publicKey ?? "";
  expect(key).toBe(other.identity.publicKey);
  readmitPeer(me.state, "code2", null);
  noteTrust(me.state, "code2", { word: "added" }, 2);
  await me.receive();
  expect(entriesOf(me, "code2").length).toBe(3);
  expect(listAlarms(me.index)).toEqual([]);
});

test("another server that did not purge it goes on with it", async () => {
  const third = await fleet.add("code3");
  await purge();
  await third.receive();
  await other.send({ to: ["code3"], body: "still with you" });
  await third.receive();
  expect(entriesOf(third, "code2").length).toBe(3);
});

test("of a forgotten server nothing is acted on, and after it is taken back only what is new", async () => {
  setForgotten(me.state, "code2", 1);
  await other.send({ to: ["code1"], body: "status?" });
  await me.receive();
  expect(me.answer()).toEqual([]);
  readmitPeer(me.state, "code2", loadProgress(me.index, "code2"));
  expect(me.answer()).toEqual([]);
  await other.send({ to: ["code1"], body: "status?" });
  await me.receive();
  expect(me.answer().map((one) => one.replyId !== null)).toEqual([true]);
});
