import { beforeEach, describe, expect, test } from "bun:test";
import { revokeTrust } from "../../../../src/fleet/messaging/change-trust.ts";
import { fingerprintOfKey, noteTrust, setTrustPolicy } from "../../../../src/fleet/messaging/trust.ts";
import { isRefused, listTrusted, trustEntryOf } from "../../../../src/fleet/messaging/trust-view.ts";
import { systemCryptography } from "../../../../src/platform/cryptography.ts";
import { MemoryFleet, type MemoryServer } from "../../../helpers/memory-fleet.ts";

let fleet: MemoryFleet;
let me: MemoryServer;
beforeEach(async () => {
  fleet = new MemoryFleet();
  me = await fleet.add("me");
});

const how = () => listTrusted(me.receivePorts).map((entry) => [entry.server, entry.how]);

describe("listTrusted()", () => {
  test("has this server first, then everybody by name and by how it is trusted", async () => {
    const listed = await fleet.add("listed");
    for (const name of ["zz-seen", "added", "revoked", "aa-later"])
      if (name !== "aa-later") await fleet.add(name);
    await me.receive();
    noteTrust(me.state, "added", { word: "added" }, 5);
    revokeTrust(me.receivePorts, "revoked");
    setTrustPolicy(me.state, { mode: "first-sight", keys: { listed: listed.identity.publicKey } });
    noteTrust(me.state, "aa-later", { word: "added", expected: me.identity.publicKey }, 5);
    expect(how()).toEqual([
      ["me", "own"],
      ["aa-later", "added"],
      ["added", "added"],
      ["listed", "listed"],
      ["revoked", "revoked"],
      ["zz-seen", "first-sight"],
    ]);
    expect(trustEntryOf(me.receivePorts, "aa-later")).toMatchObject({ publicKey: me.identity.publicKey });
  });

  test("tells of a server that waits what to type, and of another key which one was named", async () => {
    setTrustPolicy(me.state, { mode: "pinned", keys: { wrong: me.identity.publicKey } });
    const [stranger, wrong] = [await fleet.add("stranger"), await fleet.add("wrong")];
    await me.receive();
    const print = (server: MemoryServer) => fingerprintOfKey(server.identity.publicKey, systemCryptography);
    expect(trustEntryOf(me.receivePorts, "stranger")).toMatchObject({
      how: "waiting",
      fingerprint: print(stranger),
      advice: `fleetd trust add stranger ${print(stranger)}`,
    });
    expect(trustEntryOf(me.receivePorts, "wrong")).toMatchObject({
      how: "other-key",
      fingerprint: print(wrong),
      expected: print(me),
    });
    expect(listTrusted(me.receivePorts).map(isRefused)).toEqual([false, true, true]);
  });

  test("has the keys of before, newest first", async () => {
    const other = await fleet.add("other");
    const { previous } = await other.rotate();
    await other.flush();
    await me.receive();
    expect(trustEntryOf(me.receivePorts, "other").former).toMatchObject([
      { publicKey: previous, how: "rotated", fingerprint: fingerprintOfKey(previous, systemCryptography) },
    ]);
  });
});
