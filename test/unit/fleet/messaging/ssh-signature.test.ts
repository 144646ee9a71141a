import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { concatBytes, fromBase64, fromUtf8, toUtf8 } from "../../../../src/base/bytes.ts";
import {
  fingerprintOf,
  fromOpenSsh,
  type SignatureNamespace,
  signSsh,
  toOpenSsh,
  verifySsh,
} from "../../../../src/fleet/messaging/ssh-signature.ts";
import { systemCryptography as cryptography } from "../../../../src/platform/cryptography.ts";
import { keyFromSeed } from "../../../helpers/batch-tools.ts";

const key = await keyFromSeed((index) => index);
const otherKey = await keyFromSeed((index) => 255 - index);
const FILE = toUtf8("Grüße, 世界\n");

/** What `ssh-keygen` of OpenSSH 9.2 says of the key with the seed 0, 1, … 31, and signs with it over `FILE`. */
const PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";
const FINGERPRINT = "SHA256:lbmsoA0yIEcEiVDRnMWuzm+nV+3ZEEpVIURqFoeSspg";
const SIGNATURE = `-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgA6EHv/POEL4dcN0Y50vAmWfk1j
CbpQ1fHdyGZBJVMbgAAAAKZmxlZXRkLWxvZwAAAAAAAAAGc2hhNTEyAAAAUwAAAAtzc2gt
ZWQyNTUxOQAAAEB096hFVAryK1nCmW/g3juJ7E0UEYWckqvhTg0qpUlXempwJXpYLsfw4j
pARnxUvHDkYaqdoDTyYANmrnZNtEML
-----END SSH SIGNATURE-----
`;
/** The same with `-O hashalg=sha256`. */
const SIGNATURE_SHA256 = `-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgA6EHv/POEL4dcN0Y50vAmWfk1j
CbpQ1fHdyGZBJVMbgAAAAKZmxlZXRkLWxvZwAAAAAAAAAGc2hhMjU2AAAAUwAAAAtzc2gt
ZWQyNTUxOQAAAEAGnRFEvIDTDCAWkyTW3rx1NNJ/ZTfuHMQH1+8IalQGpYRlqihvNfBaM9
Y4We6RPQHPngX1SPF+tAFZwP33rDAL
-----END SSH SIGNATURE-----
`;

const verify = (
  armored: Uint8Array | string,
  changes: { file?: Uint8Array; namespace?: SignatureNamespace; publicKey?: Uint8Array } = {},
): Promise<boolean> =>
  verifySsh(changes.file ?? FILE, typeof armored === "string" ? toUtf8(armored) : armored, {
    namespace: changes.namespace ?? "fleetd-log",
    publicKey: changes.publicKey ?? key.publicKey,
    cryptography,
  });

const blobOf = (armored: string): Uint8Array =>
  fromBase64(armored.split("\n").slice(1, -2).join("")) ?? new Uint8Array(0);

const armor = (blob: Uint8Array): string =>
  `-----BEGIN SSH SIGNATURE-----\n${blob.toBase64()}\n-----END SSH SIGNATURE-----\n`;

describe("signSsh()", () => {
  test("signSsh() writes what ssh-keygen writes, byte for byte", async () => {
    expect(fromUtf8(await signSsh(FILE, "fleetd-log", { cryptography, key }))).toBe(SIGNATURE);
  });

  test("signSsh() and verifySsh() agree on any bytes", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 300 }),
        fc.constantFrom("fleetd-log" as const, "fleetd-card" as const),
        async (file, namespace) => {
          const armored = await signSsh(file, namespace, { cryptography, key });
          expect(await verify(armored, { file, namespace })).toBe(true);
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe("verifySsh()", () => {
  test("verifySsh() accepts what ssh-keygen wrote", async () => {
    expect(await verify(SIGNATURE)).toBe(true);
  });

  test("verifySsh() accepts the armor wrapped in one line or with CRLF", async () => {
    expect(await verify(armor(blobOf(SIGNATURE)))).toBe(true);
    expect(await verify(SIGNATURE.replaceAll("\n", "\r\n"))).toBe(true);
  });

  test("verifySsh() refuses a log's signature for a card and the other way round", async () => {
    expect(await verify(SIGNATURE, { namespace: "fleetd-card" })).toBe(false);
    const card = await signSsh(FILE, "fleetd-card", { cryptography, key });
    expect(await verify(card)).toBe(false);
  });

  test("verifySsh() refuses another namespace written over the signed one", async () => {
    const card = await signSsh(FILE, "fleetd-card", { cryptography, key });
    const [before, after] = [
      toUtf8("\u0000\u0000\u0000\u000bfleetd-card"),
      toUtf8("\u0000\u0000\u0000\u000afleetd-log"),
    ];
    const hex = blobOf(fromUtf8(card) ?? "").toHex();
    expect(hex).toContain(before.toHex());
    expect(await verify(armor(Uint8Array.fromHex(hex.replace(before.toHex(), after.toHex()))))).toBe(false);
  });

  test("verifySsh() refuses a good signature of another key", async () => {
    const armored = await signSsh(FILE, "fleetd-log", { cryptography, key: otherKey });
    expect(await verify(armored)).toBe(false);
    expect(await verify(armored, { publicKey: otherKey.publicKey })).toBe(true);
  });

  test("verifySsh() refuses a signature that names the expected key and was made with another", async () => {
    const armored = fromUtf8(await signSsh(FILE, "fleetd-log", { cryptography, key: otherKey })) ?? "";
    const hex = blobOf(armored).toHex().replace(otherKey.publicKey.toHex(), key.publicKey.toHex());
    expect(await verify(armor(Uint8Array.fromHex(hex)))).toBe(false);
  });

  test("verifySsh() refuses a good signature over SHA-256, which this format does not use", async () => {
    expect(await verify(SIGNATURE_SHA256)).toBe(false);
  });

  test("verifySsh() refuses the file with any one bit changed", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(FILE.length - 1), fc.nat(7), async (index, bit) => {
        const file = FILE.slice();
        file[index] = (file[index] ?? 0) ^ (1 << bit);
        expect(await verify(SIGNATURE, { file })).toBe(false);
      }),
      { numRuns: 30 },
    );
  });

  test("verifySsh() refuses a longer and a shorter file", async () => {
    expect(await verify(SIGNATURE, { file: concatBytes([FILE, toUtf8("\n")]) })).toBe(false);
    expect(await verify(SIGNATURE, { file: FILE.subarray(0, -1) })).toBe(false);
  });

  test("verifySsh() refuses the signature with any one bit changed", async () => {
    const blob = blobOf(SIGNATURE);
    for (let index = 0; index < blob.length; index += 1) {
      const tampered = blob.slice();
      tampered[index] = (tampered[index] ?? 0) ^ (1 << (index % 8));
      expect([index, await verify(armor(tampered))]).toEqual([index, false]);
    }
  });

  test("verifySsh() refuses the signature cut off at any byte", async () => {
    const blob = blobOf(SIGNATURE);
    for (let length = 0; length < blob.length; length += 1) {
      expect(await verify(armor(blob.subarray(0, length)))).toBe(false);
    }
  });

  test("verifySsh() refuses the armored text cut off anywhere", async () => {
    const whole = SIGNATURE.trimEnd();
    for (let length = 0; length < whole.length; length += 1) {
      expect(await verify(whole.slice(0, length))).toBe(false);
    }
  });

  test("verifySsh() refuses bytes after the end, inside and outside of the armor", async () => {
    expect(await verify(armor(concatBytes([blobOf(SIGNATURE), new Uint8Array(1)])))).toBe(false);
    expect(await verify(`${SIGNATURE}x`)).toBe(false);
    expect(await verify(`x${SIGNATURE}`)).toBe(false);
    expect(await verify(SIGNATURE + SIGNATURE)).toBe(false);
  });

  test("verifySsh() never throws, whatever the bytes", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        expect(await verify(bytes)).toBe(false);
        expect(await verify(armor(bytes))).toBe(false);
        expect(await verify(armor(concatBytes([toUtf8("SSHSIG\u0000\u0000\u0000\u0001"), bytes])))).toBe(
          false,
        );
      }),
    );
  });
});

describe("toOpenSsh()", () => {
  test("toOpenSsh() writes what ssh-keygen writes", () => {
    expect(toOpenSsh(key.publicKey)).toBe(PUBLIC_KEY);
  });
});

describe("fromOpenSsh()", () => {
  test.each([PUBLIC_KEY, `${PUBLIC_KEY} code1@fleet.invalid and more`, `  ${PUBLIC_KEY}\n`])(
    "fromOpenSsh() reads the key of %j",
    (text) => {
      expect(fromOpenSsh(text)).toEqual(key.publicKey);
    },
  );

  test.each([
    ["nothing", ""],
    ["a key without a type", PUBLIC_KEY.slice("ssh-ed25519 ".length)],
    ["a type without a key", "ssh-ed25519"],
    ["another type before the same key", PUBLIC_KEY.replace("ssh-ed25519", "ssh-rsa")],
    ["what is no base64", "ssh-ed25519 ####"],
    ["a key that is cut off", PUBLIC_KEY.slice(0, -4)],
    ["a key with bytes behind it", `${PUBLIC_KEY}AAAA`],
    ["another type inside", PUBLIC_KEY.replace("AAAAC3NzaC1lZDI1NTE5", "AAAAC3NzaC1lZDI1NTE4")],
  ])("fromOpenSsh() is null for %s", (_, text) => {
    expect(fromOpenSsh(text)).toBeNull();
  });
});

describe("fingerprintOf()", () => {
  test("fingerprintOf() is what ssh-keygen -l prints", () => {
    expect(fingerprintOf(key.publicKey, cryptography)).toBe(FINGERPRINT);
  });
});
