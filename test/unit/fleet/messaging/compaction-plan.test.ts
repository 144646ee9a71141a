import { beforeEach, describe, expect, test } from "bun:test";
import { isWorthIt, planCompaction } from "../../../../src/fleet/messaging/compaction-plan.ts";
import { noteLook } from "../../../../src/fleet/messaging/last-look.ts";
import { markMessage } from "../../../../src/fleet/messaging/mark-message.ts";
import { setForgotten, setHandled } from "../../../../src/fleet/messaging/peers.ts";
import { compactMemory, EAGER } from "../../../helpers/memory-compaction.ts";
import { MemoryFleet, type MemoryServer } from "../../../helpers/memory-fleet.ts";

const DAY_MS = 24 * 3_600_000;
let fleet = new MemoryFleet();
let me: MemoryServer;
let other: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
  other = await fleet.add("code2");
  await me.receive();
});

/** `server` takes in and handles what is there, and says so on its card. */
async function catchUp(server: MemoryServer): Promise<void> {
  await server.receive();
  server.answer();
  await server.flush();
  await me.receive();
}

async function sendMany(count: number, more: object = {}): Promise<string[]> {
  const ids: string[] = [];
  for (let sent = 0; sent < count; sent += 1) ids.push(await me.send({ to: ["all"], kind: "info", ...more }));
  await me.receive();
  return ids;
}

const plan = (rules: Partial<typeof EAGER> = {}) => planCompaction(me.receivePorts, { ...EAGER, ...rules });
/** How many batches may go, or why none. */
const gone = (rules: Partial<typeof EAGER> = {}): number | string => {
  const found = plan(rules);
  return found.ok ? found.value.batches : found.error;
};

describe("planCompaction()", () => {
  test("lets go what every server alive has handled, and says who keeps the rest", async () => {
    await sendMany(3);
    expect(plan()).toMatchObject({ value: { batches: 1, kept: 3, heldBy: "code2 has read up to entry 1" } });
    await catchUp(other);
    await sendMany(2);
    const found = plan();
    expect(found).toMatchObject({
      ok: true,
      value: { batches: 4, kept: 2, heldBy: "code2 has read up to entry 4" },
    });
    setHandled(other.state, "code1", { epoch: "00000000000000ff", seq: 9, hash: `sha256:${"0".repeat(64)}` });
    await other.flush();
    await me.receive();
    expect(gone()).toBe("code2 has read up to entry 9");
  });

  test("never lets go the last batch, nor fewer entries or younger ones than are to stay", async () => {
    await sendMany(5);
    await catchUp(other);
    expect(gone()).toBe(5);
    expect(gone({ entries: 2 })).toBe(4);
    expect(gone({ entries: 6 })).toBe("the newest 6 entries stay");
    expect(gone({ keep: DAY_MS })).toBe("nothing is 1 d old");
    await fleet.clock.advance(DAY_MS);
    expect(gone({ keep: DAY_MS / 2 })).toBe(5);
  });

  test("waits for whoever was heard of, for so long, and by a clock that was not set", async () => {
    await sendMany(3);
    noteLook(me.state, fleet.clock.wallMs());
    for (let day = 0; day < 12; day += 1) {
      await fleet.clock.advance(DAY_MS);
      noteLook(me.state, fleet.clock.wallMs());
    }
    expect(gone({ live: 20 * DAY_MS })).toBe(1);
    expect(gone({ live: 10 * DAY_MS })).toBe(3);
    // A clock that was set 400 days ahead makes nobody silent.
    await fleet.clock.advance(400 * DAY_MS);
    noteLook(me.state, fleet.clock.wallMs());
    expect(gone({ live: 10 * DAY_MS })).toBe(1);
  });

  test("does not wait for whoever was forgotten, nor for whoever has forgotten this server", async () => {
    await sendMany(3);
    setForgotten(me.state, "code2", 1);
    expect(gone()).toBe(3);
    setForgotten(me.state, "code2", null);
    expect(gone()).toBe(1);
    await other.receive();
    setForgotten(other.state, "code1", 1);
    await other.flush();
    await me.receive();
    expect(gone()).toBe(3);
  });

  test("keeps a message whose acknowledgement is waited for, until it comes or its time is over", async () => {
    await sendMany(1);
    const [id = ""] = await sendMany(1, { ackRequired: true });
    await sendMany(2);
    await catchUp(other);
    expect(gone()).toBe(2);
    expect(plan()).toMatchObject({ value: { heldBy: "code2 has not acknowledged entry 3" } });
    await fleet.clock.advance(DAY_MS);
    expect(gone({ live: DAY_MS / 2 })).toBe(4);
    markMessage(other.sendPorts, other.message(id), "acked");
    await catchUp(other);
    expect(gone()).toBe(4);
  });

  test("says who keeps everything that is left in a log that was shortened before", async () => {
    await sendMany(3);
    await catchUp(other);
    await sendMany(3);
    await compactMemory(me, 4);
    expect(gone()).toBe("code2 has read up to entry 4");
    expect(gone({ keep: DAY_MS })).toBe("code2 has read up to entry 4");
  });

  test("touches nothing while something waits to be pushed", async () => {
    await sendMany(3);
    await catchUp(other);
    me.queue({ to: ["code2"] });
    fleet.remote.troubles.outage = { kind: "unreachable", detail: "no" };
    await me.flush();
    expect(gone()).toBe("something waits to be pushed");
  });

  test("goes on from a log that was shortened before", async () => {
    await sendMany(4);
    await catchUp(other);
    await compactMemory(me, 2);
    expect(gone()).toBe(2);
    expect(plan()).toMatchObject({ value: { heldBy: "" } });
    await sendMany(2);
    await catchUp(other);
    expect(gone()).toBe(4);
  });
});

test("isWorthIt() wants enough to go, and no less than stays", async () => {
  await sendMany(3);
  await catchUp(other);
  const found = plan();
  if (!found.ok) throw new Error(found.error);
  expect(isWorthIt(found.value, { ...EAGER, batches: 3 })).toBe(true);
  expect(isWorthIt(found.value, { ...EAGER, batches: 4 })).toBe(false);
  expect(isWorthIt({ ...found.value, kept: 4 }, { ...EAGER, batches: 3 })).toBe(false);
});
