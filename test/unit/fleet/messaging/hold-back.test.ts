import { beforeEach, describe, expect, test } from "bun:test";
import { requireOk } from "../../../../src/base/errors.ts";
import { applyAdd, planAdd, revokeTrust, shownKey } from "../../../../src/fleet/messaging/change-trust.ts";
import {
  currentProgress,
  mayActOn,
  OTHER_KEY,
  refusalOf,
  startOfReading,
  traceLog,
} from "../../../../src/fleet/messaging/hold-back.ts";
import { listAlarms, listQuarantine } from "../../../../src/fleet/messaging/index-troubles.ts";
import { TRACKING } from "../../../../src/fleet/messaging/mailbox-ports.ts";
import { loadProgress } from "../../../../src/fleet/messaging/message-index.ts";
import { findPeer } from "../../../../src/fleet/messaging/peers.ts";
import { findCard } from "../../../../src/fleet/messaging/stored-cards.ts";
import { findTrust, setTrustPolicy } from "../../../../src/fleet/messaging/trust.ts";
import { MemoryFleet, type MemoryServer } from "../../../helpers/memory-fleet.ts";

let fleet: MemoryFleet;
let me: MemoryServer;
let other: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("me");
  other = await fleet.add("other");
});

const ask = { to: ["me"], body: "status?", kind: "request" } as const;
const knows = (id: string): boolean => me.index.get("SELECT 1 FROM entries WHERE id = ?", id) !== null;
const tipOf = (server: string): string => me.store.readRefs(TRACKING.log).get(TRACKING.log + server) ?? "";

/** As the command does it. */
async function add(server: string, named: string | null = null): Promise<void> {
  const shown = await shownKey(me.receivePorts, server);
  const plan = requireOk("BAD_INPUT", planAdd(me.receivePorts, server, { named, shown }));
  applyAdd(me.receivePorts, server, { plan, shown });
}

describe("in pinned mode a stranger's log", () => {
  beforeEach(() => {
    setTrustPolicy(me.state, { mode: "pinned", keys: {} });
  });

  test("is looked at, and nothing of it is indexed, pinned, carded or answered", async () => {
    const id = await other.send(ask);
    const report = await me.receive();
    expect(report).toMatchObject({ acceptedLines: 0, cardsTaken: 0, quarantined: 0 });
    expect(knows(id)).toBe(false);
    expect(findPeer(me.state, "other")).toBeNull();
    expect(findCard(me.index, "other")).toBeNull();
    expect(loadProgress(me.index, "other")).toBeNull();
    expect(me.answer()).toEqual([]);
    expect(findTrust(me.state, "other")).toMatchObject({
      word: "",
      heldTip: tipOf("other"),
      held: { publicKey: other.identity.publicKey, seq: 2 },
    });
  });

  test("is read from the start once it is added: what was there is history, what comes is answered", async () => {
    const before = await other.send(ask);
    await me.receive();
    const between = await other.send(ask);
    await me.receive();
    await add("other");
    expect(mayActOn(me.receivePorts, "other")).toBe(false);
    await me.receive();
    expect(mayActOn(me.receivePorts, "other")).toBe(true);
    expect([before, between].map((id) => me.message(id).history)).toEqual([true, true]);
    expect(me.answer()).toEqual([]);
    const after = await other.send(ask);
    await me.receive();
    expect(me.message(after).history).toBe(false);
    expect(me.answer().map(({ message, act }) => [message.id, act])).toEqual([[after, "answer"]]);
    expect(findCard(me.index, "other")).not.toBeNull();
  });

  test("shows the key that it came to when it was changed meanwhile", async () => {
    await me.receive();
    const { next } = await other.rotate();
    await other.send(ask);
    await me.receive();
    expect(findTrust(me.state, "other")?.held?.publicKey).toBe(next);
    await add("other");
    await me.receive();
    expect(findPeer(me.state, "other")?.publicKey).toBe(next);
    expect(listQuarantine(me.index)).toEqual([]);
  });

  test("of a listed key is taken as any other, in whichever form it is listed and though it was changed since", async () => {
    const { next } = await other.rotate();
    await other.flush();
    setTrustPolicy(me.state, { mode: "pinned", keys: { other: next } });
    await me.receive();
    expect(findPeer(me.state, "other")?.publicKey).toBe(next);
  });

  test("of another key than the listed one is refused with an alarm, and nobody else is affected", async () => {
    const third = await fleet.add("third");
    setTrustPolicy(me.state, {
      mode: "pinned",
      keys: { other: me.identity.publicKey, third: third.identity.publicKey },
    });
    const id = await third.send(ask);
    await other.send(ask);
    await me.receive();
    await me.receive();
    expect(listAlarms(me.index).map(({ server, kind }) => [server, kind])).toEqual([["other", OTHER_KEY]]);
    expect(findPeer(me.state, "other")).toBeNull();
    expect(me.answer().map(({ message }) => message.id)).toEqual([id]);
    setTrustPolicy(me.state, { mode: "pinned", keys: { other: other.identity.publicKey } });
    await me.receive();
    expect(findPeer(me.state, "other")?.publicKey).toBe(other.identity.publicKey);
    expect(listAlarms(me.index)).toEqual([]);
  });
});

describe("a revoked server", () => {
  test("keeps what it said, and nothing that it says or shows from then on is taken", async () => {
    const before = await other.send(ask);
    await me.receive();
    const card = findCard(me.index, "other")?.commitId;
    revokeTrust(me.receivePorts, "other");
    // Even what was accepted and not answered yet.
    expect(me.answer()).toEqual([]);
    const after = await other.send(ask);
    await other.rotate();
    await other.flush();
    await me.receive();
    expect(me.answer()).toEqual([]);
    expect([knows(before), knows(after)]).toEqual([true, false]);
    expect(findCard(me.index, "other")?.commitId).toBe(card as string);
    expect(listQuarantine(me.index).map(({ server, reason }) => [server, reason])).toEqual([
      ["other", "revoked"],
      ["other", "revoked"],
    ]);
    me.loseIndex();
    await me.receive();
    expect([knows(before), knows(after)]).toEqual([true, false]);
  });

  test("is trusted again with trust add: all of it is history", async () => {
    const before = await other.send(ask);
    await me.receive();
    revokeTrust(me.receivePorts, "other");
    const meanwhile = await other.send(ask);
    await me.receive();
    await add("other");
    await me.receive();
    expect([before, meanwhile].map((id) => me.message(id).history)).toEqual([true, true]);
    expect(me.answer()).toEqual([]);
    expect(listQuarantine(me.index)).toEqual([]);
    const after = await other.send(ask);
    await me.receive();
    expect(me.answer().map(({ message }) => message.id)).toEqual([after]);
  });
});

describe("startOfReading()", () => {
  test("goes on with the key that counts where the log was read to, and follows it from the start", async () => {
    await me.receive();
    const first = other.identity.publicKey;
    const { next } = await other.rotate();
    await other.flush();
    await me.receive();
    const commits = (await me.store.listCommits(tipOf("other"), null, 100)).map((step) => step.id);
    const progress = currentProgress(me.receivePorts, "other");
    const ports = me.receivePorts;
    expect(await startOfReading(ports, "other", { commits: [], progress })).toMatchObject({
      publicKey: next,
      seq: 1,
    });
    expect(await startOfReading(ports, "other", { commits, progress: null })).toMatchObject({
      publicKey: first,
      seq: 0,
    });
    expect(await startOfReading(ports, "nobody", { commits, progress: null })).toBeNull();
    // Without the batch that hands it over, the log does not come to the key that counts.
    const cut = commits.slice(0, -1);
    expect(await startOfReading(ports, "other", { commits: cut, progress: null })).toBe("astray");
    expect((await traceLog(ports, { server: "other", tip: tipOf("other") })).keys).toEqual([first, next]);
  });
});

describe("refusalOf()", () => {
  test("is nothing for a server that nobody said anything about, and for a ref that is named like none", async () => {
    await me.receive();
    expect(await refusalOf(me.receivePorts, { server: "other", tip: tipOf("other") })).toBeNull();
    setTrustPolicy(me.state, { mode: "pinned", keys: {} });
    expect(await refusalOf(me.receivePorts, { server: "Not One", tip: "" })).toBeNull();
    expect(await refusalOf(me.receivePorts, { server: "other", tip: tipOf("other") })).toMatchObject({
      why: "waiting",
    });
  });
});
