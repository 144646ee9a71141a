import { beforeEach, describe, expect, test } from "bun:test";
import { toUtf8 } from "../../../../src/base/bytes.ts";
import { buildCard, type Card } from "../../../../src/fleet/messaging/card.ts";
import { listAlarms, listQuarantine } from "../../../../src/fleet/messaging/index-troubles.ts";
import { LIMITS } from "../../../../src/fleet/messaging/model.ts";
import { findPeer } from "../../../../src/fleet/messaging/peers.ts";
import { readCard } from "../../../../src/fleet/messaging/receive-cards.ts";
import { ingestStore } from "../../../../src/fleet/messaging/receive-messages.ts";
import { listCards } from "../../../../src/fleet/messaging/stored-cards.ts";
import { MemoryFleet, type MemoryServer, strangersCommit } from "../../../helpers/memory-fleet.ts";

let fleet = new MemoryFleet();
let me: MemoryServer;
let other: MemoryServer;
let card: Card;
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
  other = await fleet.add("code2");
  await me.receive();
  card = cardOf();
});

function cardOf(): Card {
  const found = listCards(me.index).find((stored) => stored.server === "code2");
  if (found === undefined) throw new Error("no card of code2");
  return found.card;
}

/** Puts a card on the ref of code2, signed by `signer`. */
async function put(changed: Card, signer = other): Promise<string> {
  const built = await buildCard({ card: changed, parent: null, committedMs: 1 }, signer.tools);
  fleet.remote.put(other.cardRef, built.objects, built.commitId);
  return built.commitId;
}

const putFiles = (files: Record<string, Uint8Array>): string => {
  const commit = strangersCommit(files, null);
  fleet.remote.put(other.cardRef, commit.all, commit.commitId);
  return commit.commitId;
};
const refused = (): string[] => listQuarantine(me.index).map((one) => one.reason);

describe("receiveCards()", () => {
  test("takes a newer card once", async () => {
    await put({ ...card, n: card.n + 1, version: "9.9.9" });
    expect((await me.receive()).cardsTaken).toBe(1);
    expect((await me.receive()).cardsTaken).toBe(0);
    expect(cardOf().version).toBe("9.9.9");
    expect(findPeer(me.state, "code2")?.cardN).toBe(card.n + 1);
  });

  test("keeps fields that it does not know", async () => {
    await put({ ...card, n: card.n + 1, mood: "good" });
    await me.receive();
    expect(cardOf()).toMatchObject({ mood: "good" });
  });

  test("leaves the own card alone", () => {
    expect(listCards(me.index).map((stored) => stored.server)).toEqual(["code2"]);
  });

  test("passes over a card without a log: its key is not known", async () => {
    const built = await buildCard(
      { card: { ...card, server: "code7" }, parent: null, committedMs: 1 },
      other.tools,
    );
    fleet.remote.put("refs/fleet/state/code7", built.objects, built.commitId);
    expect((await me.receive()).cardsTaken).toBe(0);
    expect(refused()).toEqual([]);
  });

  test("quarantines a card without a signature", async () => {
    const place = putFiles({ "card.json": toUtf8(JSON.stringify({ ...card, n: 99 })) });
    await me.receive();
    expect(listQuarantine(me.index)).toMatchObject([
      { server: "code2", place, reason: "card or its signature is missing or too large" },
    ]);
    expect(cardOf()).toEqual(card);
  });

  test("quarantines a card over its size", async () => {
    putFiles({ "card.json": new Uint8Array(LIMITS.cardBytesMax + 1), "card.sig": toUtf8("x") });
    await me.receive();
    expect(refused()).toEqual(["card or its signature is missing or too large"]);
  });

  test("quarantines a card that another key signed, even a server's of the fleet", async () => {
    await put({ ...card, n: 99 }, me);
    await me.receive();
    expect(refused()).toEqual(["signature of the card is missing or wrong"]);
    expect(cardOf()).toEqual(card);
  });

  test("quarantines a card that was changed after it was signed", async () => {
    const { json, signature } = await readCard(me.store, fleet.remote.refs.get(other.cardRef) ?? "");
    if (json === null || signature === null) throw new Error("no card");
    putFiles({
      "card.json": toUtf8(new TextDecoder().decode(json).replace("1.2.3", "6.6.6")),
      "card.sig": signature,
    });
    await me.receive();
    expect(refused()).toEqual(["signature of the card is missing or wrong"]);
  });

  test("quarantines a card that speaks of another server", async () => {
    await put({ ...card, n: 99, server: "code3" });
    await me.receive();
    expect(refused()).toEqual(['card is of "code3", the ref of "code2"']);
  });

  test("quarantines a card of another fleet", async () => {
    await put({ ...card, n: 99, fleet: "01234567-89ab-7def-8123-456789abcdef" });
    await me.receive();
    expect(refused()).toEqual(["card is for another fleet"]);
  });

  test.each([
    ["a lower", -1],
    ["the same", 0],
  ])("quarantines a card with %s number as replayed", async (_, step) => {
    await put({ ...card, n: 10 });
    await me.receive();
    await put({ ...card, n: 10 + step, version: "0.0.1" });
    expect((await me.receive()).cardsTaken).toBe(0);
    expect(refused()).toEqual([`card ${10 + step} is not newer than 10: replayed`]);
    expect(cardOf().version).toBe(card.version);
  });

  test("takes the next good card after any number of bad ones", async () => {
    await put({ ...card, n: 99 }, me);
    await me.receive();
    await put({ ...card, n: card.n + 1 });
    expect((await me.receive()).cardsTaken).toBe(1);
  });

  test("takes the current card again into an index made anew, and no older one", async () => {
    const old = fleet.remote.refs.get(other.cardRef) ?? "";
    await other.flush();
    await me.receive();
    me.loseIndex();
    await ingestStore(me.receivePorts);
    expect(cardOf().n).toBe(card.n + 1);
    me.loseIndex();
    fleet.remote.put(other.cardRef, [], old);
    await me.receive();
    expect(listCards(me.index)).toEqual([]);
    expect(refused()).toEqual([`card ${card.n} is not newer than ${card.n + 1}: replayed`]);
  });

  test("takes a card again that was noted as taken, and then could not be stored", async () => {
    await put({ ...card, n: 10, version: "9.9.9" });
    me.index.failOnce("INSERT OR REPLACE INTO cards");
    expect(await me.receive().catch((thrown: unknown) => thrown)).toMatchObject({ code: "IO" });
    expect((await me.receive()).cardsTaken).toBe(1);
    expect(cardOf().version).toBe("9.9.9");
  });
});

describe("hidden messages", () => {
  const hide = (): Promise<string> => {
    const log = { ...card.log, seq: card.log.seq + 5 };
    return put({ ...card, n: card.n + 1, log });
  };

  test("alarm when a card speaks of more than its log shows, from the second look on", async () => {
    await hide();
    await me.receive();
    expect(listAlarms(me.index)).toEqual([]);
    await me.receive();
    expect(listAlarms(me.index)).toMatchObject([{ server: "code2", kind: "hidden", rounds: 2 }]);
    expect(listAlarms(me.index)[0]?.detail).toContain("speaks of entry 6, its log ends at 1");
  });

  test("do not alarm when the log had only come a little later than its card", async () => {
    const before = fleet.remote.refs.get(other.logRef) ?? "";
    await other.send({ to: ["code1"] });
    const after = fleet.remote.refs.get(other.logRef) ?? "";
    fleet.remote.put(other.logRef, [], before);
    await me.receive();
    fleet.remote.put(other.logRef, [], after);
    await me.receive();
    await me.receive();
    expect(me.index.all("SELECT * FROM alarms")).toEqual([]);
  });

  test("end the alarm when the log shows them", async () => {
    const before = fleet.remote.refs.get(other.logRef) ?? "";
    await other.send({ to: ["code1"] });
    const after = fleet.remote.refs.get(other.logRef) ?? "";
    fleet.remote.put(other.logRef, [], before);
    await me.receive();
    await me.receive();
    expect(listAlarms(me.index)).toHaveLength(1);
    fleet.remote.put(other.logRef, [], after);
    await me.receive();
    expect(listAlarms(me.index)).toEqual([]);
  });
});

test("readCard() answers null for what is missing", async () => {
  const commit = strangersCommit({ "card.json": toUtf8("{}") }, null);
  me.store.writeObjects(commit.all, false);
  expect(await readCard(me.store, commit.commitId)).toEqual({ json: toUtf8("{}"), signature: null });
});
