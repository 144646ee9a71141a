import { beforeEach, describe, expect, test } from "bun:test";
import { toUtf8 } from "../../../../src/base/bytes.ts";
import { writeSetting } from "../../../../src/fleet/messaging/identity.ts";
import { listOwnAlarms } from "../../../../src/fleet/messaging/own-alarms.ts";
import { adoptOwnCard } from "../../../../src/fleet/messaging/own-card.ts";
import {
  buildNextCard,
  loadCardState,
  loadRun,
  renewRun,
  saveCardState,
} from "../../../../src/fleet/messaging/publish-card.ts";
import { readCard } from "../../../../src/fleet/messaging/receive-cards.ts";
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

/** The files of the card that stands on the remote now. */
async function keptCard(): Promise<Record<string, Uint8Array>> {
  const commit = fleet.remote.refs.get(me.cardRef) ?? "";
  const { json, signature } = await readCard(me.store, commit);
  return { "card.json": json ?? toUtf8(""), "card.sig": signature ?? toUtf8("") };
}

const adopt = (commit: string | null) => adoptOwnCard(me.sendPorts, { commit, ref: me.cardRef }, PATIENTLY);

describe("adoptOwnCard()", () => {
  test("takes the known card and one that vanished without asking the remote", async () => {
    const { commitId } = loadCardState(me.sendPorts);
    const { calls } = fleet.remote;
    expect(await adopt(commitId)).toMatchObject({ ok: true, value: { kind: "known" } });
    expect(await adopt(null)).toMatchObject({ ok: true, value: { kind: "known" } });
    expect(loadCardState(me.sendPorts).commitId).toBeNull();
    expect(fleet.remote.calls).toBe(calls);
  });

  test("takes a card of its own that it does not remember, and numbers go on above it", async () => {
    for (let count = 0; count < 8; count += 1) await buildNextCard(me.sendPorts, FACTS);
    const built = await buildNextCard(me.sendPorts, FACTS);
    fleet.remote.put(me.cardRef, built.objects, built.commitId);
    saveCardState(me.sendPorts, { n: 2, seen: 2, commitId: "00".repeat(20), mode: "replace" });
    expect(await adopt(built.commitId)).toMatchObject({ ok: true, value: { kind: "mine" } });
    const { n, commitId } = built;
    expect(loadCardState(me.sendPorts)).toEqual({ n, seen: n, commitId, mode: "replace" });
  });

  test("never lowers the number for an older card of its own", async () => {
    const old = fleet.remote.refs.get(me.cardRef) ?? "";
    await me.flush();
    const { n } = loadCardState(me.sendPorts);
    fleet.remote.put(me.cardRef, [], old);
    expect(await adopt(old)).toMatchObject({ ok: true, value: { kind: "mine" } });
    expect(loadCardState(me.sendPorts)).toMatchObject({ n, commitId: old });
  });

  test("replaces a card of somebody else, and raises an alarm", async () => {
    const other = await fleet.add("code2");
    const built = await buildNextCard(other.sendPorts, FACTS);
    fleet.remote.put(me.cardRef, built.objects, built.commitId);
    const { n } = loadCardState(me.sendPorts);
    expect(await adopt(built.commitId)).toEqual({ ok: true, value: { kind: "stranger" } });
    expect(loadCardState(me.sendPorts)).toMatchObject({ n, commitId: built.commitId });
    expect(listOwnAlarms(me.state, fleet.clock.wallMs())).toMatchObject([{ kind: "card", held: false }]);
  });

  test("replaces a commit that holds no card", async () => {
    const commit = strangersCommit({ "a.txt": toUtf8("hello") }, null);
    fleet.remote.put(me.cardRef, commit.all, commit.commitId);
    expect(await adopt(commit.commitId)).toEqual({ ok: true, value: { kind: "stranger" } });
  });

  test("leaves a card alone that is signed with the own key by a daemon that nobody here started", async () => {
    const run = loadRun(me.sendPorts);
    writeSetting(me.state, "run", "ab".repeat(8));
    const built = await buildNextCard(me.sendPorts, FACTS);
    writeSetting(me.state, "run", run);
    fleet.remote.put(me.cardRef, built.objects, built.commitId);
    const before = loadCardState(me.sendPorts);
    expect(await adopt(built.commitId)).toMatchObject({ ok: true, value: { kind: "other" } });
    expect(loadCardState(me.sendPorts)).toEqual(before);
  });

  test("an old own card in a stranger's commit is a stranger's, whether or not its run is remembered", async () => {
    const old = await keptCard();
    for (let count = 0; count < 60; count += 1) me.state.transaction(() => renewRun(me.sendPorts));
    await me.flush();
    const { n } = loadCardState(me.sendPorts);
    for (const message of ["one", "another"]) {
      const commit = strangersCommit({ ...old, message: toUtf8(message) }, null);
      fleet.remote.put(me.cardRef, commit.all, commit.commitId);
      expect(await adopt(commit.commitId)).toEqual({ ok: true, value: { kind: "stranger" } });
      expect(loadCardState(me.sendPorts)).toMatchObject({ n, seen: n, commitId: commit.commitId });
    }
    expect(listOwnAlarms(me.state, fleet.clock.wallMs())).toMatchObject([{ kind: "card", held: false }]);
  });

  test("a copy of this machine that starts later is another one, however many cards failed here meanwhile", async () => {
    const copy = me.backup();
    copy.state.transaction(() => renewRun(copy.sendPorts));
    for (let count = 0; count < 5; count += 1) await buildNextCard(me.sendPorts, FACTS);
    expect((await copy.flush()).status).toBe("pushed");
    expect(loadCardState(copy.sendPorts).n).toBeLessThan(loadCardState(me.sendPorts).n);
    const found = fleet.remote.refs.get(me.cardRef) ?? "";
    expect(await adopt(found)).toMatchObject({ ok: true, value: { kind: "other" } });
  });

  test("answers the remote's failure", async () => {
    fleet.remote.troubles.outage = { kind: "timeout", detail: "slow" };
    expect(await adopt("11".repeat(20))).toMatchObject({ ok: false, error: { kind: "timeout" } });
  });
});
