import { beforeEach, describe, expect, test } from "bun:test";
import { loadHead, unpushedBatches, unstoredBatches } from "../../../../src/fleet/messaging/outbox.ts";
import { restoreObjects } from "../../../../src/fleet/messaging/restore-objects.ts";
import { MemoryFleet, type MemoryServer } from "../../../helpers/memory-fleet.ts";

let fleet = new MemoryFleet();
let me: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
});

const areWhole = async (): Promise<boolean> => {
  const commits = await me.store.listCommits(loadHead(me.state)?.tip ?? "", null, 100);
  const names = commits.flatMap(({ id }) => [`${id}:entries.jsonl`, `${id}:entries.sig`]);
  return (await me.store.readObjects(names, 100_000)).every((answer) => answer.status === "found");
};

describe("restoreObjects()", () => {
  test("puts back what a power cut took, pushed or not, and the own ref", async () => {
    await me.send({ to: ["all"] });
    fleet.remote.troubles.outage = { kind: "unreachable", detail: "no" };
    me.queue({ to: ["all"] });
    await me.flush();
    me.store.losePower();
    me.store.refs.clear();
    expect(await areWhole().catch(() => false)).toBe(false);
    restoreObjects(me.sendPorts);
    expect(await areWhole()).toBe(true);
    expect(me.store.refs.get("refs/own/log")).toBe(loadHead(me.state)?.tip ?? "");
    fleet.remote.troubles.outage = null;
    expect((await me.flush()).status).toBe("pushed");
  });

  test("mends an object that is damaged", async () => {
    const tip = loadHead(me.state)?.tip ?? "";
    me.store.damage(tip);
    restoreObjects(me.sendPorts);
    expect(await me.store.verifyObject(tip)).toBe(true);
  });

  test("drops the bytes of confirmed batches once they are on the disk, and keeps the others'", async () => {
    fleet.remote.troubles.outage = { kind: "unreachable", detail: "no" };
    me.queue({ to: ["all"] });
    await me.flush();
    restoreObjects(me.sendPorts);
    expect(unstoredBatches(me.state)).toEqual(unpushedBatches(me.state));
    expect(unstoredBatches(me.state)).toHaveLength(1);
    me.store.losePower();
    expect(await areWhole()).toBe(true);
  });

  test("drops no bytes when the disk fails", () => {
    const waiting = unstoredBatches(me.state);
    expect(waiting).not.toEqual([]);
    const ports = { ...me.sendPorts, store: Object.create(me.store, { writeObjects: { value: failing } }) };
    expect(() => restoreObjects(ports)).toThrow("disk full");
    expect(unstoredBatches(me.state)).toEqual(waiting);
  });

  test("of a server that never built anything does nothing", async () => {
    const fresh = await fleet.join("code2");
    restoreObjects(fresh.sendPorts);
    expect(fresh.store.refs.get("refs/own/log")).toBeUndefined();
  });
});

function failing(): never {
  throw new Error("disk full");
}
