import { beforeEach, describe, expect, test } from "bun:test";
import {
  type Batch,
  buildBatch,
  type EntryDraft,
  type LogHead,
} from "../../../../src/fleet/messaging/build-batch.ts";
import {
  countUnconfirmed,
  enqueue,
  forgetBytes,
  hasQueued,
  hasUnpushed,
  loadHead,
  markPushed,
  outboxItem,
  queueDepth,
  queuedDrafts,
  recordBatch,
  unconfirmedDrafts,
  unpushedBatches,
  unstoredBatches,
} from "../../../../src/fleet/messaging/outbox.ts";
import { pinPeer, setForgotten } from "../../../../src/fleet/messaging/peers.ts";
import { ownBatchState } from "../../../../src/fleet/messaging/take-back.ts";
import {
  generatePkcs8,
  importSigningKey,
  systemCryptography,
} from "../../../../src/platform/cryptography.ts";
import { memoryState } from "../../../helpers/memory-database.ts";

const key = await importSigningKey(await generatePkcs8());
const tools = { server: "code1", format: "sha1", cryptography: systemCryptography, key } as const;
const EMPTY: LogHead = { epoch: "00000000000000aa", seq: 0, hash: "", tip: null, committedMs: 0 };
const AT = "2026-01-01T00:00:00.000Z";

let state = memoryState();
beforeEach(() => {
  state = memoryState();
});

const message = (id: string, to: readonly string[] = ["code2"]): EntryDraft => ({
  id,
  at: AT,
  body: { type: "message", to, subject: "s", body: `body of ${id} — ü` },
});
const receipt = (id: string): EntryDraft => ({
  id,
  at: AT,
  body: { type: "receipt", message: "m", message_from: "code2", state: "read" },
});
const expected = (id: string): string[] =>
  state
    .all<{ server: string }>("SELECT server FROM expected WHERE message_id = ? ORDER BY server", id)
    .map((row) => row.server);

/** Queues and records one batch of these ids on the head; the batch. */
async function record(ids: readonly string[], nowMs = 5000): Promise<Batch> {
  const drafts = ids.map((id) => message(id));
  const head = loadHead(state) ?? EMPTY;
  const batch = await buildBatch(drafts, head, nowMs, tools);
  state.transaction(() => {
    for (const draft of drafts) enqueue(state, draft, 1);
    recordBatch(state, batch, head, nowMs);
  });
  return batch;
}

describe("enqueue()", () => {
  test("takes a draft once: the second time it is false and nothing changes", () => {
    expect(enqueue(state, message("a"), 10)).toBe(true);
    const before = state.dump();
    expect(enqueue(state, message("a", ["code9"]), 20)).toBe(false);
    expect(state.dump()).toEqual(before);
  });

  test("keeps drafts as they were given, in order", () => {
    for (const id of ["c", "a", "b"]) enqueue(state, message(id), 10);
    expect(queuedDrafts(state, 10)).toEqual([message("c"), message("a"), message("b")]);
    expect(queuedDrafts(state, 2).map((draft) => draft.id)).toEqual(["c", "a"]);
  });

  test("expects all servers known at this moment of a broadcast, not later ones, not forgotten ones", () => {
    for (const server of ["code2", "code3", "code4"]) pinPeer(state, server, "k", 1);
    setForgotten(state, "code4", 2);
    enqueue(state, message("a", ["all"]), 10);
    pinPeer(state, "code5", "k", 1);
    expect(expected("a")).toEqual(["code2", "code3"]);
  });

  test("expects named servers, known or not, once, and nobody of a group", () => {
    pinPeer(state, "code2", "k", 1);
    enqueue(state, message("a", ["code2", "all", "code7", "@web"]), 10);
    expect(expected("a")).toEqual(["code2", "code7"]);
  });

  test("expects nobody of a receipt", () => {
    enqueue(state, receipt("r"), 10);
    expect(state.all("SELECT * FROM expected")).toEqual([]);
  });
});

describe("what waits", () => {
  test("is nothing in an empty outbox", () => {
    expect(queuedDrafts(state, 10)).toEqual([]);
    expect(unconfirmedDrafts(state)).toEqual([]);
    expect(unpushedBatches(state)).toEqual([]);
    expect(hasUnpushed(state)).toBe(false);
    expect(unstoredBatches(state)).toEqual([]);
    expect(countUnconfirmed(state)).toBe(0);
    expect(queueDepth(state)).toEqual({ count: 0, oldestWallMs: null });
    expect([hasQueued(state, "urgent", 50), hasQueued(state, "receipts", 50)]).toEqual([false, false]);
    expect(loadHead(state)).toBeNull();
    expect(outboxItem(state, "a")).toBeNull();
    expect(ownBatchState(state, "00")).toBe("foreign");
  });

  test("hasQueued() tells receipts, which may wait, from the rest", () => {
    enqueue(state, receipt("r"), 10);
    expect([hasQueued(state, "urgent", 50), hasQueued(state, "receipts", 50)]).toEqual([false, true]);
    enqueue(state, message("a"), 10);
    expect(hasQueued(state, "urgent", 50)).toBe(true);
  });

  test("queueDepth() counts what people wait for, and since when", () => {
    enqueue(state, receipt("r"), 1);
    enqueue(state, message("a"), 20);
    enqueue(state, message("b"), 10);
    expect(queueDepth(state)).toEqual({ count: 2, oldestWallMs: 10 });
    expect(countUnconfirmed(state)).toBe(3);
  });

  test("unconfirmedDrafts() holds queued and built ones with their drafts, and no pushed one", async () => {
    const first = await record(["a"]);
    await record(["b"]);
    enqueue(state, message("c"), 3);
    markPushed(state, first.commitId, 9);
    expect(unconfirmedDrafts(state).map((item) => [item.state, item.draft])).toEqual([
      ["built", message("b")],
      ["queued", message("c")],
    ]);
  });
});

describe("recordBatch()", () => {
  test("moves its entries to built with their place, and the head on", async () => {
    const batch = await record(["a", "b"]);
    expect(loadHead(state)).toEqual(batch.head);
    expect(["a", "b"].map((id) => outboxItem(state, id))).toMatchObject([
      { state: "built", epoch: EMPTY.epoch, seq: 1 },
      { state: "built", epoch: EMPTY.epoch, seq: 2 },
    ]);
    expect(ownBatchState(state, batch.commitId)).toBe("built");
  });

  test("keeps the exact bytes of every object", async () => {
    const batches = [await record(["a"]), await record(["b", "c"])];
    expect(unpushedBatches(state)).toEqual(
      batches.map((batch, index) => ({
        number: index + 1,
        commitId: batch.commitId,
        objects: batch.objects,
      })),
    );
  });

  test("refuses, and changes nothing, when the head is not the one that was built upon", async () => {
    const late = await buildBatch([message("z")], EMPTY, 1, tools);
    await record(["a"]);
    enqueue(state, message("z"), 1);
    const before = state.dump();
    expect(recordBatch(state, late, EMPTY, 6)).toBe(false);
    expect(state.dump()).toEqual(before);
  });

  test("refuses, and changes nothing, when an entry is in an earlier batch already, or was dropped", async () => {
    await record(["a"]);
    const head = loadHead(state) ?? EMPTY;
    enqueue(state, message("b"), 1);
    const before = state.dump();
    for (const ids of [["a"], ["b", "a"], ["gone", "b"]]) {
      const again = await buildBatch(
        ids.map((id) => message(id)),
        head,
        1,
        tools,
      );
      expect(recordBatch(state, again, head, 6)).toBe(false);
    }
    expect(state.dump()).toEqual(before);
  });
});

describe("markPushed()", () => {
  test("confirms the commit and all before it, and none after", async () => {
    const batches = [await record(["a"]), await record(["b"]), await record(["c"])];
    markPushed(state, batches[1]?.commitId ?? "", 77);
    expect(["a", "b", "c"].map((id) => outboxItem(state, id))).toMatchObject([
      { state: "pushed", pushedWallMs: 77 },
      { state: "pushed", pushedWallMs: 77 },
      { state: "built", pushedWallMs: null },
    ]);
    expect(unpushedBatches(state).map((batch) => batch.commitId)).toEqual([batches[2]?.commitId ?? ""]);
    expect(hasUnpushed(state)).toBe(true);
  });

  test("does not change when an entry was confirmed first", async () => {
    const batches = [await record(["a"]), await record(["b"])];
    markPushed(state, batches[0]?.commitId ?? "", 77);
    markPushed(state, batches[1]?.commitId ?? "", 99);
    expect(outboxItem(state, "a")?.pushedWallMs).toBe(77);
  });

  test("leaves what was queued meanwhile queued", async () => {
    const batch = await record(["a"]);
    enqueue(state, message("b"), 2);
    markPushed(state, batch.commitId, 77);
    expect(outboxItem(state, "b")?.state).toBe("queued");
  });

  test("changes nothing for a commit that is none of ours", async () => {
    await record(["a"]);
    const before = state.dump();
    markPushed(state, "ff".repeat(20), 77);
    expect(state.dump()).toEqual(before);
  });
});

describe("forgetBytes()", () => {
  test("drops bytes of confirmed batches alone: the others may be needed again", async () => {
    const batches = [await record(["a"]), await record(["b"])];
    markPushed(state, batches[0]?.commitId ?? "", 77);
    forgetBytes(state, 2);
    expect(unstoredBatches(state).map((batch) => batch.commitId)).toEqual([batches[1]?.commitId ?? ""]);
    expect(unpushedBatches(state)[0]?.objects).toEqual(batches[1]?.objects ?? []);
    expect(ownBatchState(state, batches[0]?.commitId ?? "")).toBe("pushed");
  });

  test("drops nothing above its number", async () => {
    const batches = [await record(["a"]), await record(["b"])];
    markPushed(state, batches[1]?.commitId ?? "", 77);
    forgetBytes(state, 1);
    expect(unstoredBatches(state).map((batch) => batch.number)).toEqual([2]);
  });
});
