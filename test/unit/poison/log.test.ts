// Whatever bytes stand in a log or a card: no parser throws, what is taken is what was written, and nothing that was
// signed is taken once it was changed.
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import { concatBytes, fromUtf8, toUtf8 } from "../../../src/base/bytes.ts";
import type { ReadObject } from "../../../src/base/ports/git-store.ts";
import { parseStrictJson } from "../../../src/base/strict-json.ts";
import {
  acceptBatch,
  type Chain,
  keyClaimedBy,
  splitLines,
} from "../../../src/fleet/messaging/accept-batch.ts";
import { buildBatch, hashLine } from "../../../src/fleet/messaging/build-batch.ts";
import { labelsOf, parseCard } from "../../../src/fleet/messaging/card.ts";
import { encodeLine, parseLine } from "../../../src/fleet/messaging/entry-line.ts";
import { encodeCommit, encodeTree } from "../../../src/fleet/messaging/git-encoding.ts";
import { judgeBatches, readBatches } from "../../../src/fleet/messaging/judge-log.ts";
import type { ReceivePorts } from "../../../src/fleet/messaging/mailbox-ports.ts";
import { type Entry, LIMITS } from "../../../src/fleet/messaging/model.ts";
import { fromOpenSsh, signSsh, toOpenSsh, verifySsh } from "../../../src/fleet/messaging/ssh-signature.ts";
import { systemCryptography as cryptography } from "../../../src/platform/cryptography.ts";
import {
  batchTools,
  draftOf,
  EPOCH,
  emptyHead,
  FLEET,
  idOf,
  keyBody,
  messageBody,
  NOW,
  NOW_MS,
} from "../../helpers/batch-tools.ts";
import {
  anyBytes,
  anyText,
  anyValue,
  expectCleanPrototypes,
  expectLinear,
  mutated,
} from "../../helpers/hostile-bytes.ts";

// A slow machine, and everything else that it does.
setDefaultTimeout(60_000);

const tools = await batchTools();
const publicKey = toOpenSsh(tools.key.publicKey);
const HASH = `sha256:${"a".repeat(64)}`;
const envelope = { v: 1, id: idOf(3), seq: 2, prev: HASH, from: "code1", at: NOW };
const message = { ...envelope, ...messageBody({ labels: { team: "é😀" }, hops: 2 }), later: { a: [1] } };
const keyEntry = { ...envelope, ...keyBody(tools.key), seq: 1, prev: null };
const receipt = { ...envelope, type: "receipt", message: idOf(7), message_from: "code2", state: "acked" };
const compacted = {
  ...envelope,
  type: "compacted",
  hash: HASH,
  count: 3,
  keys: [keyEntry],
  receipts: [receipt],
};
const lines = [message, keyEntry, receipt, compacted].map((entry) =>
  encodeLine(entry as Entry).subarray(0, -1),
);

const CARD = {
  v: 1,
  server: "code1",
  fleet: FLEET,
  n: 3,
  run: "00112233445566ff",
  at: NOW,
  version: "0",
  public_key: publicKey,
  capabilities: [],
  groups: ["db"],
  health: { status: "ok" },
  log: { epoch: EPOCH, seq: 2, hash: HASH },
  cursors: { code2: { epoch: EPOCH, seq: 2, hash: HASH } },
  labels: { role: "primary" },
};
const card = toUtf8(`${JSON.stringify(CARD)}\n`);

/** Two batches in a row, and the chain after the first. */
const first = await buildBatch([draftOf(1, keyBody(tools.key))], emptyHead, NOW_MS, tools);
const second = await buildBatch(
  [2, 3, 4].map((number) => draftOf(number, messageBody({ subject: `Number ${number}` }))),
  first.head,
  NOW_MS,
  tools,
);
const fileOf = (batch: typeof first, position: number): Uint8Array =>
  batch.objects[position]?.content ?? new Uint8Array(0);
const FROM = { server: "code1", fleet: FLEET, cryptography };
const unknown: Chain = { publicKey, epoch: "", seq: 0, hash: "" };
const known: Chain = { publicKey, epoch: EPOCH, seq: 1, hash: first.head.hash };

describe("a line of a log", () => {
  test("is taken, parked or refused with a reason, whatever was done to it, and no prototype changes", () => {
    fc.assert(
      fc.property(fc.oneof(anyBytes, mutated(lines)), (bytes) => {
        const parsed = parseLine(bytes);
        if (parsed.status !== "entry") expect(parsed.reason.length).toBeWithin(1, 300);
        else expect(parsed.entry).toEqual(JSON.parse(fromUtf8(bytes) ?? ""));
        expectCleanPrototypes();
      }),
      { numRuns: 2000 },
    );
  });

  test("that is taken is taken again as the same entry once it is written anew, unknown fields included", () => {
    const withField = fc
      .tuple(fc.constantFrom(message, keyEntry, receipt, compacted), anyText, anyValue)
      .map(([entry, name, value]) => toUtf8(JSON.stringify({ ...entry, [name]: value })));
    fc.assert(
      fc.property(fc.oneof(mutated(lines), withField), (bytes) => {
        const parsed = parseLine(bytes);
        fc.pre(parsed.status === "entry");
        if (parsed.status !== "entry") return;
        const again = encodeLine(parsed.entry);
        const reparsed = parseLine(again.subarray(0, -1));
        expect(reparsed.status).toBe("entry");
        if (reparsed.status === "entry") expect(encodeLine(reparsed.entry)).toEqual(again);
      }),
      { numRuns: 1500 },
    );
  });

  test("with any value in a field that every entry has is never taken for another's place", () => {
    const field = fc.constantFrom("v", "id", "seq", "prev", "type", "from", "at");
    fc.assert(
      fc.property(field, anyValue, (name, value) => {
        const parsed = parseLine(toUtf8(JSON.stringify({ ...message, [name]: value })));
        const place = parsed.status === "entry" ? parsed.entry : parsed.place;
        if (place === null) return;
        expect(Number.isSafeInteger(place.seq) && place.seq >= 1).toBe(true);
        expect(place.from).toMatch(/^[a-z0-9][a-z0-9-]*$/);
      }),
      { numRuns: 1000 },
    );
  });

  test.each<[string, (size: number) => string]>([
    ["brackets", (size) => "[".repeat(size)],
    ["objects", (size) => '{"a":'.repeat(size)],
    ["keys", (size) => `{${Array.from({ length: size }, (_, at) => `"k${at}":1`).join(",")}}`],
    ["quotes", (size) => `{"a":"${'\\"'.repeat(size)}"}`],
    ["backslashes", (size) => `"${"\\".repeat(size)}`],
    ["recipients", (size) => JSON.stringify({ ...message, to: Array(size).fill("code2") })],
    ["characters of an id", (size) => JSON.stringify({ ...message, id: "0".repeat(size) })],
    ["characters of an instant", (size) => JSON.stringify({ ...message, at: "0".repeat(size) })],
    ["digits", (size) => JSON.stringify(message).replace('"seq":2', `"seq":${"9".repeat(size)}`)],
  ])("takes time in proportion to its %s", (_, make) => {
    expectLinear(
      (size) => toUtf8(make(size)),
      (bytes) => parseLine(bytes),
    );
  });

  test("with 100,000 levels is refused wherever they stand", () => {
    for (const at of ["body", "labels", "to", "unknown"]) {
      const text = JSON.stringify({ ...message, [at]: "HERE" }).replace(
        '"HERE"',
        "[".repeat(100_000) + "]".repeat(100_000),
      );
      expect(parseLine(toUtf8(text))).toMatchObject({ status: "invalid", reason: "nested deeper than 32" });
    }
  });
});

describe("strict JSON", () => {
  test("of any text is what JSON.parse says, or a refusal", () => {
    const texts = [...lines, card].map((bytes) => fromUtf8(bytes) ?? "");
    const anyOf = mutated(texts.map(toUtf8)).map((bytes) => new TextDecoder().decode(bytes));
    fc.assert(
      fc.property(anyOf, fc.integer({ min: 0, max: 40 }), (text, depthMax) => {
        const parsed = parseStrictJson(text, depthMax);
        if (parsed.ok) expect(parsed.value).toEqual(JSON.parse(text));
        expectCleanPrototypes();
      }),
      { numRuns: 1500 },
    );
  });
});

describe("a card", () => {
  test("is taken as it stands, or refused with a reason, whatever was done to it", () => {
    fc.assert(
      fc.property(fc.oneof(anyBytes, mutated([card])), (bytes) => {
        const parsed = parseCard(bytes, "code1");
        if (parsed.ok) {
          expect(parsed.value as unknown).toEqual(JSON.parse(fromUtf8(bytes) ?? ""));
          expect(labelsOf(parsed.value).size).toBeLessThanOrEqual(100);
        } else expect(parsed.error.length).toBeWithin(1, 400);
        expectCleanPrototypes();
      }),
      { numRuns: 1500 },
    );
  });

  test("keeps whatever field it has beside its own", () => {
    fc.assert(
      fc.property(anyText, anyValue, (name, value) => {
        fc.pre(!Object.hasOwn(CARD, name) && name !== "__proto__");
        const bytes = toUtf8(JSON.stringify({ ...CARD, [name]: value }));
        const parsed = parseCard(bytes, "code1");
        fc.pre(parsed.ok);
        if (parsed.ok) expect(parsed.value as unknown).toEqual(JSON.parse(fromUtf8(bytes) ?? ""));
      }),
      { numRuns: 500 },
    );
  });
});

describe("a batch", () => {
  const batches = [fileOf(first, 0), fileOf(second, 0), concatBytes([fileOf(first, 0), fileOf(second, 0)])];

  test("without its signature is taken only as the next lines of its writer, each in its place", () => {
    fc.assert(
      fc.property(fc.oneof(anyBytes, mutated(batches)), fc.constantFrom(unknown, known), (bytes, chain) => {
        keyClaimedBy(bytes);
        const verdict = acceptBatch(bytes, chain, FROM);
        if (!verdict.accepted) {
          expect(verdict.reason.length).toBeWithin(1, 400);
          return;
        }
        const split = splitLines(bytes) ?? [];
        expect(verdict.lines.map((line) => line.hash)).toEqual(
          split.map((line) => hashLine(line, cryptography)),
        );
        const from = verdict.lines.flatMap(({ parsed }) =>
          parsed.status === "entry" ? [parsed.entry.from] : parsed.place === null ? [] : [parsed.place.from],
        );
        expect(from.every((server) => server === "code1")).toBe(true);
        let at: Pick<Chain, "epoch" | "seq"> = chain;
        for (const { epoch, seq, parsed } of verdict.lines) {
          const isRoot = parsed.status === "entry" && parsed.entry.type === "compacted";
          if (!isRoot && epoch === at.epoch) expect(seq).toBe(at.seq + 1);
          at = { epoch, seq };
        }
      }),
      { numRuns: 1500 },
    );
  });

  test("is never taken with its signature once one of the two was changed", async () => {
    const good = [first, second].map((batch) => [fileOf(batch, 0), fileOf(batch, 1)] as const);
    const changed = fc.oneof(
      fc.tuple(
        mutated(good.map(([bytes]) => bytes)),
        fc.constantFrom(...good.map(([, signature]) => signature)),
      ),
      fc.tuple(
        fc.constantFrom(...good.map(([bytes]) => bytes)),
        mutated(good.map(([, signature]) => signature)),
      ),
      fc.tuple(anyBytes, anyBytes),
    );
    const expected = { namespace: "fleetd-log", publicKey: tools.key.publicKey, cryptography } as const;
    await fc.assert(
      fc.asyncProperty(changed, async ([bytes, signature]) => {
        const isTaken = await verifySsh(bytes, signature, expected);
        // White space in the armour changes nothing that is signed.
        const isSame = good.some(([its]) => Buffer.compare(its, bytes) === 0);
        if (isTaken) expect(isSame).toBe(true);
        expect(await verifySsh(bytes, signature, { ...expected, namespace: "fleetd-card" })).toBe(false);
      }),
      { numRuns: 400 },
    );
  });

  test("stays good with any white space in the armour of its signature, and with no other namespace or key", async () => {
    const signed = await signSsh(card, "fleetd-card", tools);
    const text = fromUtf8(signed) ?? "";
    const spaced = toUtf8(text.replaceAll("\n", "\r\n"));
    const expected = { namespace: "fleetd-card", publicKey: tools.key.publicKey, cryptography } as const;
    expect(await verifySsh(card, spaced, expected)).toBe(true);
    fc.assert(
      fc.property(anyText, (word) => {
        const key = fromOpenSsh(word);
        expect(key === null || key.length === 32).toBe(true);
      }),
    );
  });

  test.each<[string, (size: number) => Uint8Array]>([
    ["line feeds", (size) => toUtf8("\n".repeat(size))],
    ["bytes without one", (size) => new Uint8Array(size * 16).fill(0x20)],
    ["lines", (size) => concatBytes(Array(size).fill(toUtf8("{}\n")))],
  ])("takes time in proportion to its %s", (_, make) => {
    expectLinear(make, (bytes) => acceptBatch(bytes, known, FROM));
  });

  test("signature takes time in proportion to its armour", () => {
    const expected = { namespace: "fleetd-log", publicKey: tools.key.publicKey, cryptography } as const;
    for (const filling of ["A", "\n", "=", " A", "-----END SSH SIGNATURE-----"]) {
      expectLinear(
        (size) => toUtf8(`-----BEGIN SSH SIGNATURE-----${filling.repeat(size)}-----END SSH SIGNATURE-----`),
        (armored) => verifySsh(new Uint8Array(0), armored, expected),
      );
    }
  });
});

describe("a log in the store", () => {
  /** A store that has these two files for every commit that is asked for, in their order. */
  const portsWith = (answers: readonly ReadObject[]): ReceivePorts => {
    let at = 0;
    const store = {
      readObjects: (names: readonly string[]) =>
        Promise.resolve(names.map(() => answers[at++ % answers.length] as ReadObject)),
    };
    const identity = { server: "me", fleet: FLEET, publicKey: "" };
    return { store, identity, cryptography } as unknown as ReceivePorts;
  };

  test("is judged whatever the store answers: owners' batches are taken, all else is refused with a reason", async () => {
    const object = fc.oneof(
      fc.constant<ReadObject>({ status: "missing" } as ReadObject),
      fc.constant<ReadObject>({ status: "too-large", sizeBytes: 10_000_000 } as ReadObject),
      fc
        .tuple(fc.constantFrom("blob", "tree", "commit", "tag"), fc.oneof(anyBytes, mutated(batchesOf())))
        .map(([kind, content]) => ({ status: "found", kind, content }) as unknown as ReadObject),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(object, { minLength: 2, maxLength: 12 }), async (answers) => {
        const ports = portsWith(answers);
        const commits = answers.map((_, index) => index.toString(16).padStart(40, "0"));
        const batches = await readBatches(ports, commits);
        const judged = await judgeBatches(ports, "code1", { batches, known });
        const isWhole = (bytes: Uint8Array | null): boolean =>
          bytes !== null && batchesOf().some((one) => Buffer.compare(one, bytes) === 0);
        const taken = judged.accepted.map(({ commit }) => batches.find((one) => one.commit === commit));
        expect(taken.every((batch) => isWhole(batch?.entries ?? null))).toBe(true);
        expect(judged.accepted.length + judged.refused.length).toBe(commits.length);
        expect(judged.refused.every(({ reason }) => reason !== "")).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});

const batchesOf = (): Uint8Array[] =>
  [first, second].flatMap((batch) => [fileOf(batch, 0), fileOf(batch, 1)]);

describe("git objects", () => {
  const NAMES = ["tree ", "parent ", "author ", "committer "];

  test("of a commit keep their four headers, whatever the message says", () => {
    fc.assert(
      fc.property(fc.oneof(anyText, fc.constant("\n\ntree x\nauthor y\n\u0000")), (text) => {
        const facts = { tree: "1".repeat(40), parent: "2".repeat(40), server: "code1", committedMs: NOW_MS };
        const content = encodeCommit({ ...facts, message: text });
        expect(content.includes(0)).toBe(false);
        const [headers = ""] = new TextDecoder().decode(content).split("\n\n", 1);
        expect(headers.split("\n").map((line) => NAMES.find((name) => line.startsWith(name)))).toEqual(NAMES);
      }),
    );
  });

  test("of a tree name plain files alone, in the order of git", () => {
    const names = fc.uniqueArray(
      fc.string({ unit: fc.constantFrom(..."abz.-09"), minLength: 1, maxLength: 9 }),
    );
    fc.assert(
      fc.property(names, (list) => {
        const tree = encodeTree(Object.fromEntries(list.map((name) => [name, "3".repeat(40)])));
        const text = Buffer.from(tree).toString("latin1");
        const found = [...text.matchAll(/100644 ([a-z0-9.-]+)\0.{20}/gs)].map(([, name]) => name);
        expect(found).toEqual(list.toSorted());
      }),
    );
  });
});

test("the limits of the format are those that are read before content is", () => {
  expect(parseCard(new Uint8Array(LIMITS.cardBytesMax + 1), "code1")).toMatchObject({ ok: false });
});
