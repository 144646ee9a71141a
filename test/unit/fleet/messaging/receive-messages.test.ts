import { beforeEach, describe, expect, test } from "bun:test";
import { toUtf8 } from "../../../../src/base/bytes.ts";
import { hashLine } from "../../../../src/fleet/messaging/build-batch.ts";
import { commitDrafts } from "../../../../src/fleet/messaging/build-queued.ts";
import { encodeLine } from "../../../../src/fleet/messaging/entry-line.ts";
import { readSetting } from "../../../../src/fleet/messaging/identity.ts";
import { listAlarms, listQuarantine } from "../../../../src/fleet/messaging/index-troubles.ts";
import { countUnread, listInbox } from "../../../../src/fleet/messaging/mailbox-queries.ts";
import { loadProgress } from "../../../../src/fleet/messaging/message-index.ts";
import { LIMITS } from "../../../../src/fleet/messaging/model.ts";
import { loadHead } from "../../../../src/fleet/messaging/outbox.ts";
import { findPeer, listPeers } from "../../../../src/fleet/messaging/peers.ts";
import { ingestStore, receiveMessages } from "../../../../src/fleet/messaging/receive-messages.ts";
import { systemCryptography } from "../../../../src/platform/cryptography.ts";
import {
  MemoryFleet,
  type MemoryServer,
  PATIENTLY,
  signedLog,
  strangersCommit,
} from "../../../helpers/memory-fleet.ts";

let fleet = new MemoryFleet();
let me: MemoryServer;
let other: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
  other = await fleet.add("code2");
  await me.receive();
});

const bodies = (server = me): string[] =>
  listInbox(server.index, { limit: 100 })
    .map((one) => one.message.body)
    .reverse();
const reasons = (): string[] => listQuarantine(me.index).map((one) => one.reason);
const tipOf = (server: MemoryServer): string => fleet.remote.refs.get(server.logRef) ?? "";

/** Puts files as a commit on top of the log of `server`, as anybody with access to the remote can. */
function forge(server: MemoryServer, files: Readonly<Record<string, Uint8Array>>): string {
  const commit = strangersCommit(files, tipOf(server));
  fleet.remote.put(server.logRef, commit.all, commit.commitId);
  return commit.commitId;
}

describe("receiveMessages()", () => {
  test("takes messages to me, to all and to my group, in the order of their writer, once", async () => {
    me.groups = ["web"];
    for (const [to, body] of [
      ["code1", "1"],
      ["all", "2"],
      ["@web", "3"],
      ["code3", "no"],
      ["@db", "no"],
    ] as const) {
      await other.send({ to: [to], body });
    }
    expect((await me.receive()).acceptedLines).toBe(5);
    expect((await me.receive()).acceptedLines).toBe(0);
    expect(bodies()).toEqual(["1", "2", "3"]);
  });

  test("asks only for what moved where listing is cheap, and does not fetch when nothing did", async () => {
    await me.receive();
    const { calls } = fleet.remote;
    await me.receive();
    expect(fleet.remote.calls).toBe(calls + 1);
  });

  test("fetches everything at once where listing is not cheap", async () => {
    const remote = fleet.remote.connect(me.store, { listsCheaply: false });
    const id = await other.send({ to: ["code1"] });
    const { calls } = fleet.remote;
    await receiveMessages({ ...me.receivePorts, remote }, PATIENTLY);
    expect(fleet.remote.calls).toBe(calls + 1);
    expect(me.message(id).toMe).toBe(true);
  });

  test("answers the remote's failure and changes nothing", async () => {
    fleet.remote.troubles.outage = { kind: "unreachable", detail: "no" };
    const before = [me.index.dump(), me.state.dump()];
    expect(await receiveMessages(me.receivePorts, PATIENTLY)).toMatchObject({
      ok: false,
      error: { kind: "unreachable" },
    });
    expect([me.index.dump(), me.state.dump()]).toEqual(before);
  });

  test("follows a fleet that lives below branches", async () => {
    fleet = new MemoryFleet();
    fleet.remote.refuseCustomRefs();
    const [left, right] = [await fleet.add("code1"), await fleet.add("code2")];
    await right.send({ to: ["code1"], body: "through a branch" });
    await left.receive();
    expect(bodies(left)).toEqual(["through a branch"]);
    const { calls } = fleet.remote;
    await left.receive();
    expect(fleet.remote.calls).toBe(calls + 1);
  });

  test("pins the key of a writer at first sight, with nothing handled", () => {
    expect(findPeer(me.state, "code2")).toMatchObject({
      publicKey: other.identity.publicKey,
      forgotten: false,
    });
    expect(listPeers(me.state).map((peer) => peer.server)).toEqual(["code2"]);
  });

  test("reads the own log into the index as sent, never as unread", async () => {
    const id = await me.send({ to: ["all"] });
    await me.receive();
    expect(me.message(id)).toMatchObject({ toMe: false });
    expect(countUnread(me.index)).toBe(0);
  });

  test("tells when the remote does not hold the own log", async () => {
    expect((await me.receive()).ownRefBehind).toBe(false);
    fleet.remote.put(me.logRef, [], null);
    expect((await me.receive()).ownRefBehind).toBe(true);
    await me.flush();
    expect((await me.receive()).ownRefBehind).toBe(false);
  });

  test("does not read a chunk again that it had committed when the next one failed", async () => {
    const tip = loadProgress(me.index, "code2")?.tip;
    const id = await other.send({ to: ["code1"] });
    me.index.failOnce("INSERT OR IGNORE INTO entries");
    expect(await me.receive().catch((thrown: unknown) => thrown)).toMatchObject({ code: "IO" });
    expect(loadProgress(me.index, "code2")?.tip).toBe(tip ?? "");
    expect((await me.receive()).acceptedLines).toBe(1);
    expect(me.message(id).toMe).toBe(true);
  });

  test("takes in more batches than one chunk", async () => {
    for (let count = 0; count < 410; count += 1) {
      await commitDrafts(other.sendPorts, [other.draft({ to: ["code1"], body: String(count) })]);
    }
    await other.flush();
    expect((await me.receive()).acceptedLines).toBe(410);
    expect(bodies().length).toBe(100);
    expect(loadProgress(me.index, "code2")?.seq).toBe(411);
  });
});

describe("history", () => {
  test("is what was there before this server joined: readable, not unread", async () => {
    await other.send({ to: ["all"], body: "long ago" });
    const late = await fleet.add("code3");
    expect(bodies(late)).toEqual(["long ago"]);
    expect(countUnread(late.index)).toBe(0);
    expect(findPeer(late.state, "code2")?.history.seq).toBe(2);
    expect(readSetting(late.state, "joining")).toBeNull();
  });

  test("ends with the first look that reached the remote", async () => {
    const late = await fleet.join("code3");
    fleet.remote.troubles.nextFailures.push({ kind: "unreachable", detail: "no" });
    await receiveMessages(late.receivePorts, PATIENTLY);
    expect(readSetting(late.state, "joining")).not.toBeNull();
    await late.receive();
    await other.send({ to: ["code3"], body: "welcome" });
    await late.receive();
    expect(countUnread(late.index)).toBe(1);
  });

  test("is declared anew when the first look was cut off in between", async () => {
    await other.send({ to: ["all"], body: "long ago" });
    const late = await fleet.join("code3");
    late.state.failOnce("UPDATE peers SET history_epoch");
    await late.receive().catch(() => undefined);
    await late.receive();
    expect(countUnread(late.index)).toBe(0);
    expect(findPeer(late.state, "code2")?.history.seq).toBe(2);
  });

  test("is still history in an index that was made anew", async () => {
    await other.send({ to: ["all"], body: "long ago" });
    const late = await fleet.add("code3");
    await other.send({ to: ["all"], body: "new" });
    await late.receive();
    late.loseIndex();
    await ingestStore(late.receivePorts);
    expect(bodies(late)).toEqual(["long ago", "new"]);
    expect(countUnread(late.index)).toBe(1);
  });
});

describe("what is not believed", () => {
  test("a batch without a signature is quarantined with its place", async () => {
    const commit = forge(other, { "entries.jsonl": toUtf8("{}\n") });
    expect((await me.receive()).quarantined).toBe(1);
    expect(listQuarantine(me.index)).toMatchObject([
      { server: "code2", place: commit, reason: "no entries.sig" },
    ]);
  });

  test("a batch signed with another key is quarantined, and others' messages arrive", async () => {
    const third = await fleet.add("code3");
    await me.receive();
    const line = encodeLine({
      v: 1,
      id: systemCryptography.uuidV7(1),
      seq: 2,
      prev: loadHead(other.state)?.hash ?? null,
      from: "code2",
      at: "2026-01-01T00:00:00.000Z",
      type: "message",
      to: ["code1"],
      subject: "",
      body: "forged",
    });
    forge(other, await signedLog([line], third.tools));
    await third.send({ to: ["code1"], body: "real" });
    expect(await me.receive()).toMatchObject({ acceptedLines: 1, quarantined: 1 });
    expect(bodies()).toEqual(["real"]);
    expect(reasons()).toEqual(["signature missing or wrong"]);
  });

  test("a batch on top of rubbish is accepted when it continues the chain", async () => {
    const head = loadHead(other.state);
    forge(other, { "entries.jsonl": toUtf8("rubbish\n"), "entries.sig": toUtf8("rubbish") });
    const line = encodeLine({
      v: 1,
      id: systemCryptography.uuidV7(1),
      seq: (head?.seq ?? 0) + 1,
      prev: head?.hash ?? null,
      from: "code2",
      at: "2026-01-01T00:00:00.000Z",
      type: "message",
      to: ["code1"],
      subject: "",
      body: "after the rubbish",
    });
    forge(other, await signedLog([line], other.tools));
    expect(await me.receive()).toMatchObject({ acceptedLines: 1, quarantined: 1 });
    expect(bodies()).toEqual(["after the rubbish"]);
    expect(loadProgress(me.index, "code2")).toMatchObject({
      seq: 2,
      hash: hashLine(line.subarray(0, -1), systemCryptography),
    });
  });

  test("a batch over its size is quarantined from its size alone", async () => {
    forge(other, { "entries.jsonl": new Uint8Array(LIMITS.batchBytesMax + 1), "entries.sig": toUtf8("x") });
    await me.receive();
    expect(reasons()).toEqual([`entries.jsonl has ${LIMITS.batchBytesMax + 1} bytes`]);
  });

  test("a batch that was pushed twice is quarantined the second time", async () => {
    await other.send({ to: ["code1"], body: "once" });
    const [entries, signature] = await other.store.readObjects(
      [`${tipOf(other)}:entries.jsonl`, `${tipOf(other)}:entries.sig`],
      10_000,
    );
    if (entries?.status !== "found" || signature?.status !== "found") throw new Error("no batch");
    forge(other, { "entries.jsonl": entries.content, "entries.sig": signature.content });
    expect(await me.receive()).toMatchObject({ acceptedLines: 1, quarantined: 1 });
    expect(bodies()).toEqual(["once"]);
  });

  test("one line that cannot be read is quarantined in its place, and the lines around it are taken", async () => {
    const head = loadHead(other.state);
    const future = toUtf8(`{"v":1,"type":"poll","seq":2}\n`);
    const line = encodeLine({
      v: 1,
      id: systemCryptography.uuidV7(1),
      seq: 3,
      prev: hashLine(future.subarray(0, -1), systemCryptography),
      from: "code2",
      at: "2026-01-01T00:00:00.000Z",
      type: "message",
      to: ["code1"],
      subject: "",
      body: "after the poll",
    });
    expect(head?.seq).toBe(1);
    forge(other, await signedLog([future, line], other.tools));
    await me.receive();
    expect(bodies()).toEqual(["after the poll"]);
    expect(listQuarantine(me.index)).toMatchObject([
      { place: `${other.identity.epoch}:2`, reason: 'entry type "poll"' },
    ]);
  });

  test("a log of another fleet pins no key", async () => {
    const elsewhere = new MemoryFleet();
    const stranger = await elsewhere.add("code9");
    const tip = elsewhere.remote.refs.get(stranger.logRef) ?? "";
    fleet.remote.put("refs/fleet/log/code9", [...elsewhere.remote.objects.values()], tip);
    expect((await me.receive()).quarantined).toBe(1);
    expect(findPeer(me.state, "code9")).toBeNull();
    expect(reasons()[0]).toContain("key entry is for fleet");
  });

  test("a server's log on the ref of another one is quarantined", async () => {
    fleet.remote.put("refs/fleet/log/code9", [], tipOf(other));
    await me.receive();
    expect(findPeer(me.state, "code9")).toBeNull();
    expect(reasons()).toEqual(['entry is from "code2", the log is of "code9"']);
  });

  test("refs whose name is no server id are passed over", async () => {
    for (const name of ["all", "con", "Code2", "code2/below"]) {
      fleet.remote.put(`refs/fleet/log/${name}`, [], tipOf(other));
    }
    expect(await me.receive()).toMatchObject({ acceptedLines: 0, quarantined: 0 });
    expect(listPeers(me.state).map((peer) => peer.server)).toEqual(["code2"]);
  });
});

describe("a log that does not continue what is known of it", () => {
  const rewrite = async (): Promise<string> => {
    await other.send({ to: ["code1"], body: "the truth" });
    await me.receive();
    const known = tipOf(other);
    const commit = strangersCommit(await signedLog([toUtf8("{}\n")], other.tools), null);
    fleet.remote.put(other.logRef, commit.all, commit.commitId);
    return known;
  };

  test("is kept as it was known, and raises an alarm at the second look", async () => {
    const known = await rewrite();
    expect((await me.receive()).acceptedLines).toBe(0);
    expect(listAlarms(me.index)).toEqual([]);
    await me.receive();
    expect(listAlarms(me.index)).toMatchObject([{ server: "code2", kind: "rewritten" }]);
    expect(bodies()).toEqual(["the truth"]);
    expect(loadProgress(me.index, "code2")?.tip).toBe(known);
    expect(me.store.refs.get("refs/kept/log/code2")).toBe(known);
  });

  test("ends the alarm when it is as it was", async () => {
    const known = await rewrite();
    await me.receive();
    await me.receive();
    fleet.remote.put(other.logRef, [], known);
    await me.receive();
    expect(listAlarms(me.index)).toEqual([]);
  });

  test("ends the alarm when it continues what is known", async () => {
    await rewrite();
    await me.receive();
    await me.receive();
    fleet.remote.put(other.logRef, [], null);
    await other.send({ to: ["code1"], body: "and more of it" });
    await me.receive();
    expect(listAlarms(me.index)).toEqual([]);
    expect(bodies()).toEqual(["the truth", "and more of it"]);
  });

  test("is read on when a stranger's commit was taken off it again: nobody is silenced", async () => {
    await other.send({ to: ["code1"], body: "before" });
    const before = tipOf(other);
    forge(other, { "entries.jsonl": toUtf8("rubbish\n") });
    await me.receive();
    fleet.remote.put(other.logRef, [], before);
    await me.receive();
    await other.send({ to: ["code1"], body: "after" });
    await me.receive();
    expect(bodies()).toEqual(["before", "after"]);
    expect(me.index.all("SELECT * FROM alarms")).toEqual([]);
    expect(me.store.refs.get("refs/kept/log/code2")).toBe(tipOf(other));
  });

  test("is read from its start when nothing of what was there before could be believed", async () => {
    const rubbish = strangersCommit({ "entries.jsonl": toUtf8("rubbish\n") }, null);
    fleet.remote.put("refs/fleet/log/code3", rubbish.all, rubbish.commitId);
    await me.receive();
    fleet.remote.put("refs/fleet/log/code3", [], null);
    const third = await fleet.add("code3");
    await third.send({ to: ["code1"], body: "real" });
    await me.receive();
    expect(bodies()).toEqual(["real"]);
  });

  test("is not taken for the known one because it repeats its last line", async () => {
    await other.send({ to: ["code1"], body: "the truth" });
    await me.receive();
    const known = tipOf(other);
    const [entries] = await other.store.readObjects([`${known}:entries.jsonl`], 10_000);
    const copy = entries?.status === "found" ? entries.content : toUtf8("");
    const commit = strangersCommit({ "entries.jsonl": copy, "entries.sig": toUtf8("x") }, null);
    fleet.remote.put(other.logRef, commit.all, commit.commitId);
    await me.receive();
    await me.receive();
    expect(listAlarms(me.index)).toMatchObject([{ server: "code2", kind: "rewritten" }]);
    expect(me.store.refs.get("refs/kept/log/code2")).toBe(known);
  });

  test("does not take away what is known when the index is made anew", async () => {
    await rewrite();
    await me.receive();
    me.loseIndex();
    await ingestStore(me.receivePorts);
    expect(bodies()).toEqual(["the truth"]);
  });

  test("that vanished from the remote is still known in an index made anew", async () => {
    await other.send({ to: ["code1"], body: "the truth" });
    await me.receive();
    fleet.remote.put(other.logRef, [], null);
    fleet.remote.put(other.cardRef, [], null);
    await me.receive();
    expect(bodies()).toEqual(["the truth"]);
    me.loseIndex();
    await ingestStore(me.receivePorts);
    expect(bodies()).toEqual(["the truth"]);
  });
});

describe("ingestStore()", () => {
  test("makes the same index again from the store, without the network", async () => {
    await other.send({ to: ["code1"], body: "1" });
    await me.send({ to: ["code2"], body: "2" });
    await me.receive();
    const tables = (): unknown[] => [
      bodies(),
      [...me.index.all("SELECT writer, epoch, seq, hash, id FROM entries ORDER BY writer, seq")],
      [...me.index.all("SELECT * FROM progress ORDER BY writer")],
    ];
    const before = tables();
    const { calls } = fleet.remote;
    me.loseIndex();
    expect(bodies()).toEqual([]);
    await ingestStore(me.receivePorts);
    expect(tables()).toEqual(before);
    expect(fleet.remote.calls).toBe(calls);
  });

  test("of an empty store is empty", async () => {
    const fresh = await fleet.join("code3");
    expect(await ingestStore(fresh.receivePorts)).toEqual({
      acceptedLines: 0,
      quarantined: 0,
      cardsTaken: 0,
      ownRefBehind: false,
      otherFleet: false,
      own: { tip: null, card: null, meta: expect.any(String) },
    });
  });
});
