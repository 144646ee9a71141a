import { expect, test } from "bun:test";
import type { Cursor } from "../../../../src/fleet/messaging/model.ts";
import {
  findPeer,
  listPeers,
  membersOf,
  notePassed,
  passedAt,
  pinPeer,
  setCardNumber,
  setForgotten,
  setGroups,
  setHandled,
  setHistory,
  unknownAmong,
} from "../../../../src/fleet/messaging/peers.ts";
import { noteHeld, noteTrust } from "../../../../src/fleet/messaging/trust.ts";
import { memoryState } from "../../../helpers/memory-database.ts";

const cursor = (seq: number): Cursor => ({
  epoch: "00000000000000aa",
  seq,
  hash: `sha256:${"0".repeat(64)}`,
});

test("listPeers() and findPeer() of nobody are empty", () => {
  const state = memoryState();
  expect(listPeers(state)).toEqual([]);
  expect(findPeer(state, "code2")).toBeNull();
});

test("pinPeer() notes the key and the time; nothing is handled yet", () => {
  const state = memoryState();
  pinPeer(state, "code2", "ssh-ed25519 A", 5);
  expect(findPeer(state, "code2")).toEqual({
    server: "code2",
    publicKey: "ssh-ed25519 A",
    pinnedWallMs: 5,
    handled: { epoch: "", seq: 0, hash: "" },
    history: { epoch: "", seq: 0 },
    cardN: 0,
    forgotten: false,
    forgottenWallMs: null,
    purged: false,
  });
});

test("pinPeer() never replaces a pinned key", () => {
  const state = memoryState();
  pinPeer(state, "code2", "ssh-ed25519 A", 5);
  pinPeer(state, "code2", "ssh-ed25519 B", 6);
  expect(findPeer(state, "code2")).toMatchObject({ publicKey: "ssh-ed25519 A", pinnedWallMs: 5 });
});

test("setHandled() moves the cursor of one peer and leaves history alone", () => {
  const state = memoryState();
  for (const server of ["code2", "code3"]) pinPeer(state, server, "k", 1);
  setHandled(state, "code2", cursor(7));
  expect(findPeer(state, "code2")).toMatchObject({ handled: cursor(7), history: { epoch: "", seq: 0 } });
  expect(findPeer(state, "code3")?.handled.seq).toBe(0);
});

test("setHandled() never goes back within an epoch, and follows into another one", () => {
  const state = memoryState();
  pinPeer(state, "code2", "k", 1);
  setHandled(state, "code2", cursor(7));
  setHandled(state, "code2", cursor(6));
  expect(findPeer(state, "code2")?.handled).toEqual(cursor(7));
  const next = { ...cursor(1), epoch: "00000000000000ee" };
  setHandled(state, "code2", next);
  expect(findPeer(state, "code2")?.handled).toEqual(next);
});

test("setHistory() makes everything up to the cursor both handled and history", () => {
  const state = memoryState();
  pinPeer(state, "code2", "k", 1);
  setHistory(state, "code2", cursor(3));
  const { epoch, seq } = cursor(3);
  expect(findPeer(state, "code2")).toMatchObject({ handled: cursor(3), history: { epoch, seq } });
});

test("setCardNumber() only ever rises", () => {
  const state = memoryState();
  pinPeer(state, "code2", "k", 1);
  for (const n of [4, 9, 2]) setCardNumber(state, "code2", n);
  expect(findPeer(state, "code2")?.cardN).toBe(9);
});

test("setGroups() keeps what the last card said", () => {
  const state = memoryState();
  pinPeer(state, "code2", "k", 1);
  setGroups(state, "code2", ["db", "web"]);
  expect(membersOf(state, "web")).toEqual(["code2"]);
  setGroups(state, "code2", ["db"]);
  expect([membersOf(state, "db"), membersOf(state, "web")]).toEqual([["code2"], []]);
});

test("membersOf() are the servers whose card has the whole name, without those left out", () => {
  const state = memoryState();
  const cards = { code2: ["db"], code3: ["db-old", "web"], code4: ["web", "db"], code5: ["db"] };
  for (const [server, groups] of Object.entries(cards)) {
    pinPeer(state, server, "k", 1);
    setGroups(state, server, groups);
  }
  setForgotten(state, "code5", 8);
  expect(membersOf(state, "db")).toEqual(["code2", "code4"]);
  expect(membersOf(state, "@web")).toEqual(["code3", "code4"]);
  expect(membersOf(state, "nobody")).toEqual([]);
});

test("unknownAmong() names servers nobody knows and groups without a member", () => {
  const state = memoryState();
  pinPeer(state, "code2", "k", 1);
  setGroups(state, "code2", ["db"]);
  const here = { state, identity: { server: "code1" } };
  const to = ["all", "code1", "code2", "code9", "@db", "@nobody"];
  expect(unknownAmong(here, to)).toEqual(["code9", "@nobody"]);
  // Of these nothing is taken, or not yet; the last one was only named.
  noteHeld(state, "code7", { tip: "c", chain: null }, 5);
  noteTrust(state, "code8", { word: "revoked" }, 5);
  noteTrust(state, "code9", { word: "added" }, 5);
  expect(unknownAmong(here, ["code7", "code8", "code9"])).toEqual(["code9"]);
});

test("setForgotten() leaves a server out and takes it in again, and is false for a stranger", () => {
  const state = memoryState();
  pinPeer(state, "code2", "k", 1);
  expect(setForgotten(state, "code2", 8)).toBe(true);
  expect(findPeer(state, "code2")?.forgotten).toBe(true);
  expect(setForgotten(state, "code2", null)).toBe(true);
  expect(findPeer(state, "code2")?.forgotten).toBe(false);
  expect(setForgotten(state, "nobody", 8)).toBe(false);
});

test("listPeers() is by name", () => {
  const state = memoryState();
  for (const server of ["c", "a", "b"]) pinPeer(state, server, "k", 1);
  expect(listPeers(state).map((peer) => peer.server)).toEqual(["a", "b", "c"]);
});

test("passedAt() is when a server first said that it had read so far, as long as that is remembered", () => {
  const state = memoryState();
  const at = (second: number): string => `2026-01-01T00:00:0${second}.000Z`;
  const passed = (seq: number, second: number): void =>
    notePassed(state, "code2", { epoch: "e", seq, hash: "" }, at(second));
  passed(3, 1);
  passed(3, 2);
  passed(7, 3);
  const asked = [1, 3, 4, 7, 8].map((seq) => passedAt(state, "code2", { epoch: "e", seq }));
  expect(asked).toEqual([at(1), at(1), at(3), at(3), null]);
  expect(passedAt(state, "code2", { epoch: "other", seq: 1 })).toBeNull();
  passed(9000, 4);
  expect(passedAt(state, "code2", { epoch: "e", seq: 3 })).toBe(at(4));
});

test("setGroups() remembers what the last card said", () => {
  const state = memoryState();
  pinPeer(state, "code2", "k", 1);
  for (const groups of [["web"], ["web", "db"], ["db"]]) setGroups(state, "code2", groups);
  expect(state.get("SELECT groups FROM peers")).toEqual({ groups: '["db"]' });
});
