import { beforeEach, describe, expect, test } from "bun:test";
import { toUtf8 } from "../../../../src/base/bytes.ts";
import type { AcceptedLine } from "../../../../src/fleet/messaging/accept-batch.ts";
import { listQuarantine } from "../../../../src/fleet/messaging/index-troubles.ts";
import {
  insertLines,
  listProgress,
  loadProgress,
  MESSAGE_COLUMNS,
  type MessageRow,
  markAllHistory,
  type Reader,
  saveProgress,
  toIndexedMessage,
} from "../../../../src/fleet/messaging/message-index.ts";
import type { Entry, EntryBody } from "../../../../src/fleet/messaging/model.ts";
import { listCards } from "../../../../src/fleet/messaging/stored-cards.ts";
import { memoryIndex, memoryState } from "../../../helpers/memory-database.ts";

const EPOCH = "00000000000000aa";
const READER: Reader = { server: "code1", groups: ["web"], history: { epoch: "", seq: 0 }, nowWallMs: 50 };

let index = memoryIndex(memoryState());
beforeEach(() => {
  index = memoryIndex(memoryState());
});

function line(seq: number, body: EntryBody, from = "code2"): AcceptedLine {
  const entry = {
    v: 1,
    id: `id-${from}-${seq}`,
    seq,
    prev: null,
    from,
    at: "2026-01-01T00:00:00.000Z",
    ...body,
  };
  const text = toUtf8(JSON.stringify(entry));
  return { seq, epoch: EPOCH, hash: `h${seq}`, text, parsed: { status: "entry", entry: entry as Entry } };
}
const message = (to: readonly string[], more: object = {}): EntryBody => ({
  type: "message",
  to,
  subject: "s",
  body: "b",
  ...more,
});
const columns = (names: string) => index.all(`SELECT ${names} FROM entries ORDER BY position`);

describe("insertLines()", () => {
  test("tells what is to me: named, by all, by my group, and never my own", () => {
    const lines = [["code1"], ["all"], ["@web"], ["@db"], ["code3"]].map((to, at) =>
      line(at + 1, message(to)),
    );
    insertLines(index, "code2", lines, READER);
    insertLines(index, "code1", [line(1, message(["all", "code1"]), "code1")], READER);
    expect(columns("to_me, direct").map((row) => [row["to_me"], row["direct"]])).toEqual([
      [1, 1],
      [1, 0],
      [1, 0],
      [0, 0],
      [0, 0],
      [0, 1],
    ]);
  });

  test("fills in what the format leaves out", () => {
    insertLines(index, "code2", [line(1, message(["code1"]))], READER);
    insertLines(
      index,
      "code2",
      [line(2, message(["code1"], { kind: "error", priority: "critical", thread: "t", in_reply_to: "r" }))],
      READER,
    );
    expect(columns("kind, urgency, thread, in_reply_to")).toEqual([
      { kind: "info", urgency: 1, thread: "id-code2-1", in_reply_to: null },
      { kind: "error", urgency: 3, thread: "t", in_reply_to: "r" },
    ]);
  });

  test("calls history what is at or below the reader's mark in the same epoch", () => {
    const lines = [1, 2, 3].map((seq) => line(seq, message(["code1"])));
    insertLines(index, "code2", lines, { ...READER, history: { epoch: EPOCH, seq: 2 } });
    insertLines(index, "code3", lines, { ...READER, history: { epoch: "other", seq: 2 } });
    expect(
      columns("history")
        .map((row) => row["history"])
        .slice(0, 3),
    ).toEqual([1, 1, 0]);
  });

  test("takes a line once", () => {
    const lines = [line(1, message(["code1"]))];
    insertLines(index, "code2", lines, READER);
    insertLines(index, "code2", lines, { ...READER, nowWallMs: 99 });
    expect(columns("received_wall_ms")).toEqual([{ received_wall_ms: 50 }]);
  });

  test("keeps the exact text of a line, and gives the message back", () => {
    insertLines(index, "code2", [line(1, message(["code1"], { subject: "ü \u0007", later: 1 }))], READER);
    const row = index.get<MessageRow>(`SELECT ${MESSAGE_COLUMNS} FROM entries`);
    const found = row === null ? null : toIndexedMessage(row);
    expect(found).toMatchObject({
      position: 1,
      epoch: EPOCH,
      toMe: true,
      history: false,
      receivedWallMs: 50,
    });
    expect(found?.message).toMatchObject({ subject: "ü \u0007", later: 1 });
  });

  test("quarantines a line that cannot be read in its place", () => {
    const bad: AcceptedLine = {
      ...line(2, message(["x"])),
      parsed: { status: "parked", reason: "format version 2", place: null },
    };
    insertLines(index, "code2", [line(1, message(["code1"])), bad, line(3, message(["code1"]))], READER);
    expect(columns("seq").map((row) => row["seq"])).toEqual([1, 3]);
    expect(listQuarantine(index)).toEqual([
      { server: "code2", place: `${EPOCH}:2`, reason: "format version 2", seenWallMs: 50 },
    ]);
  });

  test("stores receipts, also those that a compacted log carries on, each once", () => {
    const body = { type: "receipt", message: "m", message_from: "code1", state: "read" } as const;
    const receipt = line(1, body);
    if (receipt.parsed.status !== "entry") throw new Error("no entry");
    const compacted: EntryBody = {
      type: "compacted",
      hash: "h",
      count: 4,
      keys: [],
      receipts: [receipt.parsed.entry],
    };
    insertLines(index, "code2", [receipt, line(2, compacted)], READER);
    insertLines(index, "code2", [line(3, { ...body, state: "handled", exit_code: 3 })], READER);
    expect(index.all("SELECT server, state, exit_code FROM receipts ORDER BY state")).toEqual([
      { server: "code2", state: "handled", exit_code: 3 },
      { server: "code2", state: "read", exit_code: null },
    ]);
  });
});

describe("progress", () => {
  test("is null and empty for nobody", () => {
    expect(loadProgress(index, "code2")).toBeNull();
    expect(listProgress(index)).toEqual(new Map());
    expect(listCards(index)).toEqual([]);
  });

  test("is the last one saved, by writer", () => {
    const at = (seq: number) => {
      return { epoch: EPOCH, seq, hash: `h${seq}`, tip: `t${seq}`, publicKey: "ssh-ed25519 AAAA" };
    };
    saveProgress(index, "code2", at(1));
    saveProgress(index, "code3", at(9));
    saveProgress(index, "code2", at(2));
    expect(loadProgress(index, "code2")).toEqual(at(2));
    expect(listProgress(index)).toEqual(
      new Map([
        ["code2", at(2)],
        ["code3", at(9)],
      ]),
    );
  });
});

test("markAllHistory() makes everything history", () => {
  insertLines(index, "code2", [line(1, message(["code1"])), line(2, message(["code1"]))], READER);
  markAllHistory(index);
  expect(columns("history")).toEqual([{ history: 1 }, { history: 1 }]);
});
