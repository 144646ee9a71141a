import { beforeEach, describe, expect, test } from "bun:test";
import type { EntryDraft } from "../../../../src/fleet/messaging/build-batch.ts";
import { enqueue, hasQueued, untilQueuedDue } from "../../../../src/fleet/messaging/outbox.ts";
import {
  dropEntry,
  expireQueued,
  hasExpired,
  listQueue,
  noteRefused,
  noteUnreachable,
  queueSummary,
  retryEntry,
  suspectsAmong,
} from "../../../../src/fleet/messaging/queue.ts";
import { lookAtWait, PLAUSIBLE_MS } from "../../../../src/fleet/messaging/waiting-clock.ts";
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

describe("the marks of what was tried", () => {
  const itemOf = (id: string) => listQueue(state, RULES, id)[0];
  const refuse = (ids: readonly string[], nowWallMs: number): number =>
    state.transaction(() => noteRefused(state, { ids, reason: "no", nowWallMs }, RULES));

  test("noteUnreachable() counts for all that waits, and keeps since when it fails", () => {
    for (const id of ["a", "b"]) enqueue(state, message(id), 100);
    state.run("UPDATE outbox SET state = 'dead' WHERE id = 'b'");
    for (const at of [200, 300]) state.transaction(() => noteUnreachable(state, `at ${at}`, at));
    expect(itemOf("a")).toMatchObject({ unreachable: 2, reason: "at 300", failedWallMs: 200 });
    expect(itemOf("b")).toMatchObject({ unreachable: 0, reason: "" });
  });

  test("noteRefused() rests longer every time, and the last one is the end", () => {
    enqueue(state, message("a"), 100);
    const rests: (number | null)[] = [];
    for (let count = 1; count < RULES.queue.attempts; count += 1) {
      expect(refuse(["a"], 1000)).toBe(0);
      rests.push(untilQueuedDue(state, 1000));
    }
    const { first, longest } = RULES.retry;
    expect(rests).toEqual([first, first * 2, longest, longest]);
    expect(refuse(["a"], 1000)).toBe(1);
    expect(itemOf("a")).toMatchObject({ state: "dead", refused: 5 });
    expect(untilQueuedDue(state, 1000)).toBeNull();
    expect(refuse(["a"], 2000)).toBe(0);
  });

  test("what rests is not due, unless the clock was set back", () => {
    enqueue(state, message("a"), 100);
    refuse(["a"], 100_000);
    expect(hasQueued(state, "urgent", 100_001)).toBe(false);
    expect(hasQueued(state, "urgent", 100_000 + RULES.retry.first)).toBe(true);
    expect(hasQueued(state, "urgent", 50_000)).toBe(true);
    expect([...suspectsAmong(state, ["a", "b"])]).toEqual(["a"]);
  });

  test("retryEntry() starts anew, and dropEntry() removes; neither touches what may be on the remote", () => {
    for (const id of ["a", "b", "c"]) enqueue(state, message(id), 100);
    state.run(
      "UPDATE outbox SET state = 'dead', refused = 5, reason = 'no', failed_wall_ms = 1 WHERE id = 'a'",
    );
    state.run("UPDATE outbox SET state = 'built' WHERE id = 'c'");
    expect(["a", "c", "none"].map((id) => retryEntry(state, id, 500))).toEqual([true, false, false]);
    expect(itemOf("a")).toMatchObject({ state: "queued", refused: 0, reason: "", failedWallMs: null });
    expect(["b", "c", "none"].map((id) => dropEntry(state, id))).toEqual([true, false, false]);
    expect(listQueue(state, RULES).map((item) => item.id)).toEqual(["a", "c"]);
    expect(state.all("SELECT 1 FROM expected WHERE message_id = 'b'")).toEqual([]);
  });

  test("retryEntry() gives what expired by the rules the time anew, and nothing to what its sender ended", () => {
    enqueue(state, message("a"), 100);
    enqueue(state, message("b", { expires_at: "2026-01-01T00:00:01.000Z" }), 100);
    const nowWallMs = Date.parse("2026-02-01T00:00:00.000Z");
    for (let at = 100; at < 100 + RULES.queue.expires + PLAUSIBLE_MS; at += PLAUSIBLE_MS)
      lookAtWait(state, at);
    lookAtWait(state, nowWallMs);
    expect(hasExpired(state, { state: "queued", nowWallMs }, RULES)).toBe(true);
    expect(state.transaction(() => expireQueued(state, nowWallMs, RULES))).toBe(2);
    expect(["a", "b"].map((id) => retryEntry(state, id, nowWallMs))).toEqual([true, false]);
    expect(hasExpired(state, { state: "queued", nowWallMs }, RULES)).toBe(false);
    expect(itemOf("a")).toMatchObject({ expiresWallMs: nowWallMs + RULES.queue.expires });
  });
});
