import { beforeEach, describe, expect, test } from "bun:test";
import { marksOf } from "../../../../src/fleet/messaging/mailbox-queries.ts";
import { markMessage } from "../../../../src/fleet/messaging/mark-message.ts";
import { queuedDrafts } from "../../../../src/fleet/messaging/outbox.ts";
import { MemoryFleet, type MemoryServer } from "../../../helpers/memory-fleet.ts";

let fleet = new MemoryFleet();
let me: MemoryServer;
let id = "";
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
  const other = await fleet.add("code2");
  id = await other.send({ to: ["code1"] });
  await me.receive();
});

const mark = (what: "read" | "acked", history = false): boolean =>
  markMessage(me.sendPorts, { message: me.message(id).message, history }, what);
const receipts = () => queuedDrafts(me.state, 10).map((draft) => draft.body);

describe("markMessage()", () => {
  test("notes the time once and queues one receipt for the sender", async () => {
    const firstMs = fleet.clock.wallMs();
    expect(mark("read")).toBe(true);
    await fleet.clock.advance(1000);
    expect(mark("read")).toBe(false);
    expect(marksOf(me.index, { from: "code2", id })).toEqual({ readWallMs: firstMs, ackedWallMs: null });
    expect(receipts()).toEqual([{ type: "receipt", message: id, message_from: "code2", state: "read" }]);
  });

  test("keeps read and acked apart: neither implies the other", () => {
    expect(mark("acked")).toBe(true);
    expect(marksOf(me.index, { from: "code2", id }).readWallMs).toBeNull();
    expect(mark("read")).toBe(true);
    expect(mark("acked")).toBe(false);
    expect(receipts()).toMatchObject([{ state: "acked" }, { state: "read" }]);
  });

  test("marks history without a receipt", () => {
    expect(mark("read", true)).toBe(true);
    expect(receipts()).toEqual([]);
  });

  test("marks an own message without a receipt", async () => {
    const own = await me.send({ to: ["code2"] });
    await me.receive();
    expect(markMessage(me.sendPorts, me.message(own), "read")).toBe(true);
    expect(receipts()).toEqual([]);
  });

  test("is one transaction: when the receipt cannot be queued, nothing was marked", () => {
    const before = me.state.dump();
    me.state.failOnce("INSERT INTO outbox");
    expect(() => mark("read")).toThrow("disk I/O error");
    expect(me.state.dump()).toEqual(before);
    expect(mark("read")).toBe(true);
    expect(receipts()).toHaveLength(1);
  });

  test("gives a receipt the same id however often the mark is lost, so that it can never be two", () => {
    mark("read");
    const [first] = queuedDrafts(me.state, 10);
    me.state.run("DELETE FROM marks");
    expect(mark("read")).toBe(true);
    expect(queuedDrafts(me.state, 10).map((draft) => draft.id)).toEqual([first?.id ?? ""]);
  });
});
