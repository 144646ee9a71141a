import { beforeEach, describe, expect, test } from "bun:test";
import { compactionRefusal, pendingShortened } from "../../../../src/fleet/messaging/compaction-state.ts";
import { loadHead } from "../../../../src/fleet/messaging/outbox.ts";
import {
  pushShortened,
  settleShortened,
  takeUpShortened,
} from "../../../../src/fleet/messaging/push-shortened.ts";
import { buildMemory, compactMemory, entriesOf } from "../../../helpers/memory-compaction.ts";
import { FACTS, MemoryFleet, type MemoryServer, PATIENTLY } from "../../../helpers/memory-fleet.ts";

let fleet = new MemoryFleet();
let me: MemoryServer;
let other: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
  other = await fleet.add("code2");
  for (let count = 0; count < 4; count += 1) await me.send({ to: ["all"] });
  await other.receive();
});

const onRemote = (): string | undefined => fleet.remote.refs.get(me.logRef);
const push = async (built: Awaited<ReturnType<typeof buildMemory>>) =>
  pushShortened(me.sendPorts, FACTS, built, PATIENTLY);

/** Everybody sees every message of the sender once, in order. */
async function isWhole(entries: number): Promise<void> {
  await other.receive();
  expect(entriesOf(other, "code1").map((entry) => entry["seq"])).toEqual(
    Array.from({ length: entries }, (_, place) => place + 1),
  );
}

describe("pushShortened()", () => {
  test("replaces log and card together, and what is sent next goes on top", async () => {
    const built = await buildMemory(me, 2);
    const card = fleet.remote.refs.get(me.cardRef);
    expect(await push(built)).toEqual({ kind: "done" });
    expect(onRemote()).toBe(built.tip);
    expect(fleet.remote.refs.get(me.cardRef)).not.toBe(card);
    expect(fleet.remote.pushes.at(-1)?.length).toBe(2);
    await me.send({ to: ["all"] });
    await isWhole(6);
  });

  test("goes without a card that somebody replaced", async () => {
    const built = await buildMemory(me, 2);
    const card = fleet.remote.refs.get(other.cardRef) ?? null;
    fleet.remote.put(me.cardRef, [], card);
    expect(await push(built)).toEqual({ kind: "done" });
    expect(onRemote()).toBe(built.tip);
  });

  test("moves nothing when somebody was quicker", async () => {
    const built = await buildMemory(me, 2);
    fleet.remote.put(me.logRef, [], built.cut);
    expect(await push(built)).toEqual({ kind: "moved" });
    expect(onRemote()).toBe(built.cut);
    expect(loadHead(me.state)?.tip).toBe(built.fromTip);
  });

  test("remembers a refusal and leaves the log as it is", async () => {
    const built = await buildMemory(me, 2);
    fleet.remote.troubles.refuse = (_ref, { isReplacement }) => (isReplacement ? "denied" : null);
    expect(await push(built)).toMatchObject({ kind: "refused", reason: expect.stringContaining("denied") });
    expect(compactionRefusal(me.state)).toContain("denied");
    expect(pendingShortened(me.state)).toEqual([]);
    await me.send({ to: ["all"] });
    await isWhole(6);
  });

  test("finds out by itself when only the answer was lost", async () => {
    fleet.remote.troubles.nextAnswersLost = 1;
    expect(await push(await buildMemory(me, 2))).toEqual({ kind: "done" });
  });
});

describe("a shortened log whose push was cut off", () => {
  /** Nobody knows whether it arrives. */
  async function cutOff(): Promise<string> {
    const built = await buildMemory(me, 2);
    fleet.remote.troubles.nextDelayed = 1;
    expect((await push(built)).kind).toBe("waiting");
    expect(pendingShortened(me.state)).toHaveLength(1);
    return built.tip;
  }

  test("and that arrived is taken up by the next look", async () => {
    const tip = await cutOff();
    expect(await settleShortened(me.sendPorts, PATIENTLY)).toEqual({ ok: true, value: false });
    fleet.remote.landLate();
    expect(await settleShortened(me.sendPorts, PATIENTLY)).toEqual({ ok: true, value: true });
    expect(loadHead(me.state)?.tip).toBe(tip);
    expect(await settleShortened(me.sendPorts, PATIENTLY)).toEqual({ ok: true, value: false });
    await isWhole(5);
  });

  test("and that arrives before the next message is taken up by its push", async () => {
    const tip = await cutOff();
    fleet.remote.landLate();
    await me.send({ to: ["all"] });
    expect((await me.store.listCommits(onRemote() ?? "", tip, 1e9)).length).toBe(1);
    await isWhole(6);
  });

  test("and that arrives after the next message cannot move it", async () => {
    await cutOff();
    await me.send({ to: ["all"] });
    const tip = onRemote();
    fleet.remote.landLate();
    expect(onRemote()).toBe(tip ?? "");
    await me.send({ to: ["all"] });
    await isWhole(7);
  });

  test("and whose objects were cleaned away here is fetched", async () => {
    const tip = await cutOff();
    fleet.remote.landLate();
    for (const { id } of await me.store.listCommits(tip, null, 1e9)) me.store.objects.delete(id);
    expect(await takeUpShortened(me.sendPorts, tip, PATIENTLY)).toEqual({ ok: true, value: true });
    await me.send({ to: ["all"] });
    await isWhole(6);
  });
});

for (const [what, back] of [
  ["as it was before it was shortened", 0],
  ["to a part of it that is not there any more", 4],
] as const) {
  test(`a stranger who puts the log back ${what} stops nobody`, async () => {
    const steps = await me.store.listCommits(onRemote() ?? "", null, 1e9);
    const old = steps.at(-1 - back)?.id ?? "";
    await compactMemory(me, 2);
    await other.receive();
    fleet.remote.put(me.logRef, [], old);
    await me.send({ to: ["all"] });
    await me.send({ to: ["all"] });
    expect(onRemote()).toBe(loadHead(me.state)?.tip ?? "");
    await other.receive();
    const read = entriesOf(other, "code1").filter((entry) => entry["type"] === "message");
    expect(read.length).toBe(6);
  });
}

test("what this server never pushed is not taken up", async () => {
  expect(await takeUpShortened(me.sendPorts, "1".repeat(40), PATIENTLY)).toEqual({ ok: true, value: false });
});
