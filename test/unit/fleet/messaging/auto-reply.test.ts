import { beforeEach, describe, expect, test } from "bun:test";
import {
  isAnswered,
  loadBucket,
  queueReply,
  saveBuckets,
} from "../../../../src/fleet/messaging/auto-reply.ts";
import { queuedDrafts } from "../../../../src/fleet/messaging/outbox.ts";
import { MemoryFleet, type MemoryServer } from "../../../helpers/memory-fleet.ts";

let me: MemoryServer;
let other: MemoryServer;
beforeEach(async () => {
  const fleet = new MemoryFleet();
  me = await fleet.add("code1");
  other = await fleet.add("code2");
});

const received = async (request: object = {}) => {
  const id = await other.send({ to: ["code1"], body: "b", ...request });
  await me.receive();
  return me.message(id).message;
};

describe("queueReply()", () => {
  test("queueReply() answers the signer alone and remembers that it did", async () => {
    const message = await received({ subject: "Re: x", thread: "t" });
    expect(isAnswered(me.state, message)).toBe(false);
    const id = queueReply(me.sendPorts, message, { rule: "one", text: "yes" }, 5000);
    expect(queuedDrafts(me.state, 9)).toMatchObject([
      { id, body: { to: ["code2"], subject: "Re: x", body: "yes", thread: "t", auto: true, hops: 1 } },
    ]);
    expect(isAnswered(me.state, message)).toBe(true);
  });

  test("queueReply() derives its id from rule and message, so nothing can double it", async () => {
    const message = await received();
    const ids = ["one", "one", "two"].map((rule) => {
      me.state.run("DELETE FROM journal");
      return queueReply(me.sendPorts, message, { rule, text: "yes" }, 1);
    });
    expect(ids[0]).toBe(ids[1] ?? "");
    expect(ids[2]).not.toBe(ids[0] ?? "");
    expect(queuedDrafts(me.state, 9)).toHaveLength(2);
  });

  test("queueReply() leaves no half character at the end of a subject that is cut", async () => {
    const message = await received({ subject: `x${"😀".repeat(99)}` });
    queueReply(me.sendPorts, message, { rule: "one", text: "yes" }, 1);
    const [draft] = queuedDrafts(me.state, 9);
    expect(draft?.body).toMatchObject({ subject: `Re: x${"😀".repeat(97)}` });
  });

  test("queueReply() is one answer per message, whatever the rule", async () => {
    const message = await received();
    queueReply(me.sendPorts, message, { rule: "one", text: "yes" }, 1);
    expect(() => queueReply(me.sendPorts, message, { rule: "two", text: "no" }, 1)).toThrow();
  });
});

test("loadBucket() answers what saveBuckets() stored, and null before", () => {
  const bucket = { tokens: 1.5, updatedMs: 7 };
  expect(loadBucket(me.state, "host")).toBeNull();
  saveBuckets(me.state, new Map([["host", bucket]]));
  expect(loadBucket(me.state, "host")).toEqual(bucket);
});
