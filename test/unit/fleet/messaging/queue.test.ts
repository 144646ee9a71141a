import { beforeEach, describe, expect, test } from "bun:test";
import type { EntryDraft } from "../../../../src/fleet/messaging/build-batch.ts";
import { enqueue } from "../../../../src/fleet/messaging/outbox.ts";
import { listQueue, queueSummary } from "../../../../src/fleet/messaging/queue.ts";
import { DEFAULT_SETTINGS } from "../../../../src/fleet/settings/defaults.ts";
import { memoryState } from "../../../helpers/memory-database.ts";

const RULES = DEFAULT_SETTINGS;

let state = memoryState();
beforeEach(() => {
  state = memoryState();
});

const AT = "2026-01-01T00:00:00.000Z";
const message = (id: string, more: { expires_at?: string } = {}): EntryDraft => ({
  id,
  at: AT,
  body: { type: "message", to: ["code2"], subject: `about ${id}`, body: "hello", ...more },
});
const receipt = (id: string): EntryDraft => ({
  id,
  at: AT,
  body: { type: "receipt", message: "m", message_from: "code2", state: "read" },
});

describe("queueSummary()", () => {
  test("says nothing of an empty queue", () => {
    expect(queueSummary(state)).toEqual({
      waiting: 0,
      refused: 0,
      dead: 0,
      expired: 0,
      receipts: 0,
      oldestWallMs: null,
      reason: "",
      failedWallMs: null,
    });
  });

  test("counts messages by what becomes of them, receipts apart", () => {
    for (const id of ["a", "b", "c", "d"]) enqueue(state, message(id), 100);
    enqueue(state, receipt("r"), 50);
    state.run("UPDATE outbox SET refused = 1, reason = 'no', failed_wall_ms = 7 WHERE id IN ('b', 'c')");
    state.run("UPDATE outbox SET state = 'dead' WHERE id = 'c'");
    state.run("UPDATE outbox SET state = 'expired' WHERE id = 'd'");
    expect(queueSummary(state)).toEqual({
      waiting: 2,
      refused: 1,
      dead: 1,
      expired: 1,
      receipts: 1,
      oldestWallMs: 100,
      reason: "no",
      failedWallMs: 7,
    });
  });
});

describe("listQueue()", () => {
  test("shows what waits in order, with whom it is to and until when it is tried", () => {
    enqueue(state, message("a"), 100);
    enqueue(state, receipt("r"), 200);
    expect(listQueue(state, RULES)).toEqual([
      {
        id: "a",
        type: "message",
        to: ["code2"],
        subject: "about a",
        state: "queued",
        createdWallMs: 100,
        expiresWallMs: 100 + RULES.queue.expires,
        unreachable: 0,
        refused: 0,
        reason: "",
        failedWallMs: null,
      },
      expect.objectContaining({ id: "r", to: ["code2"], subject: "read receipt", expiresWallMs: null }),
    ]);
  });

  test("shows one entry alone when asked for it", () => {
    for (const id of ["a", "b"]) enqueue(state, message(id), 100);
    expect(listQueue(state, RULES, "b").map((item) => item.id)).toEqual(["b"]);
  });
});
