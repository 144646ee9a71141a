import { beforeEach, describe, expect, test } from "bun:test";
import { outboxItem, queuedDrafts } from "../../../../src/fleet/messaging/outbox.ts";
import { loadCardState } from "../../../../src/fleet/messaging/publish-card.ts";
import { listQueue, retryEntry } from "../../../../src/fleet/messaging/queue.ts";
import { MemoryFleet, type MemoryServer } from "../../../helpers/memory-fleet.ts";

let fleet = new MemoryFleet();
let me: MemoryServer;
let you: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
  you = await fleet.add("code2");
});

const stateOf = (id: string) => outboxItem(me.state, id)?.state ?? "gone";
const queueAll = (...bodies: string[]): string[] => bodies.map((body) => me.queue({ to: ["code2"], body }));
const refuseBad = (_: unknown, added: string): string | null => (added.includes("vile") ? "not that" : null);
/** Bodies that the other server received, in their order. */
async function received(): Promise<string[]> {
  await you.receive();
  const sql = "SELECT json FROM entries WHERE writer = 'code1' AND type = 'message' ORDER BY position";
  return you.index.all<{ json: string }>(sql).map((row) => (JSON.parse(row.json) as { body: string }).body);
}
const isClean = (): boolean => you.index.get("SELECT 1 FROM alarms UNION SELECT 1 FROM quarantine") === null;

describe("settleRefusal()", () => {
  test.each([
    ["by the push as a whole", () => (fleet.remote.troubles.refusePush = refuseBad)],
    [
      "by the ref",
      () => (fleet.remote.troubles.refuse = (_, { added }) => (added.includes("vile") ? "not that" : null)),
    ],
  ])("brings everything else in order when one message is refused %s", async (_, arrange) => {
    arrange();
    const ids = queueAll("a", "b", "vile", "c", "d");
    const card = fleet.remote.refs.get(me.cardRef);
    const outcome = await me.flush();
    expect(outcome).toMatchObject({ status: "refused", entries: 4, ids: [ids[2]], dead: 0, card: false });
    expect(ids.map(stateOf)).toEqual(["pushed", "pushed", "queued", "pushed", "pushed"]);
    expect(await received()).toEqual(["a", "b", "c", "d"]);
    expect(isClean()).toBe(true);
    expect(fleet.remote.refs.get(me.cardRef)).not.toBe(card ?? "");
  });

  test("lets what is refused five times die, with the reason, and lives on", async () => {
    fleet.remote.troubles.refusePush = refuseBad;
    const [bad = ""] = queueAll("vile");
    for (let count = 1; count <= 5; count += 1) {
      expect(await me.flush()).toMatchObject({ status: "refused", ids: [bad], dead: count === 5 ? 1 : 0 });
      queueAll(`good ${count}`);
      // It rests: what comes meanwhile is pushed as if it were not there.
      expect((await me.flush()).status).toBe("pushed");
      await fleet.clock.advance(me.rules.retry.longest);
    }
    expect(listQueue(me.state, me.rules)).toMatchObject([
      { id: bad, state: "dead", refused: 5, unreachable: 0, reason: "[remote rejected] (not that)" },
    ]);
    queueAll("good 6");
    expect((await me.flush()).status).toBe("pushed");
    expect(await received()).toEqual([1, 2, 3, 4, 5, 6].map((count) => `good ${count}`));
    expect(isClean()).toBe(true);
  });

  test("sends what was dead after a retry, once the remote takes it", async () => {
    fleet.remote.troubles.refusePush = refuseBad;
    me.rules = { ...me.rules, queue: { ...me.rules.queue, attempts: 1 } };
    const [bad = ""] = queueAll("vile");
    await me.flush();
    expect(stateOf(bad)).toBe("dead");
    fleet.remote.troubles.refusePush = () => null;
    await me.flush();
    expect(stateOf(bad)).toBe("dead");
    me.state.transaction(() => retryEntry(me.state, bad, fleet.clock.wallMs()));
    expect((await me.flush()).status).toBe("pushed");
    expect(await received()).toEqual(["vile"]);
  });

  test("finds many among many in a few rounds, and no innocent one dies", async () => {
    fleet.remote.troubles.refusePush = refuseBad;
    const bodies = Array.from({ length: 100 }, (_, index) =>
      index % 9 === 0 ? `vile ${index}` : `good ${index}`,
    );
    const ids = queueAll(...bodies);
    for (let round = 0; round < 30; round += 1) {
      const before = fleet.remote.pushes.length;
      await me.flush();
      expect(fleet.remote.pushes.length - before).toBeLessThanOrEqual(26);
      await fleet.clock.advance(me.rules.retry.longest);
    }
    const good = bodies.filter((body) => body.startsWith("good"));
    expect((await received()).toSorted()).toEqual(good.toSorted());
    const isRight = (id: string, index: number) =>
      stateOf(id) === (bodies[index]?.startsWith("vile") ? "dead" : "pushed");
    expect(ids.filter((id, index) => !isRight(id, index))).toEqual([]);
    expect(isClean()).toBe(true);
  });

  test("counts all of them, with few pushes, when the remote takes nothing at all", async () => {
    fleet.remote.troubles.refusePush = () => "read only";
    const ids = queueAll(..."abcdefgh");
    const before = fleet.remote.pushes.length;
    expect(await me.flush()).toMatchObject({ status: "refused", entries: 0, ids, card: true });
    expect(fleet.remote.pushes.length - before).toBeLessThanOrEqual(10);
    for (let count = 2; count <= 5; count += 1) {
      await fleet.clock.advance(me.rules.retry.longest);
      await me.flush();
    }
    expect(ids.map(stateOf)).toEqual(ids.map(() => "dead"));
    fleet.remote.troubles.refusePush = () => null;
    me.state.transaction(() => ids.forEach((id) => void retryEntry(me.state, id, fleet.clock.wallMs())));
    await me.flush();
    expect(await received()).toEqual([..."abcdefgh"]);
    expect(isClean()).toBe(true);
  });

  test("does not let a message wait for a card that is refused", async () => {
    fleet.remote.troubles.refusePush = (refs) => (refs.some((ref) => ref === me.cardRef) ? "no cards" : null);
    const ids = queueAll("a", "b");
    expect(await me.flush()).toMatchObject({ status: "refused", entries: 2, ids: [], dead: 0, card: true });
    expect(ids.map(stateOf)).toEqual(["pushed", "pushed"]);
    expect(await received()).toEqual(["a", "b"]);
    fleet.remote.troubles.refusePush = () => null;
    expect((await me.flush()).status).toBe("pushed");
    expect(loadCardState(me.sendPorts).commitId).toBe(fleet.remote.refs.get(me.cardRef) ?? "");
  });

  test("finds what is refused although the batch before it arrived unanswered", async () => {
    const [first = ""] = queueAll("a");
    // It arrives, and nobody can ask whether it did.
    fleet.remote.troubles.nextAnswersLost = 1;
    fleet.remote.troubles.refusePush = refuseBad;
    expect((await me.flush()).status).toBe("waiting");
    const [bad = "", last = ""] = queueAll("vile", "b");
    expect(await me.flush()).toMatchObject({ status: "refused", entries: 2, ids: [bad] });
    expect([first, bad, last].map(stateOf)).toEqual(["pushed", "queued", "pushed"]);
    expect(await received()).toEqual(["a", "b"]);
    expect(isClean()).toBe(true);
  });

  test("never lets the key die: without it nothing could ever be sent", async () => {
    const late = await fleet.join("code3");
    const [key] = queuedDrafts(late.state, 1);
    const id = late.queue({ to: ["code1"] });
    fleet.remote.troubles.refusePush = () => "closed";
    for (let count = 0; count < 6; count += 1) {
      await late.flush();
      await fleet.clock.advance(late.rules.retry.longest);
    }
    expect([key?.id ?? "", id].map((one) => outboxItem(late.state, one)?.state)).toEqual(["queued", "dead"]);
    fleet.remote.troubles.refusePush = () => null;
    expect((await late.flush()).status).toBe("pushed");
    late.state.transaction(() => retryEntry(late.state, id, fleet.clock.wallMs()));
    await late.flush();
    await me.receive();
    expect(me.message(id).message.from).toBe("code3");
  });

  test("begins a log although its first message is refused, and publishes the card", async () => {
    const late = await fleet.join("code3");
    late.queue({ to: ["code1"], body: "vile" });
    const good = late.queue({ to: ["code1"], body: "good" });
    fleet.remote.troubles.refusePush = refuseBad;
    expect(await late.flush()).toMatchObject({ status: "refused", entries: 2, card: false });
    expect(fleet.remote.refs.get(late.cardRef)).toBeDefined();
    await me.receive();
    expect(me.message(good).message.body).toBe("good");
  });

  test("holds nothing against an entry while a ref that vanished may not be restored", async () => {
    const [id = ""] = queueAll("a");
    fleet.remote.put(me.logRef, [], null);
    fleet.remote.troubles.refuse = (ref) => (ref === me.logRef ? "no new refs" : null);
    expect(await me.flush()).toMatchObject({ status: "waiting" });
    expect(listQueue(me.state, me.rules)).toMatchObject([{ id, refused: 0, unreachable: 1 }]);
    fleet.remote.troubles.refuse = () => null;
    await me.flush();
    expect(await received()).toEqual(["a"]);
  });
});
