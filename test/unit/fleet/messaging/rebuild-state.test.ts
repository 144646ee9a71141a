import { beforeEach, describe, expect, test } from "bun:test";
import { formerKeys } from "../../../../src/fleet/messaging/former-keys.ts";
import { saveIdentity } from "../../../../src/fleet/messaging/identity.ts";
import { loadHead, outboxItem } from "../../../../src/fleet/messaging/outbox.ts";
import { findPeer, setForgotten } from "../../../../src/fleet/messaging/peers.ts";
import { loadCardState } from "../../../../src/fleet/messaging/publish-card.ts";
import {
  readOwnPast,
  reconcile,
  restoreForgotten,
  settleCursors,
} from "../../../../src/fleet/messaging/rebuild-state.ts";
import { ingestStore } from "../../../../src/fleet/messaging/receive-messages.ts";
import { MemoryFleet, type MemoryServer, PATIENTLY } from "../../../helpers/memory-fleet.ts";

let fleet = new MemoryFleet();
let me: MemoryServer;
let other: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("code1");
  other = await fleet.add("code2");
  await me.receive();
});

/** Everything but the identity is gone; `keep`: tables whose rows could be read. */
async function lose(keep: readonly string[] = []): Promise<void> {
  const { state, identity } = me;
  const tables = state.all<{ name: string }>(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
  );
  for (const { name } of tables) if (!keep.includes(name)) state.run(`DELETE FROM ${name}`);
  state.transaction(() => saveIdentity(state, identity));
  me.loseIndex();
  const fetched = await me.machine.remote.fetch(["+refs/fleet/*:refs/fleet/*"], PATIENTLY);
  expect(fetched.ok).toBe(true);
}

async function rebuild(isSure: boolean, sure: ReadonlySet<string> = new Set()) {
  const past = await readOwnPast(me.receivePorts);
  const nowWallMs = fleet.clock.wallMs();
  const reconciled = await reconcile(me.sendPorts, past, { isSure, nowWallMs });
  await ingestStore(me.receivePorts);
  const history = me.state.transaction(() => settleCursors(me.receivePorts, sure, past.card?.card ?? null));
  return { ...reconciled, history };
}

describe("after everything was lost but the key", () => {
  test("what was pushed counts as pushed, the log goes on in a new epoch, and others take it", async () => {
    const id = await me.send({ to: ["code2"], body: "before" });
    const before = me.identity.epoch;
    await lose();
    expect(await rebuild(false)).toMatchObject({ adopted: 2, newEpoch: true });
    expect(outboxItem(me.state, id)).toMatchObject({ state: "pushed" });
    const after = await me.send({ to: ["code2"], body: "after" });
    await other.receive();
    expect(other.message(id).message.body).toBe("before");
    expect(other.message(after).message.body).toBe("after");
    expect(loadHead(me.state)?.seq).toBe(2);
    expect(loadHead(me.state)?.epoch).not.toBe(before);
    expect(loadCardState(me.sendPorts).n).toBeGreaterThan(2);
  });

  test("whom the own card names as forgotten is left out again, and nobody else", async () => {
    await fleet.add("code3");
    await me.receive();
    me.state.transaction(() => setForgotten(me.state, "code2", 1));
    await me.send({ to: ["code3"] });
    await lose();
    const { card } = await readOwnPast(me.receivePorts);
    await rebuild(false);
    if (card === null) throw new Error("there is no card");
    me.state.transaction(() => restoreForgotten(me.state, card.card, 5));
    expect(findPeer(me.state, "code2")?.forgottenWallMs).toBe(5);
    expect(findPeer(me.state, "code3")?.forgotten).toBe(false);
  });

  test("a log whose key was changed is adopted as a whole, with the key that it had before", async () => {
    const previous = me.identity.publicKey;
    const ids = [await me.send({ to: ["code2"], body: "before" })];
    await me.rotate();
    await me.flush();
    ids.push(await me.send({ to: ["code2"], body: "by the new key" }));
    await lose();
    await rebuild(false);
    expect(formerKeys(me.state, "code1")).toMatchObject([{ publicKey: previous, how: "rotated" }]);
    const indexed = me.index.all<{ id: string }>(
      "SELECT id FROM entries WHERE writer = 'code1' AND type = 'message' ORDER BY position",
    );
    expect(indexed.map(({ id }) => id)).toEqual(ids);
  });

  test("nothing is answered twice, and what was not answered is history", async () => {
    const asked = await other.send({ to: ["code1"], body: "How are you?" });
    await me.receive();
    expect(me.answer()).toMatchObject([{ act: "answer" }]);
    await me.flush();
    const late = await other.send({ to: ["code1"], body: "And now?" });
    await lose();
    expect(await rebuild(false)).toMatchObject({ history: 1 });
    expect(me.answer()).toEqual([]);
    expect(me.message(asked).history).toBe(true);
    expect(me.message(late).history).toBe(true);
    await other.send({ to: ["code1"], body: "And from now on?" });
    await me.receive();
    expect(me.answer()).toMatchObject([{ act: "answer" }]);
  });

  test("receipts say what was read, acknowledged and handled", async () => {
    const id = await other.send({ to: ["code1"], kind: "update" });
    await me.receive();
    me.answer();
    const { markMessage } = await import("../../../../src/fleet/messaging/mark-message.ts");
    markMessage(me.sendPorts, me.message(id), "read");
    await me.flush();
    await lose();
    await rebuild(false);
    const mark = me.state.get<{ read_wall_ms: number }>(
      "SELECT read_wall_ms FROM marks WHERE message_id = ?",
      id,
    );
    expect(mark?.read_wall_ms).toBeGreaterThan(0);
  });

  test("a log that was never pushed begins with its key again", async () => {
    const fresh = await fleet.join("code3");
    me = fresh;
    await lose();
    expect(await rebuild(false)).toMatchObject({ adopted: 0, newEpoch: false });
    const id = await me.send({ to: ["code2"] });
    await other.receive();
    expect(other.message(id).message.from).toBe("code3");
  });
});

describe("where rows could be read", () => {
  test("what waits still waits, behind the key of the new epoch", async () => {
    await me.send({ to: ["code2"] });
    const waiting = me.queue({ to: ["code2"], body: "waiting" });
    await lose(["outbox", "peers", "journal"]);
    expect(await rebuild(false)).toMatchObject({ adopted: 0, newEpoch: true });
    await me.flush();
    await other.receive();
    expect(other.message(waiting).message.body).toBe("waiting");
    const types = me.state.all<{ type: string }>(
      "SELECT type FROM outbox WHERE epoch = ? ORDER BY seq",
      loadHead(me.state)?.epoch ?? "",
    );
    expect(types.map(({ type }) => type)).toEqual(["key", "message"]);
  });

  test("a state that agrees with its log goes on where it was", async () => {
    await me.send({ to: ["code2"] });
    const head = loadHead(me.state);
    expect(await rebuild(true, new Set(["code2"]))).toEqual({ adopted: 0, newEpoch: false, history: 0 });
    expect(loadHead(me.state)).toEqual(head);
  });

  test("an entry that was built into a batch that is lost waits again", async () => {
    fleet.remote.troubles.outage = { kind: "unreachable", detail: "no" };
    const id = me.queue({ to: ["code2"], body: "built" });
    await me.flush();
    fleet.remote.troubles.outage = null;
    await lose(["outbox", "peers"]);
    await rebuild(true);
    expect(outboxItem(me.state, id)).toMatchObject({ state: "queued", seq: null });
    await me.flush();
    await other.receive();
    expect(other.message(id).message.body).toBe("built");
  });

  test("a certain cursor stays, and is never behind what the own card said", async () => {
    await other.send({ to: ["code1"], body: "How are you?" });
    await me.receive();
    me.answer();
    await me.flush();
    const handled = findPeer(me.state, "code2")?.handled;
    me.state.run("UPDATE peers SET epoch = '', seq = 0, hash = ''");
    await me.machine.remote.fetch(["+refs/fleet/*:refs/fleet/*"], PATIENTLY);
    await rebuild(true, new Set(["code2"]));
    expect(findPeer(me.state, "code2")?.handled).toEqual(handled);
    expect(me.answer()).toEqual([]);
  });
});
