// What a store has lost of a log that was fetched: a matter of this machine, never of the log's writer.
import { beforeEach, describe, expect, test } from "bun:test";
import type { GitObject } from "../../../../src/base/ports/git-store.ts";
import {
  addQuarantine,
  freshAlarms,
  hasRefused,
  listAlarms,
  listQuarantine,
  readRefusedAgain,
} from "../../../../src/fleet/messaging/index-troubles.ts";
import { UNREADABLE, UNREADABLE_CARD } from "../../../../src/fleet/messaging/ingest-log.ts";
import { listInbox } from "../../../../src/fleet/messaging/mailbox-queries.ts";
import { loadProgress } from "../../../../src/fleet/messaging/message-index.ts";
import { ingestStore } from "../../../../src/fleet/messaging/receive-messages.ts";
import { listCards } from "../../../../src/fleet/messaging/stored-cards.ts";
import { compactMemory, entriesOf } from "../../../helpers/memory-compaction.ts";
import { MemoryFleet, type MemoryServer } from "../../../helpers/memory-fleet.ts";
import { filesOf } from "../../../helpers/memory-git.ts";

let fleet = new MemoryFleet();
let me: MemoryServer;
let other: MemoryServer;
let third: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
  other = await fleet.add("code2");
  third = await fleet.add("code3");
  await me.receive();
  for (let count = 1; count <= 4; count += 1) await other.send({ to: ["code1"], body: `${count}` });
  await third.send({ to: ["code1"], body: "third" });
  await me.receive();
});

const bodiesOf = (writer: MemoryServer): string[] =>
  listInbox(me.index, { limit: 100 })
    .filter(({ message }) => message.from === writer.name)
    .map(({ message }) => message.body)
    .reverse();
const alarms = (): string[] => listAlarms(me.index).map(({ server, kind }) => `${server} ${kind}`);

/** The object that a commit of the remote names by this path. */
function objectAt(commit: string, path: string): GitObject {
  const { objects } = fleet.remote;
  const found = objects.get(commit);
  const id = found === undefined ? undefined : filesOf(found, objects).get(path);
  const object = id === undefined ? undefined : objects.get(id);
  if (object === undefined) throw new Error(`nothing at ${commit}:${path}`);
  return object;
}

/** The batches of a log on the remote, oldest first. */
async function commitsOf(server: MemoryServer): Promise<string[]> {
  const tip = fleet.remote.refs.get(server.logRef) ?? "";
  return (await server.store.listCommits(tip, null, 1e9)).map(({ id }) => id);
}

describe("a log of which the store has lost something", () => {
  test.each(["entries.jsonl", "entries.sig"])(
    "is told and not refused where %s is gone, and read whole once it is there again",
    async (path) => {
      const lost = objectAt((await commitsOf(other))[2] ?? "", path);
      me.store.objects.delete(lost.id);
      me.loseIndex();
      await me.receive();
      expect(freshAlarms(me.index, [UNREADABLE])).toEqual([
        { server: "code2", kind: UNREADABLE, detail: expect.stringContaining(lost.id) },
      ]);
      await me.receive();
      expect(alarms()).toEqual([`code2 ${UNREADABLE}`]);
      expect(listQuarantine(me.index)).toEqual([]);
      expect(bodiesOf(third)).toEqual(["third"]);
      await other.send({ to: ["code1"], body: "5" });
      await me.receive();
      expect(listQuarantine(me.index)).toEqual([]);
      me.store.writeObjects([lost], true);
      await me.receive();
      expect(bodiesOf(other)).toEqual(["1", "2", "3", "4", "5"]);
      expect(alarms()).toEqual([]);
      expect(listQuarantine(me.index)).toEqual([]);
    },
  );

  test("is told where an object is damaged, and the own log keeps nobody waiting", async () => {
    await me.send({ to: ["all"], body: "mine" });
    await me.receive();
    const damaged = objectAt((await commitsOf(me)).at(-1) ?? "", "entries.jsonl");
    me.store.damage(damaged.id);
    me.loseIndex();
    await me.receive();
    await me.receive();
    expect(alarms()).toEqual([`code1 ${UNREADABLE}`]);
    expect(bodiesOf(other)).toEqual(["1", "2", "3", "4"]);
    me.store.writeObjects([damaged], true);
    await me.receive();
    expect(alarms()).toEqual([]);
    expect(loadProgress(me.index, "code1")?.tip).toBe((await commitsOf(me)).at(-1) ?? "");
  });

  test("is not gone on with behind a former log that cannot be read: nothing counts as missed", async () => {
    const former = await commitsOf(other);
    const before = entriesOf(me, "code2");
    await other.receive();
    await compactMemory(other, former.length - 1);
    await me.receive();
    for (const batch of former.slice(2, 4)) me.store.objects.delete(objectAt(batch, "entries.jsonl").id);
    me.loseIndex();
    for (let look = 0; look < 3; look += 1) await me.receive();
    expect(alarms()).toEqual([`code2 ${UNREADABLE}`]);
    expect(bodiesOf(other)).not.toContain("4");
    for (const batch of former.slice(2, 4)) me.store.writeObjects([objectAt(batch, "entries.jsonl")], true);
    await me.receive();
    expect(alarms()).toEqual([]);
    expect(entriesOf(me, "code2").slice(0, before.length)).toEqual(before);
    expect(bodiesOf(other)).toEqual(["1", "2", "3", "4"]);
  });

  test("is gone on with in the former log where reading ended, not in the one that followed", async () => {
    const former = await commitsOf(other);
    await other.receive();
    await compactMemory(other, former.length - 1);
    await me.receive();
    // As a look leaves it that was cut off in the middle of the former log.
    const lost = objectAt(former[2] ?? "", "entries.jsonl");
    me.store.objects.delete(lost.id);
    me.store.writeRef("refs/kept/former/code2/00000000", former[1] ?? "");
    me.loseIndex();
    for (let look = 0; look < 2; look += 1) await me.receive();
    expect(loadProgress(me.index, "code2")?.tip).toBe(former[1] ?? "");
    me.store.writeObjects([lost], true);
    await me.receive();
    expect(alarms()).toEqual([]);
    expect(bodiesOf(other)).toEqual(["1", "2", "3", "4"]);
  });

  test("is taken in by an index that is made anew without the network, once it is whole", async () => {
    const lost = objectAt((await commitsOf(other))[1] ?? "", "entries.jsonl");
    me.store.objects.delete(lost.id);
    me.loseIndex();
    await ingestStore(me.receivePorts);
    me.store.writeObjects([lost], true);
    await ingestStore(me.receivePorts);
    expect(bodiesOf(other)).toEqual(["1", "2", "3", "4"]);
  });
});

describe("a card of which the store has lost something", () => {
  test("is an alarm, and the others are taken", async () => {
    const card = fleet.remote.refs.get(other.cardRef) ?? "";
    const lost = objectAt(card, "card.json");
    me.loseIndex();
    me.store.objects.delete(lost.id);
    await me.receive();
    await me.receive();
    expect(alarms()).toEqual([`code2 ${UNREADABLE_CARD}`]);
    expect(listCards(me.index).map(({ server }) => server)).toEqual(["code3"]);
    expect(bodiesOf(other)).toEqual(["1", "2", "3", "4"]);
    me.store.writeObjects([lost], true);
    await me.receive();
    expect(alarms()).toEqual([]);
    expect(listQuarantine(me.index)).toEqual([]);
    expect(listCards(me.index).map(({ server }) => server)).toEqual(["code2", "code3"]);
  });
});

describe("readRefusedAgain()", () => {
  test("has logs judged anew of which something was refused, and those alone", async () => {
    const [, first = "", second = ""] = await commitsOf(other);
    const refuse = (server: string, place: string, reason: string): void =>
      addQuarantine(me.index, { server, place, reason }, 0);
    refuse("code2", first, "no entries.jsonl");
    refuse("code2", second, "seq is 3, expected 2");
    refuse("code3", second, "revoked");
    const untouched = loadProgress(me.index, "code3");
    const rows = entriesOf(me, "code2");
    readRefusedAgain(me.index);
    expect(loadProgress(me.index, "code2")).toBeNull();
    expect(loadProgress(me.index, "code3")).toEqual(untouched);
    await me.receive();
    expect(entriesOf(me, "code2")).toEqual(rows);
    expect(listQuarantine(me.index).map(({ server }) => server)).toEqual(["code3"]);
    expect([hasRefused(me.index, "code2"), hasRefused(me.index, "code3")]).toEqual([false, true]);
  });
});
