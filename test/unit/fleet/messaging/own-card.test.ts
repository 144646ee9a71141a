import { beforeEach, describe, expect, test } from "bun:test";
import { toUtf8 } from "../../../../src/base/bytes.ts";
import { adoptOwnCard } from "../../../../src/fleet/messaging/own-card.ts";
import { buildNextCard, loadCardState, saveCardState } from "../../../../src/fleet/messaging/publish-card.ts";
import {
  FACTS,
  MemoryFleet,
  type MemoryServer,
  PATIENTLY,
  strangersCommit,
} from "../../../helpers/memory-fleet.ts";

let fleet = new MemoryFleet();
let me: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
});

const adopt = (commit: string | null) => adoptOwnCard(me.sendPorts, { commit, ref: me.cardRef }, PATIENTLY);

describe("adoptOwnCard()", () => {
  test("takes the known card and one that vanished without asking the remote", async () => {
    const { commitId } = loadCardState(me.sendPorts);
    const { calls } = fleet.remote;
    expect(await adopt(commitId)).toEqual({ ok: true, value: true });
    expect(await adopt(null)).toEqual({ ok: true, value: true });
    expect(loadCardState(me.sendPorts).commitId).toBeNull();
    expect(fleet.remote.calls).toBe(calls);
  });

  test("takes a card of its own that it does not remember, and numbers go on above it", async () => {
    for (let count = 0; count < 8; count += 1) await buildNextCard(me.sendPorts, FACTS);
    const built = await buildNextCard(me.sendPorts, FACTS);
    fleet.remote.put(me.cardRef, built.objects, built.commitId);
    saveCardState(me.sendPorts, { n: 2, commitId: "00".repeat(20), mode: "replace" });
    expect(await adopt(built.commitId)).toEqual({ ok: true, value: true });
    expect(loadCardState(me.sendPorts)).toEqual({ n: built.n, commitId: built.commitId, mode: "replace" });
  });

  test("never lowers the number for an older card of its own", async () => {
    const old = fleet.remote.refs.get(me.cardRef) ?? "";
    await me.flush();
    const { n } = loadCardState(me.sendPorts);
    fleet.remote.put(me.cardRef, [], old);
    expect(await adopt(old)).toEqual({ ok: true, value: true });
    expect(loadCardState(me.sendPorts)).toMatchObject({ n, commitId: old });
  });

  test("is false for a card of somebody else, and remembers nothing of it", async () => {
    const other = await fleet.add("code2");
    const built = await buildNextCard(other.sendPorts, FACTS);
    fleet.remote.put(me.cardRef, built.objects, built.commitId);
    const before = loadCardState(me.sendPorts);
    expect(await adopt(built.commitId)).toEqual({ ok: true, value: false });
    expect(loadCardState(me.sendPorts)).toEqual(before);
  });

  test("is false for a commit that holds no card", async () => {
    const commit = strangersCommit({ "a.txt": toUtf8("hello") }, null);
    fleet.remote.put(me.cardRef, commit.all, commit.commitId);
    expect(await adopt(commit.commitId)).toEqual({ ok: true, value: false });
  });

  test("answers the remote's failure", async () => {
    fleet.remote.troubles.outage = { kind: "timeout", detail: "slow" };
    expect(await adopt("11".repeat(20))).toMatchObject({ ok: false, error: { kind: "timeout" } });
  });
});
