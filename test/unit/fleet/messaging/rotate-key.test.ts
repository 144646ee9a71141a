import { beforeEach, describe, expect, test } from "bun:test";
import { formerKeys, keysOfLog } from "../../../../src/fleet/messaging/former-keys.ts";
import { listQuarantine } from "../../../../src/fleet/messaging/index-troubles.ts";
import { loadHead } from "../../../../src/fleet/messaging/outbox.ts";
import { findPeer } from "../../../../src/fleet/messaging/peers.ts";
import {
  forgetRotation,
  isRotated,
  keyAt,
  pendingRotation,
  rotateKey,
  rotationRefusal,
  signerAt,
} from "../../../../src/fleet/messaging/rotate-key.ts";
import { toOpenSsh } from "../../../../src/fleet/messaging/ssh-signature.ts";
import { findCard } from "../../../../src/fleet/messaging/stored-cards.ts";
import { takeBack } from "../../../../src/fleet/messaging/take-back.ts";
import { MemoryFleet, type MemoryServer } from "../../../helpers/memory-fleet.ts";

let fleet: MemoryFleet;
let writer: MemoryServer;
let reader: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  writer = await fleet.add("writer");
  reader = await fleet.add("reader");
  await reader.receive();
});

const refused = (): string[] => listQuarantine(reader.index).map(({ reason }) => reason);

describe("rotateKey()", () => {
  test("hands the log over; what follows and the card are signed by the new key, and readers follow", async () => {
    const before = await writer.send({ to: ["reader"], body: "before" });
    const old = writer.identity.publicKey;
    const rotation = await writer.rotate();
    expect(writer.identity).toMatchObject({ publicKey: rotation.next, epoch: rotation.epoch });
    const after = await writer.send({ to: ["reader"], body: "after" });
    await reader.receive();
    expect([before, after].map((id) => reader.message(id).message.body)).toEqual(["before", "after"]);
    expect(findPeer(reader.state, "writer")?.publicKey).toBe(rotation.next);
    expect(keysOfLog(reader.state, "writer")).toEqual([old, rotation.next]);
    expect(findCard(reader.index, "writer")?.card).toMatchObject({
      public_key: rotation.next,
      log: { epoch: rotation.epoch },
    });
    expect(refused()).toEqual([]);
    expect(isRotated(writer.state, rotation)).toBe(true);
  });

  test("is read from the start, by who joins later and by an index made anew", async () => {
    await writer.send({ to: ["all"], body: "one" });
    await writer.rotate();
    await writer.send({ to: ["all"], body: "two" });
    writer.state.transaction(() => forgetRotation(writer.state));
    await writer.rotate();
    const last = await writer.send({ to: ["all"], body: "three" });
    const late = await fleet.add("late");
    await reader.receive();
    reader.loseIndex();
    await reader.receive();
    writer.loseIndex();
    await writer.receive();
    for (const one of [late, reader, writer]) expect(one.message(last).message.body).toBe("three");
    expect(keysOfLog(late.state, "writer")).toHaveLength(3);
    expect(refused()).toEqual([]);
  });

  test("refuses a second change before the first is on the remote, and one of a log that has not begun", async () => {
    await writer.rotate();
    await expect(writer.rotate()).rejects.toMatchObject({ code: "NOT_YET" });
    const joined = await fleet.join("joined");
    await expect(rotateKey(joined.sendPorts, joined.machine.key)).rejects.toMatchObject({ code: "NOT_YET" });
    // Built is not enough: the first batch may have to be built again, by the key that it names.
    fleet.remote.troubles.outage = { kind: "unreachable", detail: "no" };
    joined.queue({ to: ["reader"] });
    await joined.flush();
    expect(loadHead(joined.state)).not.toBeNull();
    await expect(rotateKey(joined.sendPorts, joined.machine.key)).rejects.toMatchObject({ code: "NOT_YET" });
  });

  test("changes nothing but what one transaction changes", async () => {
    const { next, previous } = await writer.rotate();
    expect(pendingRotation(writer.state)).toMatchObject({ next, previous });
    expect(formerKeys(writer.state, "writer")).toMatchObject([{ publicKey: previous, how: "rotated" }]);
    writer.state.transaction(() => forgetRotation(writer.state));
    expect(pendingRotation(writer.state)).toBeNull();
  });
});

test("rotationRefusal() says beforehand what a change would answer", async () => {
  expect(rotationRefusal(writer.sendPorts)).toBeNull();
  const joined = await fleet.join("joined");
  expect(rotationRefusal(joined.sendPorts)?.message).toContain("its log has not begun");
  await writer.rotate();
  expect(rotationRefusal(writer.sendPorts)).toMatchObject({ code: "NOT_YET" });
  await writer.flush();
  expect(rotationRefusal(writer.sendPorts)).toBeNull();
});

describe("keyAt()", () => {
  test("is the old key before the change and the new one after it, also for what is built again", async () => {
    const waiting = writer.queue({ to: ["reader"], body: "waits" });
    const confirmed = loadHead(writer.state);
    const rotation = await writer.rotate();
    const later = writer.queue({ to: ["reader"], body: "later" });
    const head = loadHead(writer.state);
    expect(keyAt(writer.sendPorts, confirmed)).toBe(rotation.previous);
    expect(keyAt(writer.sendPorts, head)).toBe(rotation.next);
    expect(keyAt(writer.sendPorts, head === null ? null : { ...head, tip: null })).toBe(rotation.previous);
    expect(toOpenSsh((await signerAt(writer.sendPorts, confirmed)).publicKey)).toBe(rotation.previous);
    // Everything that was built is taken back, the change of the key too, and built again.
    writer.state.transaction(() => takeBack(writer.state, 0));
    await writer.flush();
    await reader.receive();
    expect([waiting, later].map((id) => reader.message(id).message.body)).toEqual(["waits", "later"]);
    expect(findPeer(reader.state, "writer")?.publicKey).toBe(rotation.next);
    expect(refused()).toEqual([]);
    writer.state.transaction(() => forgetRotation(writer.state));
    expect(keyAt(writer.sendPorts, null)).toBe(rotation.next);
  });
});
