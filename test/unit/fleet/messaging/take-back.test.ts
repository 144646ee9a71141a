import { beforeEach, describe, expect, test } from "bun:test";
import { buildQueued } from "../../../../src/fleet/messaging/build-queued.ts";
import {
  loadHead,
  outboxItem,
  unpushedBatches,
  unstoredBatches,
} from "../../../../src/fleet/messaging/outbox.ts";
import {
  adoptBatch,
  confirmedBatch,
  newestBatch,
  ownBatchState,
  takeBack,
} from "../../../../src/fleet/messaging/take-back.ts";
import { MemoryFleet, type MemoryServer } from "../../../helpers/memory-fleet.ts";

let fleet = new MemoryFleet();
let me: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
});

/** Queues and builds one message as a batch of its own; the id and the commit. */
async function build(): Promise<{ id: string; commit: string }> {
  const id = me.queue({ to: ["code2"] });
  await buildQueued(me.sendPorts);
  return { id, commit: loadHead(me.state)?.tip ?? "" };
}
const back = (uncertain = newestBatch(me.state)): boolean =>
  me.state.transaction(() => takeBack(me.state, uncertain));
const adopt = (commit: string): number | null =>
  me.state.transaction(() => adoptBatch(me.state, commit, fleet.clock.wallMs()));
const placeOf = (id: string) => {
  const { state, seq } = outboxItem(me.state, id) ?? { state: "gone", seq: null };
  return { state, seq };
};

describe("takeBack()", () => {
  test("queues what was built again, and ends the log where the remote says", async () => {
    const confirmed = loadHead(me.state);
    const [one, two] = [await build(), await build()];
    back();
    expect(loadHead(me.state)).toEqual(confirmed);
    expect([one, two].map(({ id }) => placeOf(id))).toEqual([
      { state: "queued", seq: null },
      { state: "queued", seq: null },
    ]);
    expect(unpushedBatches(me.state)).toEqual([]);
    expect(ownBatchState(me.state, one.commit)).toBe("abandoned");
    expect(ownBatchState(me.state, "ff".repeat(20))).toBe("foreign");
  });

  test("leaves no log where none was confirmed", async () => {
    const late = await fleet.join("code3");
    await buildQueued(late.sendPorts);
    late.state.transaction(() => takeBack(late.state, 9));
    expect(loadHead(late.state)).toBeNull();
    expect(confirmedBatch(late.state)).toBeNull();
  });

  test("changes nothing where an older fleetd did not write down how the log ends", async () => {
    const { id } = await build();
    me.state.run("UPDATE batches SET head = '' WHERE state = 'pushed'");
    const before = me.state.dump();
    expect(me.state.transaction(() => takeBack(me.state, 9))).toBe(false);
    expect(me.state.dump()).toEqual(before);
    await me.receive();
    fleet.remote.troubles.refuse = () => "closed";
    expect(await me.flush()).toMatchObject({ status: "waiting" });
    fleet.remote.troubles.refuse = () => null;
    expect((await me.flush()).status).toBe("pushed");
    expect(placeOf(id)).toEqual({ state: "pushed", seq: 2 });
  });

  test("keeps the bytes of what may still arrive, and of nothing else", async () => {
    const one = await build();
    const uncertain = newestBatch(me.state);
    const two = await build();
    back(uncertain);
    const rows = me.state.all<{ commit_id: string; kept: number }>(
      "SELECT commit_id, objects IS NOT NULL AS kept FROM batches WHERE state = 'abandoned' ORDER BY number",
    );
    expect(rows).toEqual([
      { commit_id: one.commit, kept: 1 },
      { commit_id: two.commit, kept: 0 },
    ]);
    // Nothing of it has to be made safe in the object store.
    expect(unstoredBatches(me.state).map((batch) => batch.commitId)).not.toContain(one.commit);
  });

  test("does not remember refused batches without end", async () => {
    for (let count = 0; count < 230; count += 1) {
      await fleet.clock.advance(1);
      if (count === 0) await build();
      else await buildQueued(me.sendPorts);
      back(0);
    }
    const rows = me.state.all("SELECT 1 FROM batches WHERE state = 'abandoned'");
    expect(rows.length).toBeLessThanOrEqual(202);
  });

  test("changes nothing when it is cut off", async () => {
    await build();
    const before = me.state.dump();
    me.state.failOnce("UPDATE batches");
    expect(() => back()).toThrow("disk I/O error");
    expect(me.state.dump()).toEqual(before);
  });
});

describe("adoptBatch()", () => {
  test("confirms the batch that arrived with those before it, and takes back what was built instead", async () => {
    const [one, two] = [await build(), await build()];
    back();
    await fleet.clock.advance(1);
    const other = await build();
    expect(adopt(two.commit)).toBe(2);
    expect([one, two].map(({ id }) => placeOf(id))).toEqual([
      { state: "pushed", seq: 2 },
      { state: "pushed", seq: 3 },
    ]);
    expect(placeOf(other.id)).toEqual({ state: "queued", seq: null });
    expect(loadHead(me.state)?.tip).toBe(two.commit);
    expect(confirmedBatch(me.state)?.tip).toBe(two.commit);
    const next = await build();
    expect(placeOf(other.id)).toEqual({ state: "built", seq: 4 });
    expect(placeOf(next.id)).toEqual({ state: "built", seq: 5 });
  });

  test("of a chain takes only what arrived", async () => {
    const [one, two] = [await build(), await build()];
    back();
    expect(adopt(one.commit)).toBe(1);
    expect([one, two].map(({ id }) => placeOf(id))).toEqual([
      { state: "pushed", seq: 2 },
      { state: "queued", seq: null },
    ]);
    expect(adopt(two.commit)).toBe(1);
    expect(placeOf(two.id)).toEqual({ state: "pushed", seq: 3 });
  });

  test("revives what was called dead or expired: it arrived", async () => {
    const one = await build();
    back();
    me.state.run("UPDATE outbox SET state = 'dead' WHERE id = ?", one.id);
    expect(adopt(one.commit)).toBe(1);
    expect(placeOf(one.id)).toEqual({ state: "pushed", seq: 2 });
  });

  test("takes no batch that does not continue the confirmed log", async () => {
    const one = await build();
    back();
    await fleet.clock.advance(1);
    const before = me.state.dump();
    for (const commit of ["ff".repeat(20), confirmedBatch(me.state)?.tip ?? ""]) {
      expect(adopt(commit)).toBeNull();
    }
    expect(me.state.dump()).toEqual(before);
    expect((await me.flush()).status).toBe("pushed");
    expect(placeOf(one.id)).toEqual({ state: "pushed", seq: 2 });
  });

  test("is not asked about what the remote went past: it is forgotten", async () => {
    const one = await build();
    back();
    me.queue({ to: ["code2"] });
    await me.flush();
    expect(ownBatchState(me.state, one.commit)).toBe("foreign");
    expect(me.state.all("SELECT 1 FROM batch_entries")).toEqual([]);
  });
});
