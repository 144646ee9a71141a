import { beforeEach, describe, expect, test } from "bun:test";
import {
  forgetSighted,
  readerBeyond,
  refuseWhileFormer,
  sighted,
} from "../../../../src/fleet/messaging/former-life.ts";
import { renewRun } from "../../../../src/fleet/messaging/publish-card.ts";
import { OwnRefsWatch } from "../../../../src/fleet/messaging/watch-own-refs.ts";
import { MemoryFleet, type MemoryServer } from "../../../helpers/memory-fleet.ts";

const SILENT_MS = 600_000;
let fleet = new MemoryFleet();
let me: MemoryServer;
let reader: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  reader = await fleet.add("code2");
  me = await fleet.add("code1");
  start(me);
  await me.flush();
});

const start = (server: MemoryServer): void => server.state.transaction(() => renewRun(server.sendPorts));

const watchOver = (server: MemoryServer): OwnRefsWatch =>
  new OwnRefsWatch(server.receivePorts, () => ({ release: () => undefined }));

async function look(server: MemoryServer, by: OwnRefsWatch) {
  const { own } = await server.receive();
  return await by.look(own, { nowMonoMs: fleet.clock.monotonicMs(), silentMs: SILENT_MS });
}

function deleteRefs(): void {
  for (const ref of [me.logRef, me.cardRef]) fleet.remote.put(ref, [], null);
}

/** The reader takes everything in, and says on its card how far it read. */
async function read(): Promise<string[]> {
  const before = reader.index.all<{ id: string }>("SELECT id FROM entries").map(({ id }) => id);
  await reader.receive();
  reader.answer();
  await reader.flush();
  return reader.index
    .all<{ id: string }>("SELECT id FROM entries WHERE type = 'message' ORDER BY position")
    .map(({ id }) => id)
    .filter((id) => !before.includes(id));
}

describe("a former life whose refs are deleted before it was silent for long enough", () => {
  test("is remembered, keeps every push out, and is taken over", async () => {
    const backup = me.backup();
    start(backup);
    const lost = await me.send({ to: ["code2"] });
    const by = watchOver(backup);
    expect(await look(backup, by)).toMatchObject({ held: { kind: "other-machine" } });
    deleteRefs();
    expect(await look(backup, by)).toMatchObject({ held: { kind: "other-machine" }, wantsPush: false });
    expect(() => refuseWhileFormer(backup.sendPorts)).toThrow("Cannot push");
    expect(
      await backup.flush().then(
        () => "pushed",
        () => "refused",
      ),
    ).toBe("refused");
    await fleet.clock.advance(SILENT_MS);
    // Also a daemon that started meanwhile knows of it.
    const later = watchOver(backup);
    expect((await look(backup, later)).held).not.toBeNull();
    await fleet.clock.advance(SILENT_MS);
    expect(await look(backup, later)).toMatchObject({ held: null, wantsPush: true });
    expect(sighted(backup.store)).toEqual({ log: null, card: null });
    expect((await backup.flush()).status).toBe("pushed");
    const next = await backup.send({ to: ["code2"] });
    expect(await read()).toEqual([lost, next]);
  });

  test("is taken over up to its newest entry when it was taken back to an older one", async () => {
    const backup = me.backup();
    start(backup);
    const first = await me.send({ to: ["code2"] });
    const older = fleet.remote.refs.get(me.logRef) ?? null;
    const second = await me.send({ to: ["code2"] });
    const by = watchOver(backup);
    await look(backup, by);
    fleet.remote.put(me.logRef, [], older);
    await look(backup, by);
    await fleet.clock.advance(SILENT_MS);
    expect(await look(backup, by)).toMatchObject({ held: null, wantsPush: true });
    expect((await backup.flush()).status).toBe("pushed");
    expect(await read()).toEqual([first, second]);
  });

  test("is forgotten when it is said so", async () => {
    const backup = me.backup();
    start(backup);
    await me.send({ to: ["code2"] });
    await look(backup, watchOver(backup));
    expect(sighted(backup.store).log).toBe(fleet.remote.refs.get(me.logRef) ?? "");
    forgetSighted(backup.store);
    expect(() => refuseWhileFormer(backup.sendPorts)).not.toThrow();
  });
});

describe("a former life that nobody saw before its refs were deleted", () => {
  test("shows in what others read, and is told once in a daemon's life", async () => {
    const backup = me.backup();
    start(backup);
    const lost = await me.send({ to: ["code2"] });
    expect(await read()).toEqual([lost]);
    deleteRefs();
    await backup.receive();
    expect(readerBeyond(backup.receivePorts)).toBe("code2");
    const by = watchOver(backup);
    expect(await look(backup, by)).toMatchObject({ held: null, notices: [expect.stringContaining("code2")] });
    expect((await look(backup, by)).notices).toEqual([]);
  });

  test("is not where everything that others read is here", async () => {
    await me.send({ to: ["code2"] });
    await read();
    await me.receive();
    expect(readerBeyond(me.receivePorts)).toBeNull();
  });
});
