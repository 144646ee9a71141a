import { expect, test } from "bun:test";
import {
  announceConflict,
  fingerprintHex,
  listConflicts,
  shownFingerprint,
} from "../../../../src/fleet/messaging/conflict-ref.ts";
import { fingerprintOf, fromOpenSsh } from "../../../../src/fleet/messaging/ssh-signature.ts";
import { systemCryptography } from "../../../../src/platform/cryptography.ts";
import { FACTS, MemoryFleet, PATIENTLY } from "../../../helpers/memory-fleet.ts";

test("fingerprintHex() is the digest that people compare", async () => {
  const me = await new MemoryFleet().add("code1");
  const hex = fingerprintHex(me.identity.publicKey, systemCryptography);
  expect(hex).toMatch(/^[0-9a-f]{64}$/);
  const raw = fromOpenSsh(me.identity.publicKey) ?? new Uint8Array(32);
  expect(shownFingerprint(hex)).toBe(fingerprintOf(raw, systemCryptography));
});

test("announceConflict() leaves one note per key, which the holder finds with its next look", async () => {
  const fleet = new MemoryFleet();
  const twins = [await fleet.join("code1"), await fleet.join("code1")] as const;
  const [holder, late] = twins;
  await holder.flush();
  expect(await announceConflict(late.sendPorts, FACTS, PATIENTLY)).toEqual({ ok: true, value: null });
  const hex = fingerprintHex(late.identity.publicKey, systemCryptography);
  const ref = `refs/fleet/conflict/code1/${hex}`;
  const first = fleet.remote.refs.get(ref);
  expect(first).toBeDefined();
  await fleet.clock.advance(5000);
  await announceConflict(late.sendPorts, FACTS, PATIENTLY);
  expect(fleet.remote.refs.get(ref)).toBe(first ?? "");
  await holder.receive();
  expect([...listConflicts(holder.store)]).toEqual([[hex, first ?? ""]]);
  fleet.remote.put(ref, [], null);
  await holder.receive();
  expect(listConflicts(holder.store).size).toBe(0);
});

test("listConflicts() passes over names that are no fingerprint", () => {
  const refs = new Map([["refs/remote/conflict/nonsense", "ab"]]);
  expect(listConflicts({ readRefs: () => refs }).size).toBe(0);
});
