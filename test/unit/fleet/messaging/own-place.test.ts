import { beforeEach, describe, expect, test } from "bun:test";
import { toUtf8 } from "../../../../src/base/bytes.ts";
import type { GitObject } from "../../../../src/base/ports/git-store.ts";
import { writeSetting } from "../../../../src/fleet/messaging/identity.ts";
import { judgeKnownTip, judgeOwnTip } from "../../../../src/fleet/messaging/own-place.ts";
import { recoverLog } from "../../../../src/fleet/messaging/recover-log.ts";
import { compactMemory } from "../../../helpers/memory-compaction.ts";
import { MemoryFleet, MemoryServer, PATIENTLY, strangersCommit } from "../../../helpers/memory-fleet.ts";

let fleet = new MemoryFleet();
let me: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
});

const tipOf = (server = me): string => fleet.remote.refs.get(server.logRef) ?? "";

/** Judges what the remote holds now. */
async function judge(server = me) {
  const listed = fleet.remote.refs.get(server.logRef) ?? null;
  if (listed !== null) await server.machine.remote.fetch([`+${server.logRef}:refs/own/found-log`], PATIENTLY);
  return await judgeOwnTip(server.sendPorts, listed);
}

/** A stranger's commit on the own log. */
function putJunk(parent: string | null): string {
  const commit = strangersCommit({ "entries.jsonl": toUtf8("{}\n") }, parent);
  fleet.remote.put(me.logRef, commit.all, commit.commitId);
  return commit.commitId;
}

/** A stranger's commits with the first `count` batches of the log as it is now, each on the one before; not put yet. */
async function replayed(count: number) {
  const steps = await me.store.listCommits(tipOf(), null, count);
  const objects: GitObject[] = [];
  let parent: string | null = null;
  for (const { id } of steps) {
    const names = ["entries.jsonl", "entries.sig"];
    const read = await me.store.readObjects(
      names.map((name) => `${id}:${name}`),
      1e6,
    );
    const files = names.map((name, at) => {
      const file = read[at];
      return [name, file?.status === "found" ? file.content : toUtf8("")] as const;
    });
    const commit = strangersCommit(Object.fromEntries(files), parent);
    objects.push(...commit.all);
    parent = commit.commitId;
  }
  return { objects, tip: parent ?? "" };
}

describe("judgeKnownTip()", () => {
  test("tells the own commits from each other without reading anything", async () => {
    const first = tipOf();
    await me.send({ to: ["code2"] });
    expect(judgeKnownTip(me.state, tipOf())).toEqual({ kind: "confirmed" });
    expect(judgeKnownTip(me.state, first)).toEqual({ kind: "behind" });
    expect(judgeKnownTip(me.state, null)).toEqual({ kind: "behind" });
    expect(judgeKnownTip(me.state, "ab".repeat(20))).toBeNull();
    expect(judgeKnownTip((await fleet.join("code2")).state, null)).toEqual({ kind: "confirmed" });
  });
});

describe("judgeOwnTip()", () => {
  test("finds strangers on the log, with the confirmed batch still there", async () => {
    const junk = putJunk(tipOf());
    expect(await judge()).toEqual({ kind: "strangers", tip: junk, reachable: true, holder: null });
  });

  test("finds a batch that was built here below a stranger's commit", async () => {
    me.queue({ to: ["code2"] });
    fleet.remote.troubles.nextAnswersLost = 1;
    await me.flush();
    const arrived = tipOf();
    putJunk(arrived);
    expect(await judge()).toEqual({ kind: "ours", commit: arrived, state: "built" });
  });

  test("finds a log that a stranger put in the place of ours", async () => {
    const junk = putJunk(null);
    expect(await judge()).toEqual({ kind: "strangers", tip: junk, reachable: false, holder: null });
  });

  test("finds an older part of our log with a stranger's commit on it", async () => {
    const first = tipOf();
    await me.send({ to: ["code2"] });
    const junk = putJunk(first);
    expect(await judge()).toEqual({ kind: "strangers", tip: junk, reachable: false, holder: null });
  });

  test("names the key of a whole log of somebody else", async () => {
    const other = await fleet.machine("code1");
    const tip = tipOf();
    fleet.remote.put(me.logRef, [], null);
    const { identity } = await other.join();
    const late = new MemoryServer(other, identity);
    await late.flush();
    expect(tipOf()).not.toBe(tip);
    expect(await judge()).toEqual({
      kind: "strangers",
      tip: tipOf(),
      reachable: false,
      holder: identity.publicKey,
    });
  });

  test("finds what another machine with our key wrote on what we know, below a stranger's commit too", async () => {
    const backup = me.backup();
    await me.send({ to: ["code2"] });
    await me.send({ to: ["code2"] });
    const tip = tipOf();
    expect(await judge(backup)).toMatchObject({ kind: "unknown", batches: [{}, { commit: tip }] });
    putJunk(tip);
    expect(await judge(backup)).toMatchObject({ kind: "unknown", batches: [{}, { commit: tip }] });
  });

  test("finds what contradicts what we know", async () => {
    const backup = me.backup();
    writeSetting(backup.state, "run", "ab".repeat(8));
    const before = tipOf();
    await me.send({ to: ["code2"] });
    fleet.remote.put(me.logRef, [], before);
    fleet.remote.put(me.cardRef, [], null);
    await backup.send({ to: ["code2"] });
    expect(await judge()).toEqual({ kind: "forked" });
  });

  test("own batches in a stranger's commits contradict nothing, also those that the log was shortened by", async () => {
    for (let count = 0; count < 6; count += 1) await me.send({ to: ["code2"] });
    const kept = [await replayed(1), await replayed(3)];
    await compactMemory(me, 4);
    kept.push(await replayed(1));
    await me.send({ to: ["code2"] });
    await compactMemory(me, 2);
    for (const { objects, tip } of kept) {
      fleet.remote.put(me.logRef, objects, tip);
      expect(await judge()).toEqual({ kind: "strangers", tip, reachable: false, holder: null });
      expect(await recoverLog(me.sendPorts, tip)).toMatchObject({ kind: "changed" });
      await me.send({ to: ["code2"] });
    }
  });

  test("own batches whose rows were pruned are known again by what the log holds", async () => {
    for (let count = 0; count < 4; count += 1) await me.send({ to: ["code2"] });
    const { objects, tip } = await replayed(2);
    me.state.run("DELETE FROM batches WHERE number < (SELECT max(number) FROM batches)");
    fleet.remote.put(me.logRef, objects, tip);
    expect(await judge()).toEqual({ kind: "strangers", tip, reachable: false, holder: null });
  });

  test("a log of our key that goes on otherwise in what was removed still contradicts", async () => {
    await me.send({ to: ["code2"] });
    const backup = me.backup();
    const before = tipOf();
    for (let count = 0; count < 4; count += 1) await me.send({ to: ["code2"] });
    await compactMemory(me, 4);
    fleet.remote.put(me.logRef, [], before);
    await backup.send({ to: ["code2"] });
    expect(await judge()).toEqual({ kind: "forked" });
  });

  test("before anything was confirmed: another key's log, our own, or nobody's", async () => {
    const [first, late] = [await fleet.join("code2"), await fleet.join("code2")];
    const backup = first.backup();
    const junk = strangersCommit({ "a.txt": toUtf8("x") }, null);
    fleet.remote.put(first.logRef, junk.all, junk.commitId);
    expect(await judge(first)).toEqual({
      kind: "strangers",
      tip: junk.commitId,
      reachable: false,
      holder: null,
    });
    fleet.remote.put(first.logRef, [], null);
    await first.flush();
    expect(await judge(late)).toEqual({
      kind: "taken",
      publicKey: first.identity.publicKey,
      changed: false,
    });
    expect(await judge(backup)).toMatchObject({ kind: "unknown", batches: [{ commit: tipOf(first) }] });
  });

  test("a state from before the own key was changed is told which key it is now", async () => {
    const backup = me.backup();
    await me.rotate();
    await me.flush();
    await me.send({ to: ["code2"] });
    const changed = { kind: "taken", publicKey: me.identity.publicKey, changed: true } as const;
    expect(await judge(backup)).toEqual(changed);
  });
});
