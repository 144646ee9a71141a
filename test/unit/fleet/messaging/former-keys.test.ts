import { describe, expect, test } from "bun:test";
import {
  addFormerKey,
  followHandovers,
  formerKeys,
  keysOfLog,
  presentKey,
  presentSince,
} from "../../../../src/fleet/messaging/former-keys.ts";
import { findPeer, pinPeer } from "../../../../src/fleet/messaging/peers.ts";
import { memoryState } from "../../../helpers/memory-database.ts";

function pinned() {
  const state = memoryState();
  pinPeer(state, "code2", "K0", 100);
  return state;
}
const handover = (previous: string, next: string) => ({ previous, next, hash: `${previous}>${next}` });

describe("followHandovers()", () => {
  test("moves the pin along, remembers what counted before, and does nothing twice", () => {
    const state = pinned();
    followHandovers(state, "code2", [handover("K0", "K1"), handover("K1", "K2")], 200);
    followHandovers(state, "code2", [handover("K0", "K1"), handover("K1", "K2")], 300);
    expect(findPeer(state, "code2")?.publicKey).toBe("K2");
    expect(keysOfLog(state, "code2")).toEqual(["K0", "K1", "K2"]);
    expect(formerKeys(state, "code2")).toEqual([
      { publicKey: "K0", how: "rotated", sinceWallMs: 100, untilWallMs: 200 },
      { publicKey: "K1", how: "rotated", sinceWallMs: 200, untilWallMs: 200 },
    ]);
  });

  test("leaves a peer alone whose key is not the one that hands over", () => {
    const state = pinned();
    followHandovers(state, "code2", [handover("K7", "K8")], 200);
    followHandovers(state, "nobody", [handover("K0", "K1")], 200);
    expect(keysOfLog(state, "code2")).toEqual(["K0"]);
    expect(presentKey(state, "nobody")).toBeNull();
  });
});

describe("keysOfLog()", () => {
  test("begins after a key that the operator replaced", () => {
    const state = pinned();
    followHandovers(state, "code2", [handover("K0", "K1")], 200);
    addFormerKey(state, "code2", { publicKey: "K1", hash: "", firstWallMs: 100 }, 300);
    state.run("UPDATE peers SET public_key = 'K5' WHERE server = 'code2'");
    expect(keysOfLog(state, "code2")).toEqual(["K5"]);
    expect(formerKeys(state, "code2").map(({ how }) => how)).toEqual(["rotated", "replaced"]);
    expect(presentSince(state, "code2", 100)).toBe(300);
    expect(keysOfLog(state, "nobody")).toEqual([]);
  });
});
