import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { fromUtf8, toUtf8 } from "../../../../src/base/bytes.ts";
import {
  buildCard,
  type Card,
  hasPassed,
  labelsOf,
  parseCard,
} from "../../../../src/fleet/messaging/card.ts";
import { LIMITS } from "../../../../src/fleet/messaging/model.ts";
import { toOpenSsh, verifySsh } from "../../../../src/fleet/messaging/ssh-signature.ts";
import { systemCryptography as cryptography } from "../../../../src/platform/cryptography.ts";
import { batchTools, EPOCH, FLEET, NOW, NOW_MS } from "../../../helpers/batch-tools.ts";

const tools = await batchTools();
const cursor = { epoch: EPOCH, seq: 7, hash: `sha256:${"c".repeat(64)}` };
const card: Card = {
  v: 1,
  server: "code1",
  fleet: FLEET,
  n: 3,
  run: "00000000000000aa",
  at: NOW,
  version: "0.1.0",
  public_key: toOpenSsh(tools.key.publicKey),
  capabilities: ["reply"],
  groups: ["build"],
  health: { status: "healthy" },
  log: cursor,
  cursors: { code2: cursor },
};

const parseWith = (changes: Record<string, unknown>) =>
  parseCard(toUtf8(JSON.stringify({ ...card, ...changes })), "code1");
const errorOf = (bytes: Uint8Array): string => {
  const parsed = parseCard(bytes, "code1");
  return parsed.ok ? "taken" : parsed.error;
};
const facts = { card, parent: null, committedMs: NOW_MS };
const parentOf = "d02dbd5eb7c6ac9d4cf751115479e6bd06378b66";

describe("labelsOf()", () => {
  test("labelsOf() of a card without labels are none", () => {
    expect(labelsOf(card)).toEqual(new Map());
  });

  test("labelsOf() keeps what is a label, whatever its name, and passes over the rest", () => {
    const labels: unknown = JSON.parse('{"role":"db","constructor":"x","n":5,"o":{}}');
    const long = { ["x".repeat(201)]: "a", big: "x".repeat(201) };
    const parsed = parseWith({ labels: { ...(labels as object), ...long } });
    expect(parsed.ok && [...labelsOf(parsed.value)]).toEqual([
      ["role", "db"],
      ["constructor", "x"],
    ]);
  });

  test.each([["text"], [7], [null], [["a"]]])(
    "labelsOf() of %j are none, and the card is taken",
    (labels) => {
      const parsed = parseWith({ labels });
      expect(parsed.ok && labelsOf(parsed.value).size).toBe(0);
    },
  );

  test("labelsOf() bounds how many there are", () => {
    const labels = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`l${n}`, "x"]));
    const parsed = parseWith({ labels });
    expect(parsed.ok && labelsOf(parsed.value).size).toBe(100);
  });
});

describe("parseCard()", () => {
  test("parseCard() reads what buildCard() wrote", async () => {
    const built = await buildCard(facts, tools);
    expect(parseCard(built.objects[0]?.content ?? new Uint8Array(0), "code1")).toEqual({
      ok: true,
      value: card,
    });
  });

  test("parseCard() never throws, whatever value stands in whatever field", () => {
    const fields = fc.constantFrom(...Object.keys(card), "x");
    fc.assert(
      fc.property(fields, fc.jsonValue({ maxDepth: 3 }), (field, value) => {
        const parsed = parseWith({ [field]: value });
        expect(parsed.ok || parsed.error !== "").toBe(true);
      }),
    );
  });

  test("parseCard() never throws, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(parseCard(bytes, "code1").ok).toBe(false);
      }),
    );
  });

  test("parseCard() keeps fields of the future", () => {
    const parsed = parseWith({ doorbell: true, health: { status: "ok", disk: 1 } });
    expect(parsed.ok && parsed.value).toMatchObject({ doorbell: true, health: { disk: 1 } });
  });

  test("parseCard() refuses a card that lies on another server's ref", () => {
    expect(parseCard(toUtf8(JSON.stringify(card)), "code2")).toEqual({
      ok: false,
      error: 'card is of "code1", the ref of "code2"',
    });
  });

  test.each<[string, Uint8Array, string]>([
    ["over 64 KiB", new Uint8Array(LIMITS.cardBytesMax + 1).fill(0x20), "card over 64 KiB"],
    ["that is not UTF-8", new Uint8Array([0xff]), "card is not UTF-8"],
    ["that is not JSON", toUtf8("rubbish"), "not JSON"],
    ["with a key twice", toUtf8('{"n":1,"n":2}'), "an object has the same key twice"],
    ["with a key __proto__", toUtf8('{"__proto__":{}}'), 'a key is "__proto__"'],
    ["of 100,000 levels", toUtf8("[".repeat(60_000)), "nested deeper than 32"],
  ])("parseCard() refuses a card %s", (_, bytes, error) => {
    expect(errorOf(bytes)).toBe(error);
  });

  test.each<[string, unknown[]]>([
    ["v", [0, 2, "1"]],
    ["server", ["", "Code1", "a/b"]],
    ["n", [0, -1, 1.5, 2 ** 53, "3"]],
    ["run", ["", "xyz", "00000000000000AA"]],
    ["at", ["", "2026-02-30T00:00:00.000Z", "9999-99-99T99:99:99.999Z", 0]],
    ["version", ["x".repeat(201), 1]],
    ["capabilities", ["reply", [1]]],
    ["groups", [["@build"], ["a b"], null]],
    ["health", [null, {}, { status: 1 }]],
    ["log", [null, {}, { ...cursor, seq: -1 }, { ...cursor, epoch: "" }, { ...cursor, hash: "c" }]],
    ["cursors", [null, [], "x", { Code2: cursor }, { "a/b": cursor }, { code2: null }, { constructor: 7 }]],
  ])("parseCard() refuses a wrong %s", (field, values) => {
    expect(values.filter((value) => !parseWith({ [field]: value }).ok)).toEqual(values);
  });

  test.each(Object.keys(card))("parseCard() refuses a card without %s", (field) => {
    expect(parseWith({ [field]: undefined }).ok).toBe(false);
  });

  test("parseCard() keeps the cursor of a server that is called constructor", () => {
    const parsed = parseWith({ cursors: { constructor: cursor, prototype: cursor } });
    expect(parsed.ok && parsed.value.cursors).toEqual({ constructor: cursor, prototype: cursor });
  });

  test("parseCard() takes a card of 500 servers", () => {
    const cursors = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`s${index}`, cursor]));
    expect(parseWith({ cursors }).ok).toBe(true);
  });
});

describe("buildCard()", () => {
  test("buildCard() makes the same bytes of the same facts", async () => {
    expect(await buildCard(facts, tools)).toEqual(await buildCard(facts, tools));
  });

  test("buildCard() signs the exact bytes of the card, as a card", async () => {
    const { objects } = await buildCard(facts, tools);
    const [json, signature] = objects.map((object) => object.content);
    const verify = (namespace: "fleetd-log" | "fleetd-card") =>
      verifySsh(json ?? new Uint8Array(0), signature ?? new Uint8Array(0), {
        namespace,
        publicKey: tools.key.publicKey,
        cryptography,
      });
    expect([await verify("fleetd-card"), await verify("fleetd-log")]).toEqual([true, false]);
  });

  test("buildCard() ends with a commit without a parent, or with the one it is given", async () => {
    const alone = await buildCard(facts, tools);
    const chained = await buildCard({ ...facts, parent: parentOf }, tools);
    const [first, second] = [alone, chained].map(({ objects }) =>
      fromUtf8(objects[3]?.content ?? new Uint8Array(0)),
    );
    expect(first).not.toContain("parent");
    expect(first).toEndWith("\n\ncode1: card 3\n");
    expect(second).toContain(`\nparent ${parentOf}\n`);
    expect(alone.commitId).toBe(alone.objects[3]?.id ?? "");
  });

  test("buildCard() refuses a card that no reader takes", async () => {
    const capabilities = Array(400).fill("x".repeat(200));
    await expect(buildCard({ ...facts, card: { ...card, capabilities } }, tools)).rejects.toThrow(
      /^Broken invariant: card of \d+ bytes$/,
    );
  });
});

describe("hasPassed()", () => {
  const at = (seq: number, epoch = EPOCH) => ({ epoch, seq });

  test("hasPassed() is true up to and with the entry the cursor names", () => {
    expect([6, 7, 8].map((seq) => hasPassed(cursor, at(seq)))).toEqual([true, true, false]);
  });

  test("hasPassed() knows nothing of another epoch", () => {
    expect(hasPassed(cursor, at(1, "00000000000000e2"))).toBe(false);
  });

  test("hasPassed() is false without a cursor", () => {
    expect(hasPassed(undefined, at(1))).toBe(false);
  });
});
