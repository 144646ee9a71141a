import { beforeEach, describe, expect, test } from "bun:test";
import { loadHead, outboxItem } from "../../../../src/fleet/messaging/outbox.ts";
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
const isClean = (): boolean => you.index.get("SELECT 1 FROM alarms UNION SELECT 1 FROM quarantine") === null;
async function received(): Promise<string[]> {
  await you.receive();
  const sql = "SELECT json FROM entries WHERE writer = 'code1' AND type = 'message' ORDER BY position";
  return you.index.all<{ json: string }>(sql).map((row) => (JSON.parse(row.json) as { body: string }).body);
}
const queueAll = (...bodies: string[]): string[] => bodies.map((body) => me.queue({ to: ["code2"], body }));
const refuseBad = (_: unknown, added: string): string | null => (added.includes("vile") ? "not that" : null);

describe("pushOwnRefs() with a batch that was taken back and arrives all the same", () => {
  test("adopts it when it arrives before what was built instead", async () => {
    const ids = queueAll("a", "vile", "b");
    fleet.remote.troubles.nextDelayed = 1;
    expect((await me.flush()).status).toBe("waiting");
    fleet.remote.troubles.refusePush = refuseBad;
    // The refusal is answered, the listing shows nothing, and then the first push arrives.
    let pushes = 0;
    fleet.remote.troubles.beforePush = () => {
      pushes += 1;
      if (pushes === 2) fleet.remote.landLate();
    };
    const outcome = await me.flush();
    expect(outcome).toMatchObject({ status: "pushed", entries: 3 });
    expect(ids.map(stateOf)).toEqual(["pushed", "pushed", "pushed"]);
    expect(await received()).toEqual(["a", "vile", "b"]);
    expect(fleet.remote.refs.get(me.logRef)).toBe(loadHead(me.state)?.tip ?? "");
    fleet.remote.troubles.refusePush = () => null;
    queueAll("c");
    await me.flush();
    expect(await received()).toEqual(["a", "vile", "b", "c"]);
    expect(isClean()).toBe(true);
  });

  test("adopts it in a later flush, and takes back what was built meanwhile", async () => {
    const ids = queueAll("a", "vile");
    fleet.remote.troubles.nextDelayed = 1;
    await me.flush();
    fleet.remote.troubles.refusePush = (_, added) => (added.includes("code1") ? "closed" : null);
    await me.flush();
    expect(ids.map(stateOf)).toEqual(["queued", "queued"]);
    fleet.remote.landLate();
    fleet.remote.troubles.refusePush = () => null;
    queueAll("b");
    await fleet.clock.advance(60_000);
    expect((await me.flush()).status).toBe("pushed");
    expect(await received()).toEqual(["a", "vile", "b"]);
    expect(isClean()).toBe(true);
  });

  test("never sees it again once something else took its place", async () => {
    queueAll("a", "vile", "b");
    fleet.remote.troubles.nextDelayed = 1;
    await me.flush();
    fleet.remote.troubles.refusePush = refuseBad;
    await me.flush();
    fleet.remote.landLate();
    expect(await received()).toEqual(["a", "b"]);
    queueAll("c");
    await me.flush();
    expect(await received()).toEqual(["a", "b", "c"]);
    expect(isClean()).toBe(true);
  });

  test("adopts it although its objects are gone here", async () => {
    queueAll("a");
    fleet.remote.troubles.nextDelayed = 1;
    await me.flush();
    fleet.remote.troubles.refusePush = () => "closed";
    await me.flush();
    fleet.remote.landLate();
    fleet.remote.troubles.refusePush = () => null;
    me.store.losePower();
    await fleet.clock.advance(60_000);
    await me.flush();
    queueAll("b");
    await me.flush();
    expect(await received()).toEqual(["a", "b"]);
    await me.receive();
    expect(me.index.all("SELECT 1 FROM entries WHERE writer = 'code1' AND type = 'message'")).toHaveLength(2);
  });
});
