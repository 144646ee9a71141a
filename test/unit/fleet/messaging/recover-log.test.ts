import { beforeEach, describe, expect, test } from "bun:test";
import { toUtf8 } from "../../../../src/base/bytes.ts";
import { toObjects } from "../../../../src/fleet/messaging/build-batch.ts";
import { graftOf, saveGraft } from "../../../../src/fleet/messaging/graft.ts";
import { loadHead, outboxItem, queuedDrafts } from "../../../../src/fleet/messaging/outbox.ts";
import { holdOf, listOwnAlarms } from "../../../../src/fleet/messaging/own-alarms.ts";
import { held, holdError, notePause, recoverLog } from "../../../../src/fleet/messaging/recover-log.ts";
import { noteRecovery } from "../../../../src/fleet/messaging/recovery-pauses.ts";
import { systemCryptography } from "../../../../src/platform/cryptography.ts";
import { MemoryFleet, type MemoryServer, PATIENTLY, strangersCommit } from "../../../helpers/memory-fleet.ts";

let fleet = new MemoryFleet();
let me: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
});

const tipOf = (server = me): string => fleet.remote.refs.get(server.logRef) ?? "";

async function recover(server = me) {
  const tip = fleet.remote.refs.get(server.logRef) ?? null;
  if (tip !== null) await server.machine.remote.fetch([`+${server.logRef}:refs/own/found-log`], PATIENTLY);
  return await recoverLog(server.sendPorts, tip);
}

let junkCount = 0;
function putJunk(parent: string | null, server = me): string {
  junkCount += 1;
  const commit = strangersCommit({ "entries.jsonl": toUtf8(`{"junk":${junkCount}}\n`) }, parent);
  fleet.remote.put(server.logRef, commit.all, commit.commitId);
  return commit.commitId;
}

/** Somebody with a key of his own puts a whole log in the place of ours. */
async function putForeign(): Promise<void> {
  const [log, card] = [tipOf(), fleet.remote.refs.get(me.cardRef) ?? null];
  fleet.remote.put(me.logRef, [], null);
  fleet.remote.put(me.cardRef, [], null);
  await (await fleet.join("code1")).flush();
  fleet.remote.put(me.cardRef, [], card);
  expect(tipOf()).not.toBe(log);
}

describe("recoverLog()", () => {
  test("stands beside junk on the log once, with nothing to say until something is queued", async () => {
    const base = tipOf();
    const junk = putJunk(base);
    expect(await recover()).toEqual({ kind: "changed", entries: 0 });
    expect(graftOf(me.state)).toMatchObject({ base, tip: junk });
    expect(queuedDrafts(me.state, 10)).toEqual([]);
    expect(await recover()).toEqual({ kind: "confirmed", entries: 0 });
    expect(listOwnAlarms(me.state, fleet.clock.wallMs())).toMatchObject([{ kind: "stranger" }]);
  });

  test("puts a new epoch in the place of nothing to say, where the own commits are not there any more", async () => {
    putJunk(null);
    expect(await recover()).toEqual({ kind: "changed", entries: 0 });
    expect(queuedDrafts(me.state, 10)).toMatchObject([{ body: { type: "key" } }]);
    const head = loadHead(me.state);
    expect((await me.flush()).status).toBe("pushed");
    expect(loadHead(me.state)).toMatchObject({ seq: 1 });
    expect(loadHead(me.state)?.epoch).not.toBe(head?.epoch ?? "");
  });

  test("takes back what was built on the old place, and builds the same entries beside the stranger's", async () => {
    const id = me.queue({ to: ["code2"] });
    fleet.remote.troubles.nextFailures.push({ kind: "unreachable", detail: "away" });
    await me.flush();
    const { seq } = outboxItem(me.state, id) ?? {};
    putJunk(tipOf());
    expect(await recover()).toEqual({ kind: "changed", entries: 0 });
    expect(outboxItem(me.state, id)?.state).toBe("queued");
    await me.flush();
    expect(outboxItem(me.state, id)).toMatchObject({ state: "pushed", seq: seq ?? -1 });
  });

  test("counts what arrived below a stranger's commit, then stands beside it", async () => {
    const id = me.queue({ to: ["code2"] });
    fleet.remote.troubles.nextAnswersLost = 1;
    await me.flush();
    const junk = putJunk(tipOf());
    expect(await recover()).toEqual({ kind: "changed", entries: 1 });
    expect(outboxItem(me.state, id)?.state).toBe("pushed");
    expect(graftOf(me.state)?.tip).toBe(junk);
  });

  test("forgets the strangers when they are gone", async () => {
    const base = tipOf();
    putJunk(base);
    await recover();
    fleet.remote.put(me.logRef, [], base);
    expect(await recover()).toEqual({ kind: "confirmed", entries: 0 });
    expect(graftOf(me.state)).toBeNull();
  });

  test("begins a log beside junk with a root of its own and a second batch", async () => {
    const fresh = await fleet.join("code2");
    const junk = putJunk(null, fresh);
    expect((await fresh.flush()).status).toBe("pushed");
    const [root, second] = await fresh.store.listCommits(tipOf(fresh), null, 10);
    expect([root?.parents, second?.parents]).toEqual([[], [root?.id ?? "", junk]]);
    await me.receive();
    const id = await fresh.send({ to: ["code1"] });
    await me.receive();
    expect(me.message(id).message.body).toBe("hello");
  });

  test("logs of throw-away keys delay what is pushed, ever longer up to a bound, and stop nothing", async () => {
    const pauses: number[] = [];
    for (let count = 0; count < 12; count += 1) {
      await putForeign();
      me.queue({ to: ["code2"] });
      const startedMs = fleet.clock.wallMs();
      let outcome = await me.flush();
      while (outcome.status !== "pushed") {
        expect(outcome).toMatchObject({ status: "waiting", failure: { kind: "failed" } });
        expect(holdOf(me.state)).toBeNull();
        const alarms = listOwnAlarms(me.state, fleet.clock.wallMs());
        expect(alarms).toMatchObject([{ kind: "fight", held: false }, { kind: "stranger" }]);
        await fleet.clock.advance(5_000);
        outcome = await me.flush();
      }
      pauses.push((fleet.clock.wallMs() - startedMs) / 1000);
      expect(queuedDrafts(me.state, 1)).toEqual([]);
    }
    expect(pauses.slice(0, 3)).toEqual([0, 0, 0]);
    expect(pauses.toSorted((one, other) => one - other)).toEqual(pauses);
    expect(pauses[3]).toBeGreaterThan(0);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(305);
    await fleet.clock.advance(3_600_000);
    await putForeign();
    expect(await recover()).toMatchObject({ kind: "changed" });
  });

  test("notePause() is news once, and none for junk that nobody signed or for what is stood beside already", async () => {
    const strangers = { kind: "strangers", tip: "ab".repeat(20), reachable: false } as const;
    const holder = (await fleet.add("code2")).identity.publicKey;
    const at = { ...strangers, holder };
    expect(notePause(me.sendPorts, at)).toBeNull();
    for (let count = 0; count < 3; count += 1) noteRecovery(me.state, fleet.clock.wallMs());
    expect(notePause(me.sendPorts, { ...strangers, holder: null })).toBeNull();
    expect(notePause(me.sendPorts, at)).toEqual({
      detail: expect.stringContaining("after 15 s"),
      isNews: true,
    });
    expect(notePause(me.sendPorts, at)?.isNews).toBe(false);
    saveGraft(me.state, { base: tipOf(), tip: at.tip, committedMs: 0 });
    expect(notePause(me.sendPorts, at)).toBeNull();
  });

  test("a stranger's junk is stood beside as often as it comes", async () => {
    for (let count = 0; count < 10; count += 1) {
      putJunk(count % 2 === 0 ? null : tipOf());
      me.queue({ to: ["code2"] });
      expect((await me.flush()).status).toBe("pushed");
    }
  });

  test("a stranger's date a year ahead does not become ours, and no date goes back", async () => {
    const before = loadHead(me.state)?.committedMs ?? 0;
    const tools = { format: "sha1", cryptography: systemCryptography } as const;
    const far = toObjects({ "a.txt": toUtf8("x") }, tools, (tree) => {
      const committedMs = fleet.clock.wallMs() + 365 * 24 * 3_600_000;
      return { tree, parent: tipOf(), server: "stranger", committedMs, message: "far" };
    });
    fleet.remote.put(me.logRef, far.all, far.commitId);
    await me.send({ to: ["code2"] });
    expect(loadHead(me.state)?.committedMs).toBe(Math.max(before, fleet.clock.wallMs()));
  });
});

test("held() words what was found, holdError() says what to do about it", async () => {
  const at = { identity: { server: "code1" }, cryptography: systemCryptography };
  const { publicKey } = (await fleet.add("code2")).identity;
  expect(held(at, { kind: "forked" })).toMatchObject({ hold: "other-machine" });
  const taken = { kind: "taken", publicKey, changed: false } as const;
  expect(held(at, taken)).toMatchObject({ hold: "id-taken", holder: publicKey });
  expect(held(at, { ...taken, changed: true }).detail).toContain("was changed after this state was saved");
  expect(held(at, { kind: "unknown", batches: [] }).detail).toContain("0 entries signed with its key");
  const thrown = holdError("code1", { kind: "id-taken", detail: "another key" });
  expect(thrown).toMatchObject({ code: "NOT_AUTHORISED", message: `Cannot push as "code1": another key` });
  expect(thrown.hint).toContain("fleetd init --server ID");
});
