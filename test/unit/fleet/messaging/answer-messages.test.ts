import { beforeEach, describe, expect, test } from "bun:test";
import type { HandledMessage } from "../../../../src/fleet/messaging/answer-messages.ts";
import { buildQueued, commitDrafts } from "../../../../src/fleet/messaging/build-queued.ts";
import { loadHead, queuedDrafts } from "../../../../src/fleet/messaging/outbox.ts";
import { findPeer } from "../../../../src/fleet/messaging/peers.ts";
import { ingestStore } from "../../../../src/fleet/messaging/receive-messages.ts";
import { MemoryFleet, type MemoryServer } from "../../../helpers/memory-fleet.ts";

let fleet = new MemoryFleet();
let me: MemoryServer;
let other: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
  other = await fleet.add("code2");
  await me.receive();
  me.answer();
});

const QUESTION = { to: ["code1"], body: "How are you?" };
const round = async (): Promise<HandledMessage[]> => {
  await me.receive();
  return me.answer();
};
const replies = () => queuedDrafts(me.state, 100).filter((draft) => draft.body.type === "message");
const silences = (handled: readonly HandledMessage[]) => handled.map((one) => one.silence);

describe("answerMessages()", () => {
  test("answers a question to its sender alone, in its conversation, saying that it is automatic", async () => {
    const id = await other.send({ ...QUESTION, subject: "Re: re: night" });
    const handled = await round();
    expect(replies()).toEqual([
      {
        id: handled[0]?.replyId ?? "",
        at: expect.any(String),
        body: {
          type: "message",
          to: ["code2"],
          subject: "Re: night",
          body: "fine",
          kind: "response",
          thread: id,
          in_reply_to: id,
          auto: true,
          hops: 1,
        },
      },
    ]);
    expect(handled[0]?.replyId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8/);
  });

  test("looks at every message once", async () => {
    await other.send(QUESTION);
    expect(await round()).toHaveLength(1);
    expect(await round()).toEqual([]);
    expect(replies()).toHaveLength(1);
  });

  test("tells of messages to this server alone, in the order of their writer", async () => {
    for (const [to, body] of [
      ["code1", "1"],
      ["code3", "2"],
      ["all", "3"],
      ["code1", "4"],
    ] as const) {
      await other.send({ to: [to], body });
    }
    const handled = await round();
    expect(handled.map((one) => [one.message.body, one.direct])).toEqual([
      ["1", true],
      ["3", false],
      ["4", true],
    ]);
    expect(silences(handled)).toEqual(["no-rule", "broadcast", "no-rule"]);
  });

  test("moves the cursor to the end of the log, over receipts and what is for others", async () => {
    await other.send({ to: ["code3"] });
    await round();
    const { epoch, seq, hash } = loadHead(other.state) ?? { epoch: "", seq: 0, hash: "" };
    expect(findPeer(me.state, "code2")?.handled).toEqual({ epoch, seq, hash });
  });

  test("does not answer history", async () => {
    await other.send({ to: ["code3"], body: "How are you?" });
    const late = await fleet.join("code3");
    await late.receive();
    late.loseIndex();
    await ingestStore(late.receivePorts);
    late.state.run("UPDATE peers SET epoch = '', seq = 0");
    expect(silences(late.answer())).toEqual(["history"]);
    expect(queuedDrafts(late.state, 9).map((draft) => draft.body.type)).toEqual(["key"]);
  });

  test("handles without answering where that is turned off, and does not catch up later", async () => {
    await other.send(QUESTION);
    await me.receive();
    expect(silences(me.answer({ enabled: false }))).toEqual(["disabled"]);
    expect(me.answer()).toEqual([]);
  });

  test.each([
    ["the journal", "INSERT INTO journal"],
    ["the answer", "INSERT INTO outbox"],
    ["the budgets", "buckets"],
    ["the cursor", "UPDATE peers"],
    ["the end of the transaction", "COMMIT"],
  ])("keeps nothing when the database fails at %s, and answers once afterwards", async (_, statement) => {
    await other.send(QUESTION);
    await me.receive();
    const before = me.state.dump();
    me.state.failOnce(statement);
    expect(() => me.answer()).toThrow("disk I/O error");
    expect(me.state.dump()).toEqual(before);
    expect(me.answer()).toHaveLength(1);
    expect(me.answer()).toEqual([]);
    expect(replies()).toHaveLength(1);
  });

  test("answers nobody twice when the index is lost and made again", async () => {
    await other.send(QUESTION);
    await round();
    me.loseIndex();
    await ingestStore(me.receivePorts);
    expect(me.answer()).toEqual([]);
    expect(replies()).toHaveLength(1);
  });

  test("answers nobody twice when cursors are lost as well", async () => {
    await other.send(QUESTION);
    await round();
    me.loseIndex();
    me.state.run("UPDATE peers SET epoch = '', seq = 0, hash = ''");
    await ingestStore(me.receivePorts);
    expect(silences(me.answer())).toEqual(["answered"]);
    expect(replies()).toHaveLength(1);
  });

  test("answers nobody twice when even the journal is lost: the answer has the same id", async () => {
    await other.send(QUESTION);
    await round();
    me.state.run("DELETE FROM journal");
    me.state.run("UPDATE peers SET epoch = '', seq = 0, hash = ''");
    me.answer();
    expect(replies()).toHaveLength(1);
  });

  test("answers a message once that its writer sends twice under one id", async () => {
    const draft = other.draft(QUESTION);
    await commitDrafts(other.sendPorts, [draft]);
    other.state.run("DELETE FROM outbox");
    await commitDrafts(other.sendPorts, [draft]);
    await other.flush();
    // The second line is a repetition: the index refuses it, so nobody looks at it again.
    expect(silences(await round())).toEqual([null]);
    expect(replies()).toHaveLength(1);
  });

  test("never answers an automatic message, so two servers fall silent", async () => {
    await other.send(QUESTION);
    await round();
    await me.flush();
    await other.receive();
    const back = other.answer();
    expect(silences(back)).toEqual(["automatic"]);
    expect(await round()).toEqual([]);
  });

  test("stays within its budgets, and remembers them over a restart", async () => {
    for (let count = 0; count < 5; count += 1) await other.send({ ...QUESTION, thread: "talk" });
    expect(silences(await round())).toEqual([null, null, null, "budget-thread", "budget-thread"]);
    await other.send({ ...QUESTION, thread: "talk" });
    expect(silences(await round())).toEqual(["budget-thread"]);
    await fleet.clock.advance(10 * 60_000);
    await other.send({ ...QUESTION, thread: "talk" });
    expect(silences(await round())).toEqual([null]);
  });

  test("does not answer what has expired meanwhile", async () => {
    await other.send({ ...QUESTION, expiresInMs: 1000 });
    await fleet.clock.advance(1001);
    expect(silences(await round())).toEqual(["expired"]);
  });

  test("handles more than one transaction's worth, and does not do the first again when the second fails", async () => {
    for (let count = 0; count < 700; count += 1) other.queue({ to: ["code1"], body: String(count) });
    await buildQueued(other.sendPorts);
    await other.flush();
    await me.receive();
    const { commits } = me.state;
    const handled = me.answer();
    expect(handled.map((one) => one.message.body)).toEqual(
      Array.from({ length: 700 }, (_, index) => String(index)),
    );
    expect(me.state.commits - commits).toBe(2);
    expect(me.answer()).toEqual([]);
  });

  test("goes on with other writers when one of them has nothing new", async () => {
    const third = await fleet.add("code3");
    await third.send(QUESTION);
    expect((await round()).map((one) => one.message.from)).toEqual(["code3"]);
  });
});

describe("answerMessages() of an index that is read in part", () => {
  const handledOf = () => findPeer(me.state, "code2")?.handled;
  const forgetJournal = (): void => void me.state.run("DELETE FROM journal");

  /** As a look leaves the index that could read only so many entries of the log. */
  function readTo(seq: number): void {
    const end = me.index.get<{ epoch: string; hash: string }>(
      "SELECT epoch, hash FROM entries WHERE writer = 'code2' AND seq = ? ORDER BY position LIMIT 1",
      seq,
    );
    const { epoch = "", hash = "" } = end ?? {};
    const sql = "UPDATE progress SET epoch = ?, seq = ?, hash = ?, tip = ? WHERE writer = 'code2'";
    me.index.run(sql, epoch, seq, hash, "ab".repeat(20));
  }
  const forgetFrom = (seq: number): void => {
    me.index.run("DELETE FROM entries WHERE writer = 'code2' AND (seq > ? OR epoch <> ?)", seq, firstEpoch());
    readTo(seq);
  };
  const firstEpoch = (): string =>
    me.index.get<{ epoch: string }>("SELECT epoch FROM entries WHERE writer = 'code2' ORDER BY position")
      ?.epoch ?? "";

  beforeEach(async () => {
    for (let count = 0; count < 3; count += 1) await other.send(QUESTION);
    await round();
    forgetJournal();
  });

  test("does not move the cursor back, and handles nothing again when the rest is read", async () => {
    const handled = handledOf();
    forgetFrom(2);
    expect(me.answer()).toEqual([]);
    expect(handledOf()).toEqual(handled);
    me.loseIndex();
    const id = await other.send(QUESTION);
    expect((await round()).map(({ message }) => message.id)).toEqual([id]);
  });

  test("waits also where the epoch in which handling ended is not in it yet", async () => {
    await other.rotate();
    await other.flush();
    await other.send(QUESTION);
    me.state.run("UPDATE peers SET epoch = '00000000000000ee', seq = 4 WHERE server = 'code2'");
    forgetFrom(2);
    expect(me.answer()).toEqual([]);
    expect(handledOf()?.epoch).toBe("00000000000000ee");
  });

  test("handles what comes after an epoch that the log does not have any more", async () => {
    me.state.run("UPDATE peers SET epoch = '00000000000000ee', seq = 4 WHERE server = 'code2'");
    const id = await other.send(QUESTION);
    expect((await round()).map(({ message }) => message.id)).toContain(id);
  });

  test("ends where nothing of a log was accepted", () => {
    const handled = handledOf();
    me.index.run("UPDATE progress SET epoch = '', seq = 0, hash = '' WHERE writer = 'code2'");
    expect(me.answer()).toEqual([]);
    expect(handledOf()).toEqual(handled);
    me.state.run("UPDATE peers SET epoch = '', seq = 0, hash = '' WHERE server = 'code2'");
    expect(me.answer()).toEqual([]);
  });

  test("handles once what lies behind the place to which the log was read again", async () => {
    for (let count = 0; count < 2; count += 1) await other.send(QUESTION);
    await me.receive();
    readTo((handledOf()?.seq ?? 0) + 1);
    expect(me.answer()).toHaveLength(2);
    forgetJournal();
    expect(me.answer()).toEqual([]);
    me.loseIndex();
    await me.receive();
    expect(me.answer()).toEqual([]);
  });
});
