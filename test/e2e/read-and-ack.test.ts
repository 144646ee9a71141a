import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Answer, TempFleet } from "../helpers/temp-fleet.ts";
import { untilHolds } from "../helpers/temp-git.ts";

type Recipient = { server: string; state: string; receipts: string[] };

// A broadcast belongs to each of its readers alone, and the sender sees each of them.
describe.each([["without daemons"], ["with daemons"]])("read and ack %s", (mode) => {
  const hasDaemons = mode === "with daemons";
  const fleet = new TempFleet();
  const from = { as: "hub1" };
  const readers = ["leaf1", "leaf2", "leaf3"];

  beforeAll(async () => {
    await fleet.init(["hub1", ...readers]);
    await fleet.text(["servers"], from);
    if (hasDaemons) await Promise.all(["hub1", ...readers].map((server) => fleet.monitor(server)));
  });
  afterAll(() => fleet.remove());

  const broadcast = async (): Promise<string> => {
    const words = ["send", "maintenance tonight", "Notice", "--to", "all", "--require-ack"];
    const { id } = await fleet.json(words, from);
    // With a daemon the message is on its way; each reader's inbox is asked until it is there.
    for (const as of readers) await untilHolds(async () => (await inboxEntry(as, String(id))) !== undefined);
    return String(id);
  };
  const inboxEntry = async (as: string, id: string): Promise<Answer | undefined> => {
    const inbox = await fleet.json(["inbox", "--limit", "100"], { as });
    return (inbox["messages"] as Answer[]).find((message) => message["id"] === id);
  };
  const recipientsOf = async (id: string): Promise<Record<string, Recipient>> => {
    const { messages } = (await fleet.json(["sent"], from)) as { messages?: Answer[] };
    const found = messages?.find((message) => message["id"] === id);
    const recipients = (found?.["recipients"] ?? []) as Recipient[];
    return Object.fromEntries(recipients.map((one) => [one.server, one]));
  };
  const marks = async (id: string): Promise<unknown[]> =>
    Promise.all(
      readers.map(async (as) => {
        const entry = await inboxEntry(as, id);
        return [entry?.["read"], entry?.["acked"]];
      }),
    );

  test("a broadcast that one recipient read is unread for the others", async () => {
    const id = await broadcast();
    const unread = async (as: string): Promise<unknown> => (await fleet.json(["inbox"], { as }))["unread"];
    const before = await Promise.all(readers.map(unread));
    await fleet.text(["read", id.slice(-8)], { as: "leaf1" });
    expect(await marks(id)).toEqual([
      [true, false],
      [false, false],
      [false, false],
    ]);
    const [first, ...others] = await Promise.all(readers.map(unread));
    expect(first).toBe(Number(before[0]) - 1);
    expect(others).toEqual(before.slice(1));
  });

  test("ack does not mean read, and read does not mean ack", async () => {
    const id = await broadcast();
    await fleet.text(["ack", id.slice(-8)], { as: "leaf1" });
    await fleet.text(["read", id.slice(-8)], { as: "leaf2" });
    expect(await marks(id)).toEqual([
      [false, true],
      [true, false],
      [false, false],
    ]);
  });

  test("the sender sees the state of each recipient", async () => {
    const id = await broadcast();
    expect(Object.keys(await recipientsOf(id))).toEqual(readers);
    await fleet.text(["read", id.slice(-8)], { as: "leaf1" });
    await fleet.text(["ack", id.slice(-8)], { as: "leaf2" });
    await untilHolds(async () => {
      const { leaf1, leaf2 } = await recipientsOf(id);
      return leaf1?.state === "read" && leaf2?.state === "acked";
    });
    const { leaf1, leaf2, leaf3 } = await recipientsOf(id);
    expect([leaf1?.receipts, leaf2?.receipts, leaf3?.receipts]).toEqual([["read"], ["acked"], []]);
    expect(["pushed", "seen"]).toContain(leaf3?.state ?? "");
    await fleet.text(["read", id.slice(-8)], { as: "leaf2" });
    await untilHolds(async () => (await recipientsOf(id))["leaf2"]?.receipts.length === 2);
    expect((await recipientsOf(id))["leaf2"]).toMatchObject({ state: "acked" });
  });

  test("sent sums up a broadcast: how many got how far", async () => {
    const id = await broadcast();
    await fleet.text(["read", id.slice(-8)], { as: "leaf1" });
    await untilHolds(async () => (await recipientsOf(id))["leaf1"]?.state === "read");
    const line = (await fleet.text(["sent"], from)).split("\n").find((row) => row.startsWith(id.slice(-8)));
    expect(line).toMatch(/1\/3 read/);
  });

  test("send --wait read ends when every recipient has read it", async () => {
    const words = ["send", "read this", "--to", "leaf1,leaf2", "--wait", "read", "--timeout", "60", "--json"];
    const sending = fleet.start(words, from);
    for (const as of ["leaf1", "leaf2"]) {
      expect(sending.stdout()).toBe("");
      const found = await fleet.json(["wait", "--unread", "--from", "hub1", "--timeout", "60"], { as });
      await untilRead(as, found);
    }
    const ran = await sending.ended();
    expect(ran.code).toBe(0);
    expect(JSON.parse(ran.stdout)).toMatchObject({ state: "read" });
  });

  // Without monitors nobody publishes how far it has looked.
  if (hasDaemons) {
    test("send --wait seen ends when every recipient's monitor has it", async () => {
      const words = ["send", "just look", "--to", "leaf1,leaf3", "--wait", "seen", "--timeout", "60"];
      expect(await fleet.json(words, from)).toMatchObject({ state: "seen" });
    });
  }

  // Older broadcasts of this file are unread too, so reading goes on until the new one was read.
  async function untilRead(as: string, first: Answer): Promise<void> {
    let message = first["message"] as { id: string; body: string };
    for (;;) {
      await fleet.text(["read", message.id], { as });
      if (message.body === "read this") return;
      const next = await fleet.json(["wait", "--unread", "--from", "hub1", "--timeout", "60"], { as });
      message = next["message"] as { id: string; body: string };
    }
  }
});
