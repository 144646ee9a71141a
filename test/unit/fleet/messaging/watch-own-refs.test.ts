import { beforeEach, describe, expect, test } from "bun:test";
import { toUtf8 } from "../../../../src/base/bytes.ts";
import { formerCursor } from "../../../../src/fleet/messaging/adopt-log.ts";
import { announceConflict } from "../../../../src/fleet/messaging/conflict-ref.ts";
import { encodeMeta } from "../../../../src/fleet/messaging/fleet-meta.ts";
import { readSetting } from "../../../../src/fleet/messaging/identity.ts";
import { holdOf, listOwnAlarms } from "../../../../src/fleet/messaging/own-alarms.ts";
import { loadCardState, renewRun } from "../../../../src/fleet/messaging/publish-card.ts";
import { readCard } from "../../../../src/fleet/messaging/receive-cards.ts";
import { OwnRefsWatch } from "../../../../src/fleet/messaging/watch-own-refs.ts";
import {
  FACTS,
  MemoryFleet,
  type MemoryServer,
  PATIENTLY,
  strangersCommit,
} from "../../../helpers/memory-fleet.ts";

const SILENT_MS = 600_000;
const OTHER = "01a20168-a495-7453-a06d-915cb76c4466";
let fleet = new MemoryFleet();
let me: MemoryServer;
let watch: OwnRefsWatch;
let isBusy = false;
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
  isBusy = false;
  watch = watchOver(me);
});

const watchOver = (server: MemoryServer): OwnRefsWatch =>
  new OwnRefsWatch(server.receivePorts, () => (isBusy ? null : { release: () => undefined }));

async function look(server = me, by = watch) {
  const { own } = await server.receive();
  return await by.look(own, { nowMonoMs: fleet.clock.monotonicMs(), silentMs: SILENT_MS });
}

/** A daemon that starts: its card bears a run that no copy of the state knows. */
const start = (server: MemoryServer): void => server.state.transaction(() => renewRun(server.sendPorts));

describe("look()", () => {
  test("has nothing to say where the refs are what was pushed", async () => {
    expect(await look()).toEqual({ held: null, wantsPush: false, notices: [] });
    await me.send({ to: ["code2"] });
    expect(await look()).toEqual({ held: null, wantsPush: false, notices: [] });
  });

  test("wants a push when the log, the card or meta is gone or taken back", async () => {
    const first = fleet.remote.refs.get(me.logRef) ?? "";
    await me.send({ to: ["code2"] });
    for (const [ref, id] of [
      [me.logRef, null],
      [me.logRef, first],
      [me.cardRef, null],
      ["refs/fleet/meta", null],
    ] as const) {
      fleet.remote.put(ref, [], id);
      expect(await look()).toMatchObject({ held: null, wantsPush: true });
      expect((await me.flush()).status).toBe("pushed");
      expect(await look()).toEqual({ held: null, wantsPush: false, notices: [] });
    }
  });

  test("wants one push over junk on the log, and rests then", async () => {
    const junk = strangersCommit({ "a.txt": toUtf8("x") }, fleet.remote.refs.get(me.logRef) ?? null);
    fleet.remote.put(me.logRef, junk.all, junk.commitId);
    expect(await look()).toMatchObject({ held: null, wantsPush: true });
    await me.flush();
    expect(fleet.remote.refs.get(me.logRef)).toBe(junk.commitId);
    expect(await look()).toMatchObject({ held: null, wantsPush: false });
    await me.send({ to: ["code2"] });
    expect(await look()).toMatchObject({ held: null, wantsPush: false });
    expect(listOwnAlarms(me.state, fleet.clock.wallMs())).toMatchObject([{ kind: "stranger" }]);
  });

  test("holds while another machine writes with our key, and takes over once it was silent", async () => {
    start(me);
    await me.flush();
    const backup = me.backup();
    start(backup);
    start(me);
    await me.send({ to: ["code2"] });
    const by = watchOver(backup);
    expect(await look(backup, by)).toMatchObject({ held: { kind: "other-machine" }, wantsPush: false });
    await fleet.clock.advance(SILENT_MS - 1);
    expect((await look(backup, by)).held).not.toBeNull();
    await me.flush();
    await fleet.clock.advance(SILENT_MS - 1);
    expect((await look(backup, by)).held).not.toBeNull();
    await fleet.clock.advance(SILENT_MS - 1);
    expect((await look(backup, by)).held).not.toBeNull();
    await fleet.clock.advance(1);
    isBusy = true;
    expect((await look(backup, by)).held).not.toBeNull();
    isBusy = false;
    const taken = await look(backup, by);
    expect(taken).toMatchObject({
      held: null,
      wantsPush: true,
      notices: [expect.stringContaining("1 entries")],
    });
    expect(holdOf(backup.state)).toBeNull();
    expect((await backup.flush()).status).toBe("pushed");
    expect(await look(backup, by)).toMatchObject({ held: null, wantsPush: false });
    expect(await look()).toMatchObject({ held: { kind: "other-machine" } });
  });

  test("holds for a card of another daemon alone, and goes on after its silence", async () => {
    const backup = me.backup();
    start(backup);
    await backup.flush();
    expect(await look()).toMatchObject({ held: { kind: "other-machine" }, wantsPush: false });
    await fleet.clock.advance(SILENT_MS);
    expect(await look()).toMatchObject({ held: null, wantsPush: true });
    expect((await me.flush()).status).toBe("pushed");
    expect(await look()).toMatchObject({ held: null, wantsPush: false });
  });

  test("what strangers do with the other machine's card is no sign of its life, and holds nobody again", async () => {
    const backup = me.backup();
    start(backup);
    await backup.flush();
    await backup.flush();
    const { json, signature } = await readCard(backup.store, loadCardState(backup.sendPorts).commitId ?? "");
    const files = { "card.json": json ?? toUtf8(""), "card.sig": signature ?? toUtf8("") };
    const wrap = (message: string): void => {
      const commit = strangersCommit({ ...files, message: toUtf8(message) }, null);
      fleet.remote.put(me.cardRef, commit.all, commit.commitId);
    };
    expect(await look()).toMatchObject({ held: { kind: "other-machine" } });
    for (const message of ["one", "two"]) {
      await fleet.clock.advance(SILENT_MS / 2 - 1);
      wrap(message);
      expect(await look()).toMatchObject({ held: { kind: "other-machine" } });
    }
    await fleet.clock.advance(2);
    expect(await look()).toMatchObject({ held: null, wantsPush: true });
    expect((await me.flush()).status).toBe("pushed");
    wrap("three");
    expect(await look()).toMatchObject({ held: null, wantsPush: true });
    expect((await me.flush()).status).toBe("pushed");
    expect(await look()).toEqual({ held: null, wantsPush: false, notices: [] });
    // It runs after all: its numbers go on above what it finds there.
    const by = watchOver(backup);
    expect(await look(backup, by)).toMatchObject({ held: { kind: "other-machine" } });
  });

  test("a copy that runs is found out although both count on from the same number", async () => {
    start(me);
    await me.flush();
    const copy = me.backup();
    start(me);
    start(copy);
    await me.flush();
    const by = watchOver(copy);
    expect(await look(copy, by)).toMatchObject({ held: { kind: "other-machine" } });
    for (let beat = 0; beat < 5; beat += 1) {
      await fleet.clock.advance(SILENT_MS - 1);
      await me.flush();
      expect(await look(copy, by)).toMatchObject({ held: { kind: "other-machine" } });
      expect(await look()).toMatchObject({ held: null });
    }
    // Where the copy is first, the other one finds it out.
    fleet.remote.put(me.cardRef, [], null);
    const late = me.backup();
    start(late);
    await late.flush();
    expect(await look()).toMatchObject({ held: { kind: "other-machine" } });
  });

  test("goes on answering where logs of throw-away keys are put in the place of ours, and says so once", async () => {
    const other = await fleet.add("code2");
    for (let count = 0; count < 4; count += 1) {
      const card = fleet.remote.refs.get(me.cardRef) ?? null;
      fleet.remote.put(me.logRef, [], null);
      fleet.remote.put(me.cardRef, [], null);
      await (await fleet.join("code1")).flush();
      fleet.remote.put(me.cardRef, [], card);
      if (count < 3) await me.flush();
    }
    const told = [expect.stringContaining("again and again")];
    expect(await look()).toEqual({ held: null, wantsPush: false, notices: told });
    expect(await look()).toEqual({ held: null, wantsPush: false, notices: [] });
    const id = await other.send({ to: ["code1"], kind: "request" });
    await me.receive();
    expect(me.answer()).toMatchObject([{ act: "answer", message: { id } }]);
    await fleet.clock.advance(15_000);
    expect(await look()).toMatchObject({ held: null, wantsPush: true });
    expect((await me.flush()).status).toBe("pushed");
    await look();
    expect(listOwnAlarms(me.state, fleet.clock.wallMs())).toContainEqual(
      expect.objectContaining({ kind: "fight", endedWallMs: null }),
    );
    await fleet.clock.advance(3_600_000);
    await look();
    expect(listOwnAlarms(me.state, fleet.clock.wallMs())).toContainEqual(
      expect.objectContaining({ kind: "fight", endedWallMs: expect.any(Number) }),
    );
  });

  test("an old card of a daemon of ours does not say again how far it had come", async () => {
    const old = fleet.remote.refs.get(me.cardRef) ?? "";
    const other = await fleet.add("code2");
    await other.send({ to: ["code1"] });
    await me.receive();
    me.answer();
    await me.flush();
    fleet.remote.put(me.cardRef, [], old);
    expect(await look()).toMatchObject({ held: null, wantsPush: true });
    expect(readSetting(me.state, "former_cursors")).toBeNull();
  });

  test("holds a newcomer whose id is taken; the first push tells the holder, who tells the operator", async () => {
    const late = await fleet.join("code3");
    const first = await fleet.join("code3");
    await first.flush();
    const by = watchOver(late);
    expect(await look(late, by)).toMatchObject({ held: { kind: "id-taken" }, wantsPush: true });
    await late.flush().catch(() => undefined);
    expect(await look(late, by)).toMatchObject({ held: { kind: "id-taken" }, wantsPush: false });
    const told = watchOver(first);
    expect(await look(first, told)).toMatchObject({
      held: null,
      notices: [expect.stringContaining("SHA256:")],
    });
    expect(await look(first, told)).toMatchObject({ held: null, notices: [] });
    expect(listOwnAlarms(first.state, 0)).toMatchObject([{ kind: "conflict", endedWallMs: null }]);
  });

  test("ends the alarm of a conflict when its note is gone", async () => {
    const late = await fleet.join("code3");
    const first = await fleet.join("code3");
    await first.flush();
    await announceConflict(late.sendPorts, FACTS, PATIENTLY);
    const by = watchOver(first);
    await look(first, by);
    for (const ref of fleet.remote.refs.keys())
      if (ref.includes("/conflict/")) fleet.remote.put(ref, [], null);
    await look(first, by);
    expect(listOwnAlarms(first.state, 0)).toMatchObject([
      { kind: "conflict", endedWallMs: expect.any(Number) },
    ]);
  });

  test("holds while the remote is another fleet's, and goes on when it is ours again", async () => {
    const meta = fleet.remote.refs.get("refs/fleet/meta") ?? "";
    const facts = { meta: { fleet: OTHER, namespace: "refs/fleet/" }, server: "x", nowMs: 1 };
    const other = encodeMeta(me.sendPorts, facts);
    fleet.remote.put("refs/fleet/meta", other.all, other.commitId);
    expect(await look()).toMatchObject({ held: { kind: "other-fleet" }, wantsPush: false });
    fleet.remote.put("refs/fleet/meta", [], meta);
    expect(await look()).toMatchObject({ held: null });
  });

  test("remembers how far a daemon of ours had come when this state is older than its card", async () => {
    const other = await fleet.add("code2");
    const backup = me.backup();
    await other.send({ to: ["code1"] });
    await me.receive();
    me.answer();
    await me.flush();
    expect(await look(backup, watchOver(backup))).toMatchObject({ held: null, wantsPush: true });
    expect(formerCursor(backup.state, "code2")).toMatchObject({ seq: 2 });
  });

  test("is not made deaf by a ref that names no commit", async () => {
    const stranger = strangersCommit({ "a.txt": toUtf8("x") }, null);
    const [blob] = stranger.all;
    fleet.remote.put(me.logRef, stranger.all, blob?.id ?? null);
    expect(await look()).toMatchObject({ held: null });
  });
});
