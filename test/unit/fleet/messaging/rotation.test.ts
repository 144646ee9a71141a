import { beforeAll, describe, expect, test } from "bun:test";
import type { SigningKey } from "../../../../src/base/ports/cryptography.ts";
import { isProven, proveKey } from "../../../../src/fleet/messaging/rotation.ts";
import { toOpenSsh } from "../../../../src/fleet/messaging/ssh-signature.ts";
import {
  generatePkcs8,
  importSigningKey,
  systemCryptography,
} from "../../../../src/platform/cryptography.ts";

const FLEET = "019e1a2b-0000-7000-8000-0000000000f1";
const EPOCH = "00000000000000e2";
const cryptography = systemCryptography;
let old: SigningKey;
let next: SigningKey;
let proof: string;
const succession = () => ({
  fleet: FLEET,
  server: "code1",
  epoch: EPOCH,
  previous: toOpenSsh(old.publicKey),
});
const entry = () => ({ fleet: FLEET, epoch: EPOCH, public_key: toOpenSsh(next.publicKey), proof });
const from = () => ({ server: "code1", previous: toOpenSsh(old.publicKey), cryptography });

beforeAll(async () => {
  old = await importSigningKey(await generatePkcs8());
  next = await importSigningKey(await generatePkcs8());
  proof = await proveKey(succession(), { cryptography, key: next });
});

describe("isProven()", () => {
  test("takes the proof that proveKey() made", async () => {
    expect(await isProven(entry(), from())).toBe(true);
  });

  test("refuses it for another fleet, server, epoch, old or new key, and none at all", async () => {
    const other = toOpenSsh((await importSigningKey(await generatePkcs8())).publicKey);
    const verdicts: boolean[] = await Promise.all([
      isProven({ ...entry(), fleet: "019e1a2b-0000-7000-8000-0000000000f2" }, from()),
      isProven(entry(), { ...from(), server: "code2" }),
      isProven({ ...entry(), epoch: "00000000000000e3" }, from()),
      isProven(entry(), { ...from(), previous: other }),
      isProven({ ...entry(), public_key: other }, from()),
      isProven({ ...entry(), public_key: "ssh-ed25519 x" }, from()),
      isProven({ ...entry(), proof: undefined }, from()),
      isProven({ ...entry(), proof: "-----BEGIN SSH SIGNATURE-----" }, from()),
    ]);
    expect(verdicts).toEqual(verdicts.map(() => false));
  });

  test("refuses a proof that the old key made: whoever rotates has to have the new one", async () => {
    const { previous, ...place } = succession();
    const forged = await proveKey({ ...place, previous }, { cryptography, key: old });
    expect(await isProven({ ...entry(), proof: forged }, from())).toBe(false);
  });
});
