import { beforeEach, describe, expect, test } from "bun:test";
import { adoptLog, beginEpoch, formerCursor } from "../../../../src/fleet/messaging/adopt-log.ts";
import { isAnswered } from "../../../../src/fleet/messaging/auto-reply.ts";
import { findRun, queueRun } from "../../../../src/fleet/messaging/handler-runs.ts";
import { queueReceipt } from "../../../../src/fleet/messaging/mark-message.ts";
import { enqueue, loadHead, outboxItem, queuedDrafts } from "../../../../src/fleet/messaging/outbox.ts";
import { judgeOwnCard } from "../../../../src/fleet/messaging/own-card.ts";
import { judgeOwnTip } from "../../../../src/fleet/messaging/own-place.ts";
import { confirmedBatch } from "../../../../src/fleet/messaging/take-back.ts";
import { type ANSWERS, MemoryFleet, type MemoryServer } from "../../../helpers/memory-fleet.ts";

let fleet = new MemoryFleet();
let me: MemoryServer;
let other: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  other = await fleet.add("code2");
  me = await fleet.add("code1");
});

/** What a restored backup does once the other one was silent for long enough. */
async function adopt(backup: MemoryServer): Promise<number | null> {
  await backup.receive();
  const place = await judgeOwnTip(backup.sendPorts, fleet.remote.refs.get(me.logRef) ?? null);
  if (place.kind !== "unknown") throw new Error(`nothing to adopt: ${place.kind}`);
  const card = await judgeOwnCard(backup.sendPorts, fleet.remote.refs.get(me.cardRef) ?? null);
  return await adoptLog(backup.sendPorts, place.batches, card.kind === "mine" ? card.card : null);
}

describe("adoptLog()", () => {
  test("makes the entries of a former life own ones, and begins an epoch behind them", async () => {
    const backup = me.backup();
    const ids = [await me.send({ to: ["code2"] }), await me.send({ to: ["code2"] })];
    const tip = fleet.remote.refs.get(me.logRef);
    expect(await adopt(backup)).toBe(2);
    expect(confirmedBatch(backup.state)?.tip).toBe(tip ?? "");
    expect(ids.map((id) => outboxItem(backup.state, id)?.state)).toEqual(["pushed", "pushed"]);
    expect(queuedDrafts(backup.state, 10)).toMatchObject([{ body: { type: "key" } }]);
    const before = loadHead(backup.state);
    expect((await backup.flush()).status).toBe("pushed");
    expect(loadHead(backup.state)).toMatchObject({ seq: 1 });
    expect(loadHead(backup.state)?.epoch).not.toBe(before?.epoch ?? "");
    await other.receive();
    const last = await backup.send({ to: ["code2"], body: "after" });
    await other.receive();
    expect(other.message(last).message.body).toBe("after");
  });

  test("keeps what waited here, once: what the former life had sent already counts as sent", async () => {
    const shared = me.queue({ to: ["code2"], body: "both have it" });
    const backup = me.backup();
    await me.flush();
    const alone = backup.queue({ to: ["code2"], body: "only here" });
    await adopt(backup);
    expect(outboxItem(backup.state, shared)?.state).toBe("pushed");
    expect(queuedDrafts(backup.state, 10).map((draft) => draft.body.type)).toEqual(["key", "message"]);
    await backup.flush();
    await other.receive();
    expect(other.message(alone).message.body).toBe("only here");
    const bodies = other.index.all<{ id: string }>("SELECT id FROM entries WHERE id = ?", shared);
    expect(bodies).toHaveLength(1);
  });

  test("answers nothing again that was answered", async () => {
    const backup = me.backup();
    const question = await other.send({ to: ["code1"], body: "how are you?", kind: "request" });
    await me.receive();
    expect(me.answer().map((one) => one.act)).toEqual(["answer"]);
    await me.flush();
    await adopt(backup);
    expect(isAnswered(backup.state, backup.message(question).message)).toBe(true);
    expect(backup.answer().map((one) => one.act)).toEqual(["nothing"]);
  });

  test("handles nothing again that was handled, and keeps marks", async () => {
    const backup = me.backup();
    const id = await other.send({ to: ["code1"], subject: "work" });
    await me.receive();
    await backup.receive();
    const { message } = me.message(id);
    backup.state.transaction(() => queueRun(backup.state, { message, rule: "r", openMax: 10 }, 1));
    me.state.transaction(() => {
      queueReceipt(me.sendPorts, { message, state: "handled", exitCode: 3 });
      queueReceipt(me.sendPorts, { message, state: "acked" });
      queueReceipt(me.sendPorts, { message, state: "read" });
    });
    await me.flush();
    expect(await adopt(backup)).toBe(3);
    expect(findRun(backup.state, message)).toMatchObject({ state: "done", exitCode: 3 });
    const mark = backup.state.get<{ read_wall_ms: number | null; acked_wall_ms: number | null }>(
      "SELECT read_wall_ms, acked_wall_ms FROM marks",
    );
    expect([typeof mark?.read_wall_ms, typeof mark?.acked_wall_ms]).toEqual(["number", "number"]);
  });

  test("what a former life had come past without a receipt is parked, or run again where its rule says so", async () => {
    const rule = { name: "r", match: { subject: ["work"] }, run: ["/bin/true"] };
    for (const [onCrash, act] of [
      ["park", "park"],
      ["retry", "run"],
    ] as const) {
      const backup = me.backup();
      await other.send({ to: ["code1"], subject: "work" });
      await me.receive();
      me.answer();
      await me.send({ to: ["code2"] });
      await adopt(backup);
      expect(formerCursor(backup.state, "code2")).not.toBeNull();
      const rules = [{ ...rule, on_crash: onCrash }] as unknown as (typeof ANSWERS)["rules"];
      expect(backup.answer({ rules }).map((one) => one.act)).toEqual([act]);
      await other.send({ to: ["code1"], subject: "work" });
      await backup.receive();
      expect(backup.answer({ rules }).map((one) => one.act)).toEqual(["run"]);
      await backup.flush();
      me = backup;
    }
  });
});

test("formerCursor() knows nothing where there was no former life", () => {
  expect(formerCursor(me.state, "code2")).toBeNull();
});

test("beginEpoch() comes before everything that waits", () => {
  me.queue({ to: ["code2"] });
  me.state.transaction(() => beginEpoch(me.sendPorts, 1));
  enqueue(me.state, me.draft({ to: ["code2"] }), 2);
  expect(queuedDrafts(me.state, 10).map((draft) => draft.body.type)).toEqual(["key", "message", "message"]);
});
