import { beforeEach, describe, expect, test } from "bun:test";
import { toGitObject } from "../../../../src/fleet/messaging/git-encoding.ts";
import { readSetting } from "../../../../src/fleet/messaging/identity.ts";
import {
  dropBrokenLog,
  dropOwnRefs,
  findVanished,
  isNoCommit,
  namedAsBroken,
  noteBrokenLog,
} from "../../../../src/fleet/messaging/mend-own-refs.ts";
import { loadHead, outboxItem } from "../../../../src/fleet/messaging/outbox.ts";
import { restoreObjects } from "../../../../src/fleet/messaging/restore-objects.ts";
import { systemCryptography } from "../../../../src/platform/cryptography.ts";
import { MemoryFleet, type MemoryServer } from "../../../helpers/memory-fleet.ts";

const ASK = { timeoutMs: 1_000, signal: new AbortController().signal };

let fleet = new MemoryFleet();
let me: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
});

/** A file of a stranger, on the own log. */
function putBlob(): string {
  const tools = { format: me.store.format, cryptography: systemCryptography };
  const blob = toGitObject("blob", new TextEncoder().encode("no log"), tools);
  fleet.remote.objects.set(blob.id, blob);
  fleet.remote.refs.set(me.logRef, blob.id);
  return blob.id;
}

test("namedAsBroken() takes own refs only, and only where git says that their object is bad", () => {
  const own = ["refs/fleet/log/a", "refs/fleet/state/a"];
  const said = (ref: string) => `remote: fatal: bad object ${ref}        \nfatal: bad object ${ref}`;
  expect(namedAsBroken(said("refs/fleet/log/a"), own)).toEqual(["refs/fleet/log/a"]);
  expect(namedAsBroken(said("refs/fleet/log/ab"), own)).toEqual([]);
  expect(namedAsBroken("remote: refs/fleet/log/a is locked", own)).toEqual([]);
});

describe("dropOwnRefs()", () => {
  test("deletes what stands there, and says whether there was anything", async () => {
    const refs = [me.logRef];
    expect(await dropOwnRefs(me.sendPorts, { refs }, ASK)).toEqual({ ok: true, value: true });
    expect(fleet.remote.refs.has(me.logRef)).toBe(false);
    expect(await dropOwnRefs(me.sendPorts, { refs }, ASK)).toEqual({ ok: true, value: false });
  });

  test("leaves what stands elsewhere than expected, and fails where the remote deletes nothing", async () => {
    const refs = [me.logRef];
    const elsewhere = { refs, expected: "0".repeat(40) };
    expect(await dropOwnRefs(me.sendPorts, elsewhere, ASK)).toEqual({ ok: true, value: false });
    fleet.remote.troubles.refuse = () => "deletion prohibited";
    expect(await dropOwnRefs(me.sendPorts, { refs }, ASK)).toMatchObject({ ok: false });
    expect(fleet.remote.refs.has(me.logRef)).toBe(true);
  });
});

describe("dropBrokenLog()", () => {
  test("deletes the log that was noted, once, and the next flush pushes it again", async () => {
    const tip = loadHead(me.state)?.tip ?? "";
    expect(await dropBrokenLog(me.sendPorts, me.logRef, ASK)).toEqual({ ok: true, value: false });
    noteBrokenLog(me.state, tip);
    expect((await me.flush()).status).toBe("pushed");
    expect(fleet.remote.refs.get(me.logRef)).toBe(tip);
    const deleted = fleet.remote.pushes.flat().filter(({ id }) => id === null);
    expect(deleted).toEqual([{ ref: me.logRef, id: null, expected: tip }]);
    expect(readSetting(me.state, "broken_log")).toBeNull();
  });

  test("leaves a tip that is not known to be ours", async () => {
    const blob = putBlob();
    noteBrokenLog(me.state, blob);
    expect(await dropBrokenLog(me.sendPorts, me.logRef, ASK)).toEqual({ ok: true, value: false });
    expect(fleet.remote.refs.get(me.logRef)).toBe(blob);
  });
});

test("a file on the own log is no commit; the next flush puts the log in its place and forces nothing", async () => {
  const tip = loadHead(me.state)?.tip ?? "";
  const blob = putBlob();
  await me.sendPorts.remote.fetch([`+${me.logRef}:refs/own/found-log`], ASK);
  expect([await isNoCommit(me.sendPorts, blob), await isNoCommit(me.sendPorts, tip)]).toEqual([true, false]);
  await me.send({ to: ["code2"], body: "after it" });
  const [first] = await me.store.listCommits(fleet.remote.refs.get(me.logRef) ?? "", tip, 10);
  expect(first?.parents).toEqual([tip]);
});

test("a push that failed for what vanished from the own store counts against no entry", async () => {
  const tip = loadHead(me.state)?.tip ?? "";
  expect(await findVanished(me.sendPorts, [])).toBeNull();
  // Its bytes are in the state until they are safe in the store.
  restoreObjects(me.sendPorts);
  me.store.objects.delete(tip);
  expect(await findVanished(me.sendPorts, [])).toBe(tip);
  expect(await findVanished(me.sendPorts, ["1".repeat(40)])).toBe("1".repeat(40));
  fleet.remote.troubles.refuse = () => "unpacker error";
  const id = me.queue({ to: ["code2"], body: "waits" });
  expect(await me.flush()).toMatchObject({ status: "waiting", failure: { kind: "failed" } });
  expect(outboxItem(me.state, id)).toMatchObject({ state: "built", refused: 0 });
});
