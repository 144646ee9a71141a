import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { concatBytes, toUtf8 } from "../../../../src/base/bytes.ts";
import {
  acceptBatch,
  type BatchVerdict,
  type Chain,
  keyClaimedBy,
  splitLines,
} from "../../../../src/fleet/messaging/accept-batch.ts";
import {
  type Batch,
  buildBatch,
  type EntryDraft,
  hashLine,
  type LogHead,
} from "../../../../src/fleet/messaging/build-batch.ts";
import { encodeLine } from "../../../../src/fleet/messaging/entry-line.ts";
import type { CompactedBody, Entry, EntryBody } from "../../../../src/fleet/messaging/model.ts";
import { toOpenSsh, verifySsh } from "../../../../src/fleet/messaging/ssh-signature.ts";
import { systemCryptography as cryptography } from "../../../../src/platform/cryptography.ts";
import {
  batchTools,
  draftOf,
  emptyHead,
  FLEET,
  idOf,
  keyBody,
  keyFromSeed,
  messageBody,
  NOW,
  NOW_MS,
} from "../../../helpers/batch-tools.ts";

const key = await keyFromSeed((index) => index);
const otherKey = await keyFromSeed((index) => 255 - index);
const tools = await batchTools();
const FROM = { server: "code1", fleet: FLEET, cryptography };
const OTHER_FLEET = FLEET.replace("f1", "f2");
const unknown: Chain = { publicKey: toOpenSsh(key.publicKey), epoch: "", seq: 0, hash: "" };

const linesOf = (batch: Batch): Uint8Array => batch.objects[0]?.content ?? new Uint8Array(0);
const signatureOf = (batch: Batch): Uint8Array => batch.objects[1]?.content ?? new Uint8Array(0);

/** Batches of these sizes one after the other; the first begins with the key entry. */
async function buildLog(sizes: readonly number[], with_ = tools): Promise<Batch[]> {
  const batches: Batch[] = [];
  let head: LogHead = emptyHead;
  let number = 1;
  for (const size of sizes) {
    const drafts = Array.from({ length: size }, (): EntryDraft => {
      const body: EntryBody =
        number === 1 ? keyBody(with_.key) : messageBody({ subject: `Number ${number}` });
      number += 1;
      return draftOf(number, body);
    });
    const batch = await buildBatch(drafts, head, NOW_MS, with_);
    batches.push(batch);
    head = batch.head;
  }
  return batches;
}

/** The chain after these bytes. Throws when one is refused. */
function chainAfter(parts: readonly Uint8Array[], start: Chain = unknown): Chain {
  return parts.reduce((chain, bytes) => {
    const verdict = acceptBatch(bytes, chain, FROM);
    if (!verdict.accepted) throw new Error(verdict.reason);
    return verdict.chain;
  }, start);
}

/** What a reader does with a log: signature first, then the chain; what is refused is passed over. */
async function readLog(
  log: readonly { lines: Uint8Array; signature: Uint8Array }[],
): Promise<{ chain: Chain; reasons: (string | null)[] }> {
  const expected = { namespace: "fleetd-log", publicKey: key.publicKey, cryptography } as const;
  let chain = unknown;
  const reasons: (string | null)[] = [];
  for (const { lines, signature } of log) {
    const verdict: BatchVerdict = (await verifySsh(lines, signature, expected))
      ? acceptBatch(lines, chain, FROM)
      : { accepted: false, reason: "signature" };
    if (verdict.accepted) chain = verdict.chain;
    reasons.push(verdict.accepted ? null : verdict.reason);
  }
  return { chain, reasons };
}

const reasonOf = (bytes: Uint8Array, chain: Chain, from = FROM): string => {
  const verdict = acceptBatch(bytes, chain, from);
  return verdict.accepted ? "accepted" : verdict.reason;
};

const log = await buildLog([1, 3, 1, 2]);
const [first, second, third, fourth] = log.map(linesOf) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
const afterFirst = chainAfter([first]);
const afterSecond = chainAfter([first, second]);

/** One line that continues `chain`, of an entry or of anything else; its seq and prev may be wrong on purpose. */
const lineAfter = (chain: Chain, fields: Record<string, unknown>): Uint8Array => {
  const prev = chain.hash === "" ? null : chain.hash;
  const envelope = { v: 1, id: idOf(90), seq: chain.seq + 1, prev, type: "message", from: "code1", at: NOW };
  return encodeLine({ ...envelope, ...messageBody(), ...fields } as Entry);
};

describe("splitLines()", () => {
  test("splitLines() gives the lines without their line feeds", () => {
    expect(splitLines(toUtf8("a\n\nbc\n"))?.map((line) => line.length)).toEqual([1, 0, 2]);
  });

  test.each(["", "a", "a\nb"])("splitLines() is null for %j, which does not end in a line", (text) => {
    expect(splitLines(toUtf8(text))).toBeNull();
  });

  test("splitLines() takes 1,000 lines and not one more", () => {
    expect(splitLines(toUtf8("\n".repeat(1000)))?.length).toBe(1000);
    expect(splitLines(toUtf8("\n".repeat(1001)))).toBeNull();
  });
});

describe("keyClaimedBy()", () => {
  test("keyClaimedBy() is the key of a log's first entry", () => {
    expect(keyClaimedBy(first)).toBe(toOpenSsh(key.publicKey));
  });

  test("keyClaimedBy() is null where no key stands first", () => {
    expect([second, toUtf8("rubbish\n"), new Uint8Array(0)].map(keyClaimedBy)).toEqual([null, null, null]);
  });
});

describe("acceptBatch()", () => {
  test("acceptBatch() accepts any chain of built batches and ends where the writer ended", async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(sizes, async (counts) => {
        const batches = await buildLog(counts);
        const { epoch, seq, hash } = batches.at(-1)?.head ?? emptyHead;
        const chain = chainAfter(batches.map(linesOf));
        expect(chain).toEqual({ publicKey: unknown.publicKey, epoch, seq, hash });
        expect(chain.seq).toBe(counts.reduce((total, count) => total + count, 0));
      }),
      { numRuns: 20 },
    );
  });

  test("acceptBatch() gives every line its place, hash and bytes", () => {
    const verdict = acceptBatch(second, afterFirst, FROM);
    const lines = verdict.accepted ? verdict.lines : [];
    expect(lines.map((line) => line.seq)).toEqual([2, 3, 4]);
    expect(lines.map((line) => line.hash)).toEqual(lines.map((line) => hashLine(line.text, cryptography)));
    expect(lines.every((line) => line.parsed.status === "entry" && line.epoch === emptyHead.epoch)).toBe(
      true,
    );
  });

  test("acceptBatch() never accepts a batch with any one bit changed into the same chain", () => {
    const end = chainAfter([second], afterFirst);
    fc.assert(
      fc.property(fc.nat(second.length - 1), fc.nat(7), (index, bit) => {
        const changed = second.slice();
        changed[index] = (changed[index] ?? 0) ^ (1 << bit);
        const verdict = acceptBatch(changed, afterFirst, FROM);
        // The signature is the first guard; even without it, what follows would not continue such a batch.
        if (verdict.accepted) expect(verdict.chain.hash).not.toBe(end.hash);
        else expect(verdict.reason).not.toBe("");
      }),
      { numRuns: 300 },
    );
  });

  test("acceptBatch() and its signature refuse a batch with any one bit changed, and only that one's followers", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(second.length - 1), fc.nat(7), async (index, bit) => {
        const parts = log.map((batch) => ({ lines: linesOf(batch), signature: signatureOf(batch) }));
        const changed = second.slice();
        changed[index] = (changed[index] ?? 0) ^ (1 << bit);
        const { chain, reasons } = await readLog(
          parts.map((part, position) => (position === 1 ? { ...part, lines: changed } : part)),
        );
        expect([reasons[0], reasons[1], chain]).toEqual([null, "signature", afterFirst]);
      }),
      { numRuns: 30 },
    );
  });

  test("acceptBatch() refuses a batch that was dropped before, with the place that is missing", () => {
    expect(reasonOf(third, afterFirst)).toBe("seq is 5, expected 2");
  });

  test("acceptBatch() refuses every batch that comes again, at any later time", () => {
    const ends = [afterFirst, afterSecond, chainAfter([first, second, third])];
    for (const [position, chain] of ends.entries()) {
      for (const replayed of [first, second, third].slice(0, position + 1)) {
        expect(reasonOf(replayed, chain)).not.toBe("accepted");
      }
    }
  });

  test("acceptBatch() refuses lines in any other order than their own", () => {
    const lines = (splitLines(second) ?? []).map((line) => concatBytes([line, toUtf8("\n")]));
    const [a, b, c] = lines as [Uint8Array, Uint8Array, Uint8Array];
    const others = [
      [a, c, b],
      [b, a, c],
      [b, c, a],
      [c, a, b],
      [c, b, a],
      [a, c],
      [b, c],
      [a, a],
      [a, b, b],
      [a, b, c, c],
    ];
    for (const order of others)
      expect(reasonOf(concatBytes(order), afterFirst)).toMatch(/^seq is \d, expected \d$/);
  });

  test("acceptBatch() takes none of a batch when one line of it is refused", () => {
    const bytes = concatBytes([second, second]);
    expect(acceptBatch(bytes, afterFirst, FROM)).toEqual({ accepted: false, reason: "seq is 2, expected 5" });
  });

  test("acceptBatch() refuses the right seq on another line before it", () => {
    const elsewhere: Chain = { ...afterFirst, hash: `sha256:${"0".repeat(64)}` };
    expect(reasonOf(second, elsewhere)).toBe("prev of seq 2 does not match the line before it");
  });

  test("acceptBatch() refuses a batch that is cut off or empty", () => {
    expect(reasonOf(second.subarray(0, -1), afterFirst)).toBe("batch is empty, over 1,000 lines, or cut off");
    expect(reasonOf(new Uint8Array(0), afterFirst)).toBe("batch is empty, over 1,000 lines, or cut off");
  });

  test("acceptBatch() refuses entries of somebody else's, wherever in the batch", async () => {
    const foreign = await buildLog([1], await batchTools({ server: "code2" }));
    expect(foreign.map((batch) => reasonOf(linesOf(batch), unknown))).toEqual([
      'entry is from "code2", the log is of "code1"',
    ]);
    expect(reasonOf(second, afterFirst, { ...FROM, server: "code2" })).toBe(
      'entry is from "code1", the log is of "code2"',
    );
  });

  test("acceptBatch() refuses the log of another fleet", () => {
    expect(reasonOf(first, unknown, { ...FROM, fleet: OTHER_FLEET })).toBe(`key entry is for fleet ${FLEET}`);
  });

  test("acceptBatch() refuses a log whose key entry names another key than the pinned one", () => {
    const pinned: Chain = { ...unknown, publicKey: toOpenSsh(otherKey.publicKey) };
    expect(reasonOf(first, pinned)).toBe("key entry names another key than the pinned one");
  });

  test("acceptBatch() refuses a log that does not begin with a key", () => {
    expect(reasonOf(lineAfter(unknown, {}), unknown)).toBe("log does not start with a key");
    expect(reasonOf(toUtf8("rubbish\n"), unknown)).toBe("not JSON");
    expect(reasonOf(lineAfter(unknown, { v: 2 }), unknown)).toBe("format version 2");
  });

  test("acceptBatch() refuses a second key entry of the same epoch", () => {
    expect(reasonOf(lineAfter(afterSecond, { seq: 1, ...keyBody(key) }), afterSecond)).toBe(
      "key entry repeats its epoch",
    );
  });

  test.each<[string, Record<string, unknown>, string]>([
    ["in the place of a message", {}, "key entry has seq 5, expected 1"],
    ["with another key", { seq: 1, ...keyBody(otherKey) }, "key entry names another key than the pinned one"],
    ["of another fleet", { seq: 1, fleet: OTHER_FLEET }, `key entry is for fleet ${OTHER_FLEET}`],
    [
      "without what was before",
      { seq: 1, prev: null },
      "prev of a key entry does not match the line before it",
    ],
  ])("acceptBatch() refuses a second key entry %s", (_, changes, reason) => {
    const line = lineAfter(afterSecond, { ...keyBody(key, { epoch: "00000000000000e2" }), ...changes });
    expect(reasonOf(line, afterSecond)).toBe(reason);
  });

  test("acceptBatch() follows its writer into a new epoch that names the last line of the old one", () => {
    const epoch = "00000000000000e2";
    const chain = chainAfter([lineAfter(afterSecond, { ...keyBody(key, { epoch }), seq: 1 })], afterSecond);
    expect([chain.epoch, chain.seq]).toEqual([epoch, 1]);
    expect(chainAfter([lineAfter(chain, {})], chain).seq).toBe(2);
  });

  test("acceptBatch() refuses a first key entry that claims lines before it", () => {
    const line = lineAfter(unknown, { ...keyBody(key), prev: afterFirst.hash });
    expect(reasonOf(line, unknown)).toBe("prev of a key entry does not match the line before it");
  });
});

describe("acceptBatch() on lines that cannot be read", () => {
  test.each<[string, (chain: Chain) => Uint8Array, "parked" | "invalid"]>([
    ["a wrong field", (chain) => lineAfter(chain, { kind: "heartbeat" }), "invalid"],
    ["a later version", (chain) => lineAfter(chain, { v: 2, body: { rich: true } }), "parked"],
    ["an unknown type", (chain) => lineAfter(chain, { type: "claim" }), "parked"],
    ["rubbish", () => toUtf8("rubbish\n"), "invalid"],
    ["no text at all", () => toUtf8("\n"), "invalid"],
    ["bytes that are no text", () => new Uint8Array([0xff, 0x0a]), "invalid"],
  ])("acceptBatch() lets %s take its place, and the entries around it live on", (_, make, status) => {
    const before = lineAfter(afterFirst, { subject: "before" });
    const atBad = chainAfter([before], afterFirst);
    const bad = make(atBad);
    const atAfter = chainAfter([bad], atBad);
    const verdict = acceptBatch(concatBytes([before, bad, lineAfter(atAfter, {})]), afterFirst, FROM);
    const lines = verdict.accepted ? verdict.lines : [];
    expect(lines.map((line) => [line.seq, line.parsed.status])).toEqual([
      [2, "entry"],
      [3, status],
      [4, "entry"],
    ]);
  });

  test("acceptBatch() says why it parks a line", () => {
    const verdict = acceptBatch(lineAfter(afterFirst, { v: 2 }), afterFirst, FROM);
    const [line] = verdict.accepted ? verdict.lines : [];
    expect(line?.parsed).toMatchObject({ status: "parked", reason: "format version 2" });
  });

  test.each<[string, Record<string, unknown>]>([
    ["a later version", { v: 2 }],
    ["an unknown type", { type: "claim" }],
    ["a wrong field", { subject: 7 }],
    ["too deep nesting", { body: JSON.parse("[".repeat(40) + "]".repeat(40)) }],
  ])("acceptBatch() refuses a batch with nothing but %s when it comes again", (_, fields) => {
    const bytes = lineAfter(afterFirst, fields);
    const chain = chainAfter([bytes], afterFirst);
    expect(reasonOf(bytes, chain)).toBe("seq is 2, expected 3");
    // The owner goes on from there.
    expect(chainAfter([lineAfter(chain, {})], chain).seq).toBe(3);
  });

  test("acceptBatch() refuses an unreadable line that names another writer or another line before it", () => {
    expect(reasonOf(lineAfter(afterFirst, { v: 2, from: "code2" }), afterFirst)).toBe(
      'entry is from "code2", the log is of "code1"',
    );
    expect(reasonOf(lineAfter(afterFirst, { v: 2, prev: null }), afterFirst)).toBe(
      "prev of seq 2 does not match the line before it",
    );
  });
});

describe("acceptBatch() on a compacted log", () => {
  const keyLine = JSON.parse(new TextDecoder().decode(first)) as Entry;
  const root = (changes: Partial<CompactedBody> = {}, fields: Record<string, unknown> = {}): Uint8Array => {
    const body = {
      type: "compacted",
      hash: afterSecond.hash,
      count: 4,
      keys: [keyLine],
      receipts: [],
      ...changes,
    };
    const envelope = { v: 1, id: idOf(80), seq: afterSecond.seq, prev: null, from: "code1", at: NOW };
    return encodeLine({ ...envelope, ...body, ...fields } as Entry);
  };
  const keyWith = (changes: Record<string, unknown>): Entry => ({ ...keyLine, ...changes }) as Entry;
  const receiptOf = (from: string): Entry => ({
    v: 1,
    id: idOf(81),
    seq: 3,
    prev: afterFirst.hash,
    from,
    at: NOW,
    type: "receipt",
    message: idOf(70),
    message_from: "code3",
    state: "read",
  });

  test("acceptBatch() takes a compacted root at first contact, and the kept batches behind it", () => {
    const chain = chainAfter([root()]);
    expect(chain).toEqual(afterSecond);
    expect(chainAfter([third, fourth], chain).seq).toBe(7);
  });

  test("acceptBatch() refuses a compacted root where anything is known", () => {
    for (const chain of [afterFirst, afterSecond]) {
      expect(reasonOf(root(), chain)).toBe("log was compacted below what is known of it");
    }
    expect(reasonOf(concatBytes([first, root()]), unknown)).toBe(
      "log was compacted below what is known of it",
    );
  });

  test("acceptBatch() refuses what does not follow a compacted root", () => {
    expect(reasonOf(fourth, chainAfter([root()]))).toBe("seq is 6, expected 5");
    expect(reasonOf(third, chainAfter([root({ hash: afterFirst.hash })]))).toBe(
      "prev of seq 5 does not match the line before it",
    );
  });

  test("keyClaimedBy() is the last key that a compacted root carries", () => {
    const keys = [keyWith({ public_key: toOpenSsh(otherKey.publicKey) }), keyLine];
    expect(keyClaimedBy(root({ keys }))).toBe(toOpenSsh(key.publicKey));
  });

  test("acceptBatch() takes the epoch of the last key that a compacted root carries", () => {
    const keys = [keyLine, keyWith({ epoch: "00000000000000e2" })];
    expect(chainAfter([root({ keys })]).epoch).toBe("00000000000000e2");
  });

  test.each<[string, Partial<CompactedBody>, string]>([
    ["another fleet", { keys: [keyWith({ fleet: OTHER_FLEET })] }, "compacted log names another fleet"],
    [
      "another key",
      { keys: [keyWith({ public_key: toOpenSsh(otherKey.publicKey) })] },
      "compacted log names another key than the pinned one",
    ],
    [
      "a key of another server",
      { keys: [keyWith({ from: "code2" })] },
      'compacted log carries an entry of "code2"',
    ],
    [
      "a receipt of another server",
      { receipts: [receiptOf("code2")] },
      'compacted log carries an entry of "code2"',
    ],
  ])("acceptBatch() refuses a compacted root with %s", (_, changes, reason) => {
    expect(reasonOf(root(changes), unknown)).toBe(reason);
  });

  test("acceptBatch() takes a compacted root with its writer's own receipts", () => {
    expect(reasonOf(root({ receipts: [receiptOf("code1")] }), unknown)).toBe("accepted");
  });
});

describe("acceptBatch() over a whole log", () => {
  const parts = log.map((batch) => ({ lines: linesOf(batch), signature: signatureOf(batch) }));
  const insertAt = (position: number, part: (typeof parts)[number]) => parts.toSpliced(position, 0, part);

  test("acceptBatch() reads an untouched log without a refusal", async () => {
    expect((await readLog(parts)).reasons).toEqual([null, null, null, null]);
  });

  test("acceptBatch() passes over a stranger's batch, and the owner's next still continues", async () => {
    const stranger = await batchTools({ key: otherKey });
    const head: LogHead = { ...emptyHead, ...log[1]?.head };
    const batch = await buildBatch(
      [draftOf(60, messageBody({ subject: "I am code1" }))],
      head,
      NOW_MS,
      stranger,
    );
    const { chain, reasons } = await readLog(
      insertAt(2, { lines: linesOf(batch), signature: signatureOf(batch) }),
    );
    expect(reasons).toEqual([null, null, "signature", null, null]);
    expect(chain.seq).toBe(7);
  });

  test("acceptBatch() ends at the same place when any own batch is pushed again anywhere behind itself", async () => {
    const { chain: end } = await readLog(parts);
    for (const [from, part] of parts.entries()) {
      for (let to = from + 1; to <= parts.length; to += 1) {
        const { chain, reasons } = await readLog(insertAt(to, part));
        expect(chain).toEqual(end);
        expect(reasons.filter((reason) => reason !== null)).toHaveLength(1);
      }
    }
  });

  test("acceptBatch() takes nothing behind a batch that is missing", async () => {
    const { chain, reasons } = await readLog(parts.toSpliced(1, 1));
    expect(chain).toEqual(afterFirst);
    expect(reasons).toEqual([null, "seq is 5, expected 2", "seq is 6, expected 2"]);
  });
});
