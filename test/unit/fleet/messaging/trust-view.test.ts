import { beforeEach, describe, expect, test } from "bun:test";
import { purgeTrust, revokeTrust } from "../../../../src/fleet/messaging/change-trust.ts";
import { setForgotten } from "../../../../src/fleet/messaging/peers.ts";
import { fingerprintOfKey, noteTrust, setTrustPolicy } from "../../../../src/fleet/messaging/trust.ts";
import {
  isRefused,
  listTrusted,
  trustEntryOf,
  untakenAmong,
} from "../../../../src/fleet/messaging/trust-view.ts";
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
      advice: `change trust.keys.wrong in the configuration to ${print(wrong)}, if its owner says that this is its key`,
    });
    setTrustPolicy(me.state, { mode: "first-sight", keys: {} });
    noteTrust(me.state, "wrong", { word: "added", expected: me.identity.publicKey }, 5);
    expect(trustEntryOf(me.receivePorts, "wrong").advice).toStartWith(
      `fleetd trust add wrong ${print(wrong)} --yes`,
    );
    setTrustPolicy(me.state, { mode: "pinned", keys: { wrong: me.identity.publicKey } });
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

describe("untakenAmong()", () => {
  test("has who was heard of and whose answers come to nothing, with what to type", async () => {
    for (const name of ["trusted", "revoked", "purged", "forgotten"]) await fleet.add(name);
    await me.receive();
    revokeTrust(me.receivePorts, "revoked");
    me.state.transaction(() => purgeTrust(me.state, "purged", 5));
    setForgotten(me.state, "forgotten", 5);
    setTrustPolicy(me.state, { mode: "first-sight", keys: { wrong: me.identity.publicKey } });
    await fleet.add("wrong");
    await me.receive();
    const to = ["all", "@db", "me", "trusted", "nobody", "revoked", "purged", "forgotten", "wrong"];
    expect(untakenAmong(me.receivePorts, to).map(({ server, why, advice }) => [server, why, advice])).toEqual(
      [
        ["revoked", "revoked", "fleetd trust add revoked takes it back"],
        ["purged", "purged", "fleetd trust add purged takes it back"],
        ["forgotten", "forgotten", "fleetd servers remember forgotten takes it back"],
        ["wrong", "other-key", trustEntryOf(me.receivePorts, "wrong").advice ?? "?"],
      ],
    );
    setTrustPolicy(me.state, { mode: "pinned", keys: {} });
    expect(untakenAmong(me.receivePorts, ["trusted", "nobody"])).toMatchObject([
      {
        server: "trusted",
        why: "waiting",
        advice: expect.stringMatching(/^fleetd trust add trusted SHA256:/),
      },
    ]);
  });
});
