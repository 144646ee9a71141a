import { beforeEach, describe, expect, test } from "bun:test";
import { type Delivery, deliveryOf } from "../../../../src/fleet/messaging/delivery.ts";
import { countUnread } from "../../../../src/fleet/messaging/mailbox-queries.ts";
import { markMessage } from "../../../../src/fleet/messaging/mark-message.ts";
import { ingestStore } from "../../../../src/fleet/messaging/receive-messages.ts";
import { MemoryFleet, type MemoryServer } from "../../../helpers/memory-fleet.ts";

let fleet = new MemoryFleet();
let me: MemoryServer;
let two: MemoryServer;
let three: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
  two = await fleet.add("code2");
  three = await fleet.add("code3");
  for (const server of [me, two, three]) await server.receive();
});

const delivery = (id: string): Delivery => deliveryOf(me.state, me.index, { server: "code1", id });
const states = (id: string): string[] => delivery(id).recipients.map((one) => `${one.server} ${one.state}`);

/** One whole round of a server: look, handle, and tell how far it got. */
async function round(server: MemoryServer): Promise<void> {
  await server.receive();
  server.answer();
  await server.flush();
}

describe("deliveryOf()", () => {
  test("is queued until the remote has confirmed it, built or not", async () => {
    const id = me.queue({ to: ["code2"] });
    expect(delivery(id)).toMatchObject({
      state: "queued",
      recipients: [{ server: "code2", state: "queued" }],
    });
    fleet.remote.troubles.outage = { kind: "unreachable", detail: "no" };
    await me.flush();
    expect(states(id)).toEqual(["code2 queued"]);
    fleet.remote.troubles.outage = null;
    await me.flush();
    expect(delivery(id)).toMatchObject({
      state: "pushed",
      recipients: [{ server: "code2", state: "pushed" }],
    });
  });

  test("has a state per recipient of a broadcast, which all go their own way", async () => {
    const id = await me.send({ to: ["all"] });
    await me.receive();
    expect(states(id)).toEqual(["code2 pushed", "code3 pushed"]);
    await round(two);
    await me.receive();
    expect(states(id)).toEqual(["code2 seen", "code3 pushed"]);
    markMessage(two.sendPorts, two.message(id), "read");
    await two.flush();
    await me.receive();
    expect(states(id)).toEqual(["code2 read", "code3 pushed"]);
  });

  test("of a broadcast that one has read leaves it unread for the others", async () => {
    const id = await me.send({ to: ["all"] });
    for (const server of [two, three]) await round(server);
    markMessage(two.sendPorts, two.message(id), "read");
    await two.flush();
    await three.receive();
    expect([countUnread(two.index), countUnread(three.index)]).toEqual([0, 1]);
  });

  test("keeps read and acked apart", async () => {
    const id = await me.send({ to: ["code2"] });
    await round(two);
    markMessage(two.sendPorts, two.message(id), "acked");
    await two.flush();
    await me.receive();
    expect(delivery(id).recipients).toMatchObject([{ state: "acked", receipts: ["acked"] }]);
    expect(countUnread(two.index)).toBe(1);
    markMessage(two.sendPorts, two.message(id), "read");
    await two.flush();
    await me.receive();
    expect(delivery(id).recipients[0]?.receipts.toSorted()).toEqual(["acked", "read"]);
    expect(states(id)).toEqual(["code2 acked"]);
  });

  test("is not seen by a card that had read less", async () => {
    await me.send({ to: ["code2"] });
    await round(two);
    const later = await me.send({ to: ["code2"] });
    await me.receive();
    expect(states(later)).toEqual(["code2 pushed"]);
  });

  test("names whoever told of it, although nobody expected him", async () => {
    two.groups = ["web"];
    const id = await me.send({ to: ["@web"] });
    expect(states(id)).toEqual([]);
    await round(two);
    markMessage(two.sendPorts, two.message(id), "read");
    await two.flush();
    await me.receive();
    expect(states(id)).toEqual(["code2 read"]);
  });

  test("ignores a receipt for a message of the same id by somebody else", async () => {
    const id = await me.send({ to: ["code2"] });
    await round(two);
    const message = { ...two.message(id).message, from: "code3" };
    markMessage(two.sendPorts, { message, history: false }, "read");
    await two.flush();
    await me.receive();
    expect(states(id)).toEqual(["code2 seen"]);
  });

  test("carries the exit code of whoever handled it", async () => {
    const id = await me.send({ to: ["code2"] });
    await me.receive();
    me.index.run(
      "INSERT INTO receipts VALUES('code1', ?, 'code2', 'handled', 3, '2026-01-01T00:00:00.000Z')",
      id,
    );
    expect(delivery(id).recipients).toMatchObject([{ state: "handled", exitCode: 3 }]);
  });

  test("is the same from an index that was made anew", async () => {
    const id = await me.send({ to: ["all"] });
    await round(two);
    markMessage(two.sendPorts, two.message(id), "read");
    await two.flush();
    await me.receive();
    const before = delivery(id);
    me.loseIndex();
    await ingestStore(me.receivePorts);
    expect(delivery(id)).toEqual(before);
  });

  test("works from the outbox alone while the own log is not in the index", async () => {
    const id = await me.send({ to: ["code2"] });
    await round(two);
    await me.receive();
    me.index.run("DELETE FROM entries");
    expect(states(id)).toEqual(["code2 seen"]);
  });

  test("of a message that nobody knows has no recipients", () => {
    expect(delivery("none").recipients).toEqual([]);
  });

  test("says when each state was reached, and when the recipient was last heard of", async () => {
    const id = await me.send({ to: ["code2", "code9"] });
    await round(two);
    await me.receive();
    const seenAt = new Date(fleet.clock.wallMs()).toISOString();
    await fleet.clock.advance(5000);
    markMessage(two.sendPorts, two.message(id), "acked");
    const ackedAt = new Date(fleet.clock.wallMs()).toISOString();
    await round(two);
    await me.receive();
    expect(delivery(id).recipients).toMatchObject([
      { server: "code2", state: "acked", times: { seen: seenAt, acked: ackedAt }, lastSeenAt: ackedAt },
      { server: "code9", state: "pushed", times: {}, lastSeenAt: null },
    ]);
  });

  test("expects of a group who said to be in it when the message was sent", async () => {
    two.groups = ["web"];
    await two.flush();
    await me.receive();
    const id = await me.send({ to: ["@web"] });
    three.groups = ["web"];
    await three.flush();
    await me.receive();
    expect(delivery(id).recipients).toMatchObject([{ server: "code2", state: "pushed", via: "@web" }]);
    // Whoever reads it belongs to it, expected or not.
    await three.receive();
    markMessage(three.sendPorts, three.message(id), "read");
    await three.flush();
    await me.receive();
    expect(delivery(id).recipients).toMatchObject([
      { server: "code2", via: "@web" },
      { server: "code3", state: "read", via: "" },
    ]);
  });

  test("is refused, dead or expired with the reason, and says so of every recipient", async () => {
    fleet.remote.troubles.refusePush = (_, added) => (added.includes("vile") ? "not that" : null);
    me.rules = { ...me.rules, queue: { ...me.rules.queue, attempts: 2 } };
    const id = me.queue({ to: ["code2"], body: "vile" });
    await me.flush();
    expect(delivery(id)).toMatchObject({ state: "refused", recipients: [{ state: "refused" }] });
    await fleet.clock.advance(60_000);
    await me.flush();
    expect(delivery(id)).toMatchObject({ state: "dead", recipients: [{ state: "dead" }] });
    expect(delivery(id).reason).toContain("not that");
  });

  test("is expired with whoever did not see it in time", async () => {
    const id = await me.send({ to: ["all"] });
    await round(two);
    await me.receive();
    const late = deliveryOf(me.state, me.index, { server: "code1", id, expired: true });
    expect(late.recipients.map((one) => one.state)).toEqual(["seen", "expired"]);
  });
});
