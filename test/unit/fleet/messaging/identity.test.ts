import { describe, expect, test } from "bun:test";
import {
  type Identity,
  JOINING,
  loadIdentity,
  readSetting,
  saveIdentity,
  writeSetting,
} from "../../../../src/fleet/messaging/identity.ts";
import { memoryState } from "../../../helpers/memory-database.ts";

const identity: Identity = {
  server: "code1",
  fleet: "019e1a2b-0000-7000-8000-0000000000f1",
  namespace: "refs/heads/fleet/",
  format: "sha256",
  remoteUrl: "ssh://git@example.org/grüße'\"--.git",
  publicKey: "ssh-ed25519 AAAA",
  epoch: "00000000000000e1",
  createdWallMs: 1_784_900_000_000,
};

describe("readSetting()", () => {
  test("readSetting() is null for what was never written", () => {
    expect(readSetting(memoryState(), "head")).toBeNull();
  });

  test("readSetting() tells the empty text from no text", () => {
    const state = memoryState();
    writeSetting(state, JOINING, "");
    expect(readSetting(state, JOINING)).toBe("");
  });
});

describe("writeSetting()", () => {
  test("writeSetting() replaces what was there and leaves other keys alone", () => {
    const state = memoryState();
    writeSetting(state, "a", "1");
    writeSetting(state, "b", "2");
    writeSetting(state, "a", "3");
    expect([readSetting(state, "a"), readSetting(state, "b")]).toEqual(["3", "2"]);
  });

  test("writeSetting() takes text for text, never for SQL", () => {
    const state = memoryState();
    const nasty = "'); DROP TABLE settings; --\u0001\u{1F600}";
    writeSetting(state, nasty, nasty);
    expect(readSetting(state, nasty)).toBe(nasty);
  });

  test("writeSetting() belongs to the transaction around it", () => {
    const state = memoryState();
    writeSetting(state, "a", "1");
    const attempt = (): void =>
      state.transaction(() => {
        writeSetting(state, "a", "2");
        throw new Error("given up");
      });
    expect(attempt).toThrow("given up");
    expect(readSetting(state, "a")).toBe("1");
  });
});

describe("loadIdentity()", () => {
  test("loadIdentity() is null before there is one", () => {
    expect(loadIdentity(memoryState())).toBeNull();
  });
});

describe("saveIdentity()", () => {
  test("saveIdentity() stores every field", () => {
    const state = memoryState();
    saveIdentity(state, identity);
    expect(loadIdentity(state)).toEqual(identity);
  });

  test("saveIdentity() replaces the identity as a whole", () => {
    const state = memoryState();
    saveIdentity(state, identity);
    saveIdentity(state, { ...identity, epoch: "00000000000000e2" });
    expect(loadIdentity(state)?.epoch).toBe("00000000000000e2");
  });
});
