import { beforeEach, describe, expect, test } from "bun:test";
import {
  type AddPlan,
  applyAdd,
  isKnownHere,
  planAdd,
  revokeTrust,
  type ShownKey,
  shownKey,
} from "../../../../src/fleet/messaging/change-trust.ts";
import { formerKeys } from "../../../../src/fleet/messaging/former-keys.ts";
import { queueRun } from "../../../../src/fleet/messaging/handler-runs.ts";
import { listAlarms, listQuarantine } from "../../../../src/fleet/messaging/index-troubles.ts";
import { findPeer, setForgotten } from "../../../../src/fleet/messaging/peers.ts";
import { ingestStore } from "../../../../src/fleet/messaging/receive-messages.ts";
import { findTrust, fingerprintOfKey, setTrustPolicy } from "../../../../src/fleet/messaging/trust.ts";
import { systemCryptography } from "../../../../src/platform/cryptography.ts";
import { MemoryFleet, type MemoryServer } from "../../../helpers/memory-fleet.ts";

let fleet: MemoryFleet;
let me: MemoryServer;
let other: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("me");
  other = await fleet.add("other");
  await me.receive();
});

const ask = { to: ["me"], body: "status?", kind: "request" } as const;
const printOf = (key: string): string => fingerprintOfKey(key, systemCryptography) ?? "";
const shownNow = (server = "other"): Promise<ShownKey | null> => shownKey(me.receivePorts, server);
const plan = async (named: string | null, server = "other") =>
  planAdd(me.receivePorts, server, { named, shown: await shownNow(server) });

/** Another machine with the id of `other`, whose refs are gone: as after a disk that was lost. */
async function reborn(): Promise<MemoryServer> {
  fleet.remote.refs.delete(other.logRef);
  fleet.remote.refs.delete(other.cardRef);
  const again = await fleet.add("other");
  await again.send(ask);
  return again;
}

describe("planAdd()", () => {
  test("confirms what is pinned or shown, by nothing, the key or its fingerprint", async () => {
    const { publicKey } = other.identity;
    const confirm: AddPlan = { kind: "confirm", key: publicKey };
    for (const named of [null, publicKey, printOf(publicKey)]) {
      expect(await plan(named)).toEqual({ ok: true, value: confirm });
    }
  });

  test("refuses what the remote or the configuration contradicts, and what nobody knows", async () => {
    const mine = me.identity.publicKey;
    const shown = printOf(other.identity.publicKey);
    expect(await plan(mine)).toMatchObject({
      error: `the remote shows ${shown} for it, and ${printOf(mine)} was given`,
    });
    expect(await plan(null, "nobody")).toMatchObject({
      error: "no key of it was ever seen, need its key or fingerprint",
    });
    setTrustPolicy(me.state, { mode: "first-sight", keys: { other: mine } });
    expect(await plan(null)).toMatchObject({
      error: `the configuration lists ${printOf(mine)} for it; change trust.keys.other there`,
    });
  });

  test("pins a key in advance, and takes only that one", async () => {
    const key = other.identity.publicKey;
    expect(await plan(printOf(key), "later")).toEqual({
      ok: true,
      value: { kind: "expect", key: printOf(key) },
    });
    applyAdd(me.receivePorts, "later", { plan: { kind: "expect", key: printOf(key) }, shown: null });
    await fleet.add("later");
    await me.receive();
    await me.receive();
    expect(findPeer(me.state, "later")).toBeNull();
    expect(listAlarms(me.index).map(({ kind }) => kind)).toEqual(["other-key"]);
  });

  test("replaces a pinned key by the whole one that is shown, and only with one", async () => {
    const again = await reborn();
    await me.receive();
    expect(listAlarms(me.index)).toEqual([]);
    await me.receive();
    const replace = { kind: "replace", key: again.identity.publicKey, previous: other.identity.publicKey };
    expect(await plan(null)).toMatchObject({ value: replace });
    expect(planAdd(me.receivePorts, "other", { named: again.identity.publicKey, shown: null })).toMatchObject(
      {
        value: replace,
      },
    );
    const print = printOf(again.identity.publicKey);
    expect(planAdd(me.receivePorts, "other", { named: print, shown: null })).toMatchObject({ ok: false });
  });
});

describe("applyAdd()", () => {
  test("after a loss reads the new log, keeps the old one readable, and answers only what comes later", async () => {
    const old = await other.send(ask);
    await me.receive();
    expect(me.answer()).toHaveLength(1);
    const again = await reborn();
    await me.receive();
    const shown = await shownNow();
    const replace = planAdd(me.receivePorts, "other", { named: null, shown });
    if (!replace.ok) throw new Error(replace.error);
    applyAdd(me.receivePorts, "other", { plan: replace.value, shown });
    await me.receive();
    expect(findPeer(me.state, "other")?.publicKey).toBe(again.identity.publicKey);
    expect(me.message(old).message.body).toBe("status?");
    expect(me.answer()).toEqual([]);
    const later = await again.send(ask);
    await me.receive();
    expect(me.answer().map(({ message }) => message.id)).toEqual([later]);
    expect(formerKeys(me.state, "other").map(({ how }) => how)).toEqual(["replaced"]);
    expect(listAlarms(me.index)).toEqual([]);
  });

  test("an index made anew holds the old log before the new one, also where the old one had changed its key", async () => {
    await other.rotate();
    const old = await other.send(ask);
    await me.receive();
    const again = await reborn();
    await me.receive();
    const shown = await shownNow();
    const replace = planAdd(me.receivePorts, "other", { named: null, shown });
    if (!replace.ok) throw new Error(replace.error);
    applyAdd(me.receivePorts, "other", { plan: replace.value, shown });
    const later = await again.send(ask);
    await me.receive();
    const entries = () =>
      me.index.all("SELECT epoch, seq, id, history FROM entries WHERE writer = 'other' ORDER BY position");
    const before = entries();
    expect(before.map((one) => (one as { id: string }).id)).toEqual(expect.arrayContaining([old, later]));
    me.loseIndex();
    await ingestStore(me.receivePorts);
    expect(entries()).toEqual(before);
    expect(listAlarms(me.index)).toEqual([]);
    expect(listQuarantine(me.index)).toEqual([]);
    expect(findPeer(me.state, "other")?.publicKey).toBe(again.identity.publicKey);
    expect(formerKeys(me.state, "other").map(({ how }) => how)).toEqual(["rotated", "replaced"]);
  });

  test("takes back a server that was left out, and acts on nothing that it said meanwhile", async () => {
    setForgotten(me.state, "other", 5);
    await other.send(ask);
    await me.receive();
    const shown = await shownNow();
    applyAdd(me.receivePorts, "other", { plan: { kind: "confirm", key: other.identity.publicKey }, shown });
    expect(findPeer(me.state, "other")?.forgotten).toBe(false);
    expect(findTrust(me.state, "other")).toMatchObject({ word: "added", heldTip: "" });
    expect(me.answer()).toEqual([]);
    const later = await other.send(ask);
    await me.receive();
    expect(me.answer().map(({ message }) => message.id)).toEqual([later]);
  });
});

describe("revokeTrust()", () => {
  test("puts aside what waits for a handler, and is for known servers", async () => {
    const id = await other.send(ask);
    await me.receive();
    const { message } = me.message(id);
    me.state.transaction(() => queueRun(me.state, { message, rule: "build", openMax: 10 }, 5));
    revokeTrust(me.receivePorts, "other");
    expect(me.state.get("SELECT state, reason FROM runs")).toEqual({
      state: "parked",
      reason: "its sender is not trusted any more",
    });
    expect(["other", "nobody"].map((server) => isKnownHere(me.receivePorts, server))).toEqual([true, false]);
  });
});
