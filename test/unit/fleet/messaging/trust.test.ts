import { describe, expect, test } from "bun:test";
import { followHandovers } from "../../../../src/fleet/messaging/former-keys.ts";
import { findPeer, pinPeer } from "../../../../src/fleet/messaging/peers.ts";
import { fingerprintOf, toOpenSsh } from "../../../../src/fleet/messaging/ssh-signature.ts";
import {
  clearHeld,
  findTrust,
  fingerprintOfKey,
  fitsKey,
  listHeld,
  listTrust,
  noteHeld,
  noteTrust,
  openQuestions,
  setTrustPolicy,
  tightenTrustPolicy,
  trustOf,
  trustPolicy,
} from "../../../../src/fleet/messaging/trust.ts";
import { systemCryptography } from "../../../../src/platform/cryptography.ts";
import { memoryState } from "../../../helpers/memory-database.ts";

const cryptography = systemCryptography;
const key = (byte: number): string => toOpenSsh(new Uint8Array(32).fill(byte));
const PRINT = fingerprintOf(new Uint8Array(32).fill(1), cryptography);
const here = (state = memoryState()) => ({ state, cryptography });

describe("trustOf()", () => {
  test("pins the first key that is seen where nobody says anything, and keeps to it", () => {
    const ports = here();
    expect(trustOf(ports, "code2")).toEqual({ kind: "new", expected: null });
    pinPeer(ports.state, "code2", key(1), 5);
    expect(trustOf(ports, "code2")).toEqual({ kind: "accepted", publicKey: key(1) });
  });

  for (const word of ["revoked", "purged"] as const) {
    test(`takes nothing of a server that is ${word}, and never pins it on first sight`, () => {
      const ports = here();
      noteTrust(ports.state, "code2", { word }, 5);
      pinPeer(ports.state, "code2", key(1), 6);
      expect(findPeer(ports.state, "code2")).toBeNull();
      expect(trustOf(ports, "code2")).toEqual({ kind: "refused", why: word, expected: null });
      noteTrust(ports.state, "code2", { word: "added", expected: key(1) }, 7);
      expect(trustOf(ports, "code2")).toEqual({ kind: "new", expected: key(1) });
    });
  }

  test("in pinned mode takes only what is listed or was added", () => {
    const ports = here();
    for (const server of ["listed", "added", "seen"]) pinPeer(ports.state, server, key(1), 5);
    noteTrust(ports.state, "added", { word: "added", expected: key(1) }, 6);
    setTrustPolicy(ports.state, { mode: "pinned", keys: { listed: PRINT, unseen: key(3) } });
    expect(trustOf(ports, "listed")).toEqual({ kind: "accepted", publicKey: key(1) });
    expect(trustOf(ports, "added")).toEqual({ kind: "accepted", publicKey: key(1) });
    expect(trustOf(ports, "seen")).toEqual({ kind: "refused", why: "waiting", expected: null });
    expect(trustOf(ports, "stranger")).toEqual({ kind: "refused", why: "waiting", expected: null });
    expect(trustOf(ports, "unseen")).toEqual({ kind: "new", expected: key(3) });
  });

  test("refuses a pinned key that is not the listed one, in either mode, and revoked goes before listed", () => {
    const ports = here();
    pinPeer(ports.state, "code2", key(1), 5);
    setTrustPolicy(ports.state, { mode: "first-sight", keys: { code2: key(2) } });
    expect(trustOf(ports, "code2")).toEqual({ kind: "refused", why: "other-key", expected: key(2) });
    noteTrust(ports.state, "code2", { word: "revoked" }, 6);
    expect(trustOf(ports, "code2")).toMatchObject({ why: "revoked" });
  });

  test("follows a listed key to the one that took its place", () => {
    const ports = here();
    pinPeer(ports.state, "code2", key(1), 5);
    setTrustPolicy(ports.state, { mode: "pinned", keys: { code2: key(1) } });
    followHandovers(ports.state, "code2", [{ previous: key(1), next: key(2), hash: "h" }], 6);
    expect(trustOf(ports, "code2")).toEqual({ kind: "accepted", publicKey: key(2) });
  });
});

describe("setTrustPolicy()", () => {
  test("says whether anything changed, whatever the order of the keys", () => {
    const { state } = here();
    expect(setTrustPolicy(state, { mode: "first-sight", keys: {} })).toBe(false);
    expect(setTrustPolicy(state, { mode: "pinned", keys: { b: key(1), a: key(2) } })).toBe(true);
    expect(setTrustPolicy(state, { mode: "pinned", keys: { a: key(2), b: key(1) } })).toBe(false);
    expect(trustPolicy(state).keys["b"]).toBe(key(1));
  });
});

describe("tightenTrustPolicy()", () => {
  test("never makes the policy in force looser", () => {
    const { state } = here();
    tightenTrustPolicy(state, { mode: "first-sight", keys: { a: key(1) } });
    tightenTrustPolicy(state, { mode: "first-sight", keys: {} });
    expect(trustPolicy(state).keys).toEqual({ a: key(1) });
    tightenTrustPolicy(state, { mode: "pinned", keys: {} });
    tightenTrustPolicy(state, { mode: "first-sight", keys: {} });
    expect(trustPolicy(state)).toEqual({ mode: "pinned", keys: {} });
  });
});

describe("what is remembered", () => {
  test("of a log that is held back goes with its end, and the operator's word stays", () => {
    const { state } = here();
    const chain = { publicKey: key(1), epoch: "e", seq: 3, hash: "h" };
    noteHeld(state, "seen", { tip: "c1", chain }, 5);
    noteTrust(state, "code2", { word: "revoked" }, 6);
    noteHeld(state, "code2", { tip: "c2", chain: null }, 7);
    expect(listHeld(state).map(({ server, held }) => [server, held])).toEqual([
      ["code2", null],
      ["seen", chain],
    ]);
    clearHeld(state, "seen");
    clearHeld(state, "code2");
    expect(listTrust(state).map(({ server, word }) => [server, word])).toEqual([["code2", "revoked"]]);
    expect(findTrust(state, "code2")).toMatchObject({ heldTip: "", held: null, sinceWallMs: 6 });
    expect(findTrust(state, "seen")).toBeNull();
  });
});

describe("fitsKey()", () => {
  test("takes the key, with a comment too, or its fingerprint", () => {
    const fits = (named: string): boolean => fitsKey(named, key(1), cryptography);
    expect([key(1), `${key(1)} code1`, PRINT, key(2), "SHA256:x", "words"].map(fits)).toEqual([
      true,
      true,
      true,
      false,
      false,
      false,
    ]);
    expect(fingerprintOfKey("words", cryptography)).toBeNull();
  });
});

describe("openQuestions()", () => {
  test("asks of whom something was said, and of everybody in pinned mode", () => {
    const { state } = here();
    noteTrust(state, "said", { word: "added" }, 5);
    setTrustPolicy(state, { mode: "first-sight", keys: { listed: key(1) } });
    expect(["said", "listed", "other", "constructor"].map(openQuestions(state))).toEqual([
      true,
      true,
      false,
      false,
    ]);
    setTrustPolicy(state, { mode: "pinned", keys: {} });
    expect(openQuestions(state)("other")).toBe(true);
  });
});
