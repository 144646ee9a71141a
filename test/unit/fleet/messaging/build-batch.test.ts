import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { fromUtf8, toUtf8 } from "../../../../src/base/bytes.ts";
import { splitLines } from "../../../../src/fleet/messaging/accept-batch.ts";
import {
  type Batch,
  buildBatch,
  countForBatch,
  type EntryDraft,
  hashLine,
  type LogHead,
  toObjects,
} from "../../../../src/fleet/messaging/build-batch.ts";
import { parseLine } from "../../../../src/fleet/messaging/entry-line.ts";
import { encodeTree, toGitObject } from "../../../../src/fleet/messaging/git-encoding.ts";
import { type EntryBody, LIMITS } from "../../../../src/fleet/messaging/model.ts";
import { verifySsh } from "../../../../src/fleet/messaging/ssh-signature.ts";
import { systemCryptography as cryptography } from "../../../../src/platform/cryptography.ts";
import {
  batchTools,
  draftOf,
  EPOCH,
  emptyHead,
  FLEET,
  idOf,
  keyBody,
  messageBody,
  NOW_MS,
} from "../../../helpers/batch-tools.ts";

const tools = await batchTools();
const genesis = draftOf(1, keyBody(tools.key));
const first = await buildBatch([genesis], emptyHead, NOW_MS, tools);

const contentOf = (batch: Batch, position: number): Uint8Array =>
  batch.objects[position]?.content ?? new Uint8Array(0);
const linesOf = (batch: Batch): string[] => (fromUtf8(contentOf(batch, 0)) ?? "").split("\n").slice(0, -1);
const commitOf = (batch: Batch): string => fromUtf8(contentOf(batch, 3)) ?? "";
const messageOf = (batch: Batch): string => commitOf(batch).split("\n\n").slice(1).join("\n\n");
const committedSeconds = (batch: Batch): number =>
  Number(/^committer .* (\d+) \+0000$/m.exec(commitOf(batch))?.[1]);

const buildOf = (bodies: readonly EntryBody[], head: LogHead = first.head, nowMs = NOW_MS): Promise<Batch> =>
  buildBatch(
    bodies.map((body, index) => draftOf(index + 2, body)),
    head,
    nowMs,
    tools,
  );
const feedOf = async (bodies: readonly EntryBody[]): Promise<string> => messageOf(await buildOf(bodies));

describe("buildBatch()", () => {
  test("buildBatch() makes the same bytes of the same arguments", async () => {
    const bodies = [messageBody(), messageBody({ subject: "Grüße 😀 \uD83D" })];
    expect(await buildOf(bodies)).toEqual(await buildOf(bodies));
  });

  test("buildBatch() keeps its bytes from release to release", () => {
    // Built once and checked with git 2.39 and ssh-keygen: a batch that waits during an upgrade stays what it is.
    expect(first.commitId).toBe("1d92ae516fbba9d4dd4f5aa659f18be5a5817741");
  });

  test("buildBatch() makes two blobs, their tree and a commit of it, in this order", async () => {
    const batch = await buildOf([messageBody()]);
    const [lines, signature, tree, commit] = batch.objects;
    expect(batch.objects.map((object) => object.kind)).toEqual(["blob", "blob", "tree", "commit"]);
    expect(tree?.content).toEqual(
      encodeTree({ "entries.jsonl": lines?.id ?? "", "entries.sig": signature?.id ?? "" }),
    );
    expect(commit?.id).toBe(batch.commitId);
    expect(commitOf(batch)).toStartWith(`tree ${tree?.id}\nparent ${first.commitId}\nauthor code1 <`);
  });

  test.each(["sha1", "sha256"] as const)("buildBatch() names all objects by %s", async (format) => {
    const batch = await buildBatch([genesis], emptyHead, NOW_MS, { ...tools, format });
    for (const object of batch.objects) {
      expect(object.id).toBe(toGitObject(object.kind, object.content, { format, cryptography }).id);
      expect(object.id.length).toBe(format === "sha1" ? 40 : 64);
    }
  });

  test("buildBatch() gives the first commit of a log no parent", () => {
    expect(commitOf(first)).not.toContain("parent");
  });

  test("buildBatch() signs the exact bytes of the lines", async () => {
    const batch = await buildOf([messageBody()]);
    const expected = { namespace: "fleetd-log", publicKey: tools.key.publicKey, cryptography } as const;
    expect(await verifySsh(contentOf(batch, 0), contentOf(batch, 1), expected)).toBe(true);
  });

  test("buildBatch() numbers and chains the lines on from the head", async () => {
    const head = { ...first.head, seq: 41, hash: `sha256:${"b".repeat(64)}` };
    const batch = await buildOf([messageBody(), messageBody(), messageBody()], head);
    const lines = splitLines(contentOf(batch, 0)) ?? [];
    const hashes = lines.map((line) => hashLine(line, cryptography));
    const places = lines.map((line) => {
      const parsed = parseLine(line);
      return parsed.status === "entry" ? [parsed.entry.seq, parsed.entry.prev] : parsed;
    });
    expect(places).toEqual([
      [42, head.hash],
      [43, hashes[0] ?? ""],
      [44, hashes[1] ?? ""],
    ]);
    expect(batch.head).toEqual({
      epoch: EPOCH,
      seq: 44,
      hash: hashes[2] ?? "",
      tip: batch.commitId,
      committedMs: NOW_MS,
    });
    expect(batch.entries).toEqual([
      { id: idOf(2), seq: 42 },
      { id: idOf(3), seq: 43 },
      { id: idOf(4), seq: 44 },
    ]);
  });

  test("buildBatch() starts a log with seq 1 and no prev", () => {
    expect(linesOf(first)[0]).toStartWith(
      `{"v":1,"id":"${idOf(1)}","seq":1,"prev":null,"type":"key","from":"code1",`,
    );
    expect(first.head).toMatchObject({ epoch: EPOCH, seq: 1 });
  });

  test("buildBatch() starts a new epoch at a key entry, chained to the line before it", async () => {
    const epoch = "00000000000000e2";
    const batch = await buildOf([messageBody(), keyBody(tools.key, { epoch }), messageBody()]);
    expect(batch.entries.map((entry) => entry.seq)).toEqual([2, 1, 2]);
    expect(batch.head).toMatchObject({ epoch, seq: 2 });
    const [before, key] = linesOf(batch);
    expect(key).toContain(`"prev":"${hashLine(toUtf8(before ?? ""), cryptography)}"`);
  });

  test("buildBatch() writes a message of several lines as one line", async () => {
    expect(linesOf(await buildOf([messageBody({ body: "a\nb\r\nc\u2028" })]))).toHaveLength(1);
  });

  test("buildBatch() dates the commit by the clock, in whole seconds", async () => {
    const batch = await buildOf([messageBody()], first.head, NOW_MS + 1999);
    expect(committedSeconds(batch)).toBe(Math.floor(NOW_MS / 1000) + 1);
    expect(batch.head.committedMs).toBe(NOW_MS + 1999);
  });

  test("buildBatch() never dates a commit before its parent, whatever the clock does", async () => {
    const jumps = fc.array(fc.integer({ min: -1_000_000_000, max: 1_000_000_000 }), {
      minLength: 1,
      maxLength: 4,
    });
    await fc.assert(
      fc.asyncProperty(jumps, async (offsets) => {
        let { head } = first;
        let parentSeconds = committedSeconds(first);
        for (const offset of offsets) {
          const batch = await buildOf([messageBody()], head, NOW_MS + offset);
          expect(committedSeconds(batch)).toBeGreaterThanOrEqual(parentSeconds);
          parentSeconds = committedSeconds(batch);
          head = batch.head;
        }
      }),
      { numRuns: 20 },
    );
  });

  test("buildBatch() refuses to build nothing, and more than a batch may hold", async () => {
    const small = messageBody({ body: "x", subject: "" });
    await expect(buildOf([])).rejects.toThrow("Broken invariant: batch of 0 lines");
    await expect(buildOf(Array(1001).fill(small))).rejects.toThrow("Broken invariant: batch of 1001 lines");
    const large = messageBody({ body: "x".repeat(1_100_000) });
    await expect(buildOf(Array(4).fill(large))).rejects.toThrow(/^Broken invariant: batch of 44\d+ bytes$/);
    const huge = messageBody({ body: "x".repeat(LIMITS.lineBytesMax) });
    await expect(buildOf([huge])).rejects.toThrow(/^Broken invariant: line of 2097\d+ bytes$/);
  });
});

describe("buildBatch() on its commit message", () => {
  test("buildBatch() tells of one message in one line", async () => {
    expect(await feedOf([messageBody({ to: ["all"], subject: "Status report" })])).toBe(
      "code1 → all: Status report\n",
    );
  });

  test("buildBatch() tells of every kind of entry in words", async () => {
    const bodies: EntryBody[] = [
      messageBody({ to: ["a", "b", "c", "d", "e", "f"], subject: "Hello" }),
      { type: "receipt", message: idOf(1), message_from: "code2", state: "acked" },
      { type: "compacted", hash: first.head.hash, count: 3, keys: [], receipts: [] },
      keyBody(tools.key, { epoch: "00000000000000e2" }),
    ];
    expect(await feedOf(bodies)).toBe(
      [
        "code1: 4 entries",
        "",
        "code1 → a, b, c, d, e, …: Hello",
        "code1 acked a message of code2",
        "code1 compacted 3 entries",
        "code1 joins the fleet",
        "",
      ].join("\n"),
    );
  });

  test("buildBatch() lists 20 entries and counts the rest", async () => {
    const lines = (await feedOf(Array(22).fill(messageBody()))).split("\n");
    expect(lines).toHaveLength(2 + 20 + 1 + 1);
    expect(lines.slice(-2)).toEqual(["and 2 more", ""]);
    expect(await feedOf(Array(20).fill(messageBody()))).not.toContain("more");
  });

  test("buildBatch() never lets a subject end the header, forge a line or reach a terminal raw", async () => {
    const subject = "a\n\nparent 0000\u001B[2J\u0000\u202Eb\uD83D";
    expect(await feedOf([messageBody({ subject })])).toBe(
      "code1 → code2: a␊␊parent 0000␛[2J␀<U+202E>b\uFFFD\n",
    );
  });

  test("buildBatch() never shows a body to whoever may list commits", async () => {
    expect(commitOf(await buildOf([messageBody({ body: "SECRET" })]))).not.toContain("SECRET");
  });
});

describe("countForBatch()", () => {
  const draftsOf = (count: number, body: EntryBody): EntryDraft[] =>
    Array.from({ length: count }, (_, index) => draftOf(index, body));

  test("countForBatch() takes everything that is little", () => {
    expect(countForBatch(draftsOf(7, messageBody()))).toBe(7);
  });

  test("countForBatch() takes 1,000 lines and not one more", () => {
    expect(countForBatch(draftsOf(1000, messageBody()))).toBe(1000);
    expect(countForBatch(draftsOf(1001, messageBody()))).toBe(1000);
  });

  test("countForBatch() takes at least one, so that a queue always gets shorter", () => {
    const large = messageBody({ body: "\u0001".repeat(LIMITS.bodyBytesMax) });
    expect(countForBatch(draftsOf(3, large))).toBe(1);
  });

  test("countForBatch() of nothing is nothing", () => {
    expect(countForBatch([])).toBe(0);
  });

  test("countForBatch() counts from the front and stops before the first that does not fit", () => {
    const large = draftsOf(6, messageBody({ body: "x".repeat(LIMITS.bodyBytesMax) }));
    const counted = countForBatch(large);
    expect(counted).toBeGreaterThan(1);
    expect(counted).toBeLessThan(6);
    expect(countForBatch([...draftsOf(2, messageBody()), ...large])).toBe(counted + 2);
  });

  test("countForBatch() never counts more than a batch of 4 MiB holds, whatever the characters", async () => {
    const body = fc
      .tuple(
        fc.constantFrom("x", "é", "€", "😀", "\uD83D", "\u0001", '"', "\\"),
        fc.integer({ min: 1, max: 87_381 }),
      )
      .map(([character, count]) =>
        messageBody({ body: character.repeat(Math.floor(count / character.length)) }),
      );
    const quick = { ...tools, key: { ...tools.key, sign: () => Promise.resolve(new Uint8Array(64)) } };
    await fc.assert(
      fc.asyncProperty(fc.array(body, { minLength: 1, maxLength: 40 }), async (bodies) => {
        const drafts = bodies.map((one, index) => draftOf(index, one));
        const counted = countForBatch(drafts);
        const batch = await buildBatch(drafts.slice(0, counted), first.head, NOW_MS, quick);
        expect(contentOf(batch, 0).length).toBeLessThanOrEqual(LIMITS.batchBytesMax);
      }),
      { numRuns: 8 },
    );
  });

  test("countForBatch() leaves room for the longest envelope around 1,000 empty messages", async () => {
    const server = "s".repeat(63);
    const drafts = draftsOf(1000, messageBody({ subject: "", body: "" }));
    const head = { ...first.head, seq: Number.MAX_SAFE_INTEGER - 1001 };
    const batch = await buildBatch(drafts, head, NOW_MS, { ...tools, server });
    const longest = Math.max(...(splitLines(contentOf(batch, 0)) ?? []).map((line) => line.length));
    expect(longest - JSON.stringify(drafts[0]?.body).length).toBeLessThan(400);
  });
});

describe("toObjects()", () => {
  test("toObjects() ends with the commit that it names", () => {
    const commit = toObjects({ "meta.json": toUtf8("{}\n") }, { format: "sha1", cryptography }, (tree) => ({
      tree,
      parent: null,
      server: "code1",
      committedMs: NOW_MS,
      message: `fleet ${FLEET}`,
    }));
    expect(commit.all.map((object) => object.kind)).toEqual(["blob", "tree", "commit"]);
    expect(commit.all.at(-1)?.id).toBe(commit.commitId);
  });
});

describe("hashLine()", () => {
  test("hashLine() is the SHA-256 of the bytes, as prev writes it", () => {
    expect(hashLine(toUtf8("abc"), cryptography)).toBe(
      "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
  });
});
