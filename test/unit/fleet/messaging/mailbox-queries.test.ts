import { beforeEach, describe, expect, test } from "bun:test";
import { toUtf8 } from "../../../../src/base/bytes.ts";
import {
  countUnread,
  countUnreadOf,
  findById,
  findReply,
  hasLabels,
  type InboxFilter,
  lastPosition,
  listInbox,
  listNewest,
  listSent,
  listThread,
  marksOf,
  nextInbox,
  recipientsOf,
  shortId,
} from "../../../../src/fleet/messaging/mailbox-queries.ts";
import { insertLines } from "../../../../src/fleet/messaging/message-index.ts";
import type { Entry } from "../../../../src/fleet/messaging/model.ts";
import { memoryIndex, memoryState } from "../../../helpers/memory-database.ts";

let state = memoryState();
let index = memoryIndex(state);
let seq = 0;
beforeEach(() => {
  state = memoryState();
  index = memoryIndex(state);
  seq = 0;
});

/** Indexes a message of code2 to code1 at the next instant. */
function add(id: string, more: Record<string, unknown> = {}, history = false): void {
  seq += 1;
  const base = { v: 1, id, seq, prev: null, from: "code2", at: "2026-01-01T00:00:00.000Z", type: "message" };
  const entry = { ...base, to: ["code1"], subject: "", body: id, ...more } as unknown as Entry;
  const parsed = { status: "entry", entry } as const;
  const mark = history ? { epoch: "e", seq } : { epoch: "", seq: 0 };
  const reader = { server: "code1", groups: [], history: mark, nowWallMs: seq * 10 };
  insertLines(
    index,
    entry.from,
    [{ seq, epoch: "e", hash: "h", text: toUtf8(JSON.stringify(entry)), parsed }],
    reader,
  );
}
const read = (id: string, from = "code2"): unknown =>
  state.run("INSERT INTO marks(message_from, message_id, read_wall_ms) VALUES(?, ?, 7)", from, id);
const inbox = (filter: Partial<InboxFilter> = {}): string[] =>
  listInbox(index, { limit: 100, ...filter }).map((one) => one.message.id);

describe("an empty index", () => {
  test("answers every question", () => {
    expect(inbox()).toEqual([]);
    expect(nextInbox(index, { limit: 1 })).toBeNull();
    expect(countUnread(index)).toBe(0);
    expect(lastPosition(index)).toBe(0);
    expect(listSent(index, "code1", { limit: 9 })).toEqual([]);
    expect(findById(index, "a")).toEqual([]);
    expect(listThread(index, "a")).toEqual([]);
    expect(findReply(index, "a", "code1")).toBeNull();
    expect(marksOf(index, { from: "code2", id: "a" })).toEqual({ readWallMs: null, ackedWallMs: null });
  });
});

describe("listNewest()", () => {
  test("takes the newest that fit, in the order in which they came, urgent or not", () => {
    add("one");
    add("two", { priority: "critical" });
    add("three");
    add("other", { from: "code3" });
    const ids = (filter: Partial<InboxFilter>) =>
      listNewest(index, { limit: 2, ...filter }).map((one) => one.message.id);
    expect(ids({})).toEqual(["three", "other"]);
    expect(ids({ from: "code2" })).toEqual(["two", "three"]);
  });
});

describe("listInbox()", () => {
  test("shows urgent unread ones first, the most urgent on top, then the newest", () => {
    add("old");
    add("critical", { priority: "critical" });
    add("high", { priority: "high" });
    add("high-too", { priority: "high" });
    add("low", { priority: "low" });
    add("new");
    expect(inbox()).toEqual(["critical", "high-too", "high", "new", "low", "old"]);
  });

  test("lets an urgent one fall back to its time once it is read", () => {
    add("critical", { priority: "critical" });
    add("new");
    read("critical");
    expect(inbox()).toEqual(["new", "critical"]);
  });

  test("does not push history to the top, however urgent it was", () => {
    add("critical", { priority: "critical" }, true);
    add("new");
    expect(inbox()).toEqual(["new", "critical"]);
  });

  test("holds messages to this server alone", () => {
    add("mine");
    add("others", { to: ["code3"] });
    add("own", { from: "code1", to: ["all"] });
    add("receipt", { type: "receipt", message: "m", message_from: "code1", state: "read" });
    expect(inbox()).toEqual(["mine"]);
  });

  test("filters by everything at once and alone, and ends at the limit", () => {
    add("a");
    add("b", { kind: "request", thread: "t" });
    add("c", { from: "code3", kind: "request" });
    read("a");
    expect(inbox({ unread: true })).toEqual(["c", "b"]);
    expect(inbox({ from: "code3" })).toEqual(["c"]);
    expect(inbox({ kind: "request" })).toEqual(["c", "b"]);
    expect(inbox({ thread: "t" })).toEqual(["b"]);
    expect(inbox({ sinceWallMs: 20 })).toEqual(["c", "b"]);
    expect(inbox({ afterPosition: 2 })).toEqual(["c"]);
    expect(inbox({ unread: true, kind: "request", from: "code2" })).toEqual(["b"]);
    expect(inbox({ from: "nobody" })).toEqual([]);
    expect(inbox({ limit: 1 })).toEqual(["c"]);
    expect(inbox({ limit: 0 })).toEqual([]);
  });

  test("takes hostile words as words", () => {
    add("a");
    expect(inbox({ from: "code2' OR 1=1 --" })).toEqual([]);
  });

  test("tells what was done with each", () => {
    add("a");
    read("a");
    expect(listInbox(index, { limit: 1 })[0]).toMatchObject({ readWallMs: 7, ackedWallMs: null });
    expect(marksOf(index, { from: "code2", id: "a" })).toEqual({ readWallMs: 7, ackedWallMs: null });
  });
});

test("nextInbox() goes through messages in the order of their arrival, whatever their priority", () => {
  add("a");
  add("b", { priority: "critical" });
  add("c");
  const order: string[] = [];
  for (let at = nextInbox(index, { limit: 1 }); at !== null; ) {
    order.push(at.message.id);
    at = nextInbox(index, { limit: 1, afterPosition: at.position });
  }
  expect(order).toEqual(["a", "b", "c"]);
  expect(lastPosition(index)).toBe(3);
});

test("countUnread() counts neither what is read nor history, and marks of another writer's same id do not count", () => {
  add("a");
  add("b");
  add("c", {}, true);
  expect(countUnread(index)).toBe(2);
  read("a", "code3");
  expect(countUnread(index)).toBe(2);
  read("a");
  expect(countUnread(index)).toBe(1);
});

test("countUnreadOf() counts those of one server up to a position", () => {
  add("a");
  add("b", { from: "code3" });
  add("c");
  add("d", {}, true);
  expect([2, 9].map((upTo) => countUnreadOf(index, "code2", upTo))).toEqual([1, 2]);
  read("a");
  expect(countUnreadOf(index, "code2", 9)).toBe(1);
});

describe("findById()", () => {
  const FIRST = "0198aaaa-0000-7000-8000-000011112222";
  const SECOND = "0198aaaa-0000-7000-8000-000033332222";
  beforeEach(() => {
    add(FIRST);
    add(SECOND, { from: "code3" });
  });
  const ids = (part: string): string[] => findById(index, part).map((one) => one.message.id);

  test.each([
    ["a whole id", FIRST, [FIRST]],
    ["a beginning", "0198aaaa-0000-7000-8000-00001", [FIRST]],
    ["an end", "11112222", [FIRST]],
    ["a short id", shortId(SECOND), [SECOND]],
    ["a beginning of two", "0198", [FIRST, SECOND]],
    ["an end of two", "2222", [FIRST, SECOND]],
    ["what is only in the middle", "aaaa-0000", []],
    ["what is nowhere", "zzz", []],
    ["a pattern", "%", []],
  ])("finds by %s", (_, part, found) => {
    expect(ids(part)).toEqual(found);
  });

  test("never answers more than two", () => {
    add("0198bbbb");
    expect(ids("0198")).toHaveLength(2);
  });

  test("prefers a beginning over an end", () => {
    add("2222-starts-so");
    expect(ids("2222")).toEqual(["2222-starts-so"]);
  });

  test("finds messages alone", () => {
    add("aaaa-receipt", { type: "receipt", message: "m", message_from: "code1", state: "read" });
    expect(ids("aaaa-")).toEqual([]);
  });
});

test("listThread() holds both sides in the order of arrival, with the first message by its own id", () => {
  add("start");
  add("answer", { from: "code1", to: ["code2"], thread: "start" });
  add("elsewhere");
  add("again", { thread: "start" });
  expect(listThread(index, "start").map((one) => one.message.id)).toEqual(["start", "answer", "again"]);
});

test("listSent() is newest first and holds one server's messages alone", () => {
  add("a", { from: "code1" });
  add("b");
  add("c", { from: "code1" });
  expect(listSent(index, "code1", { limit: 9 }).map((one) => one.message.id)).toEqual(["c", "a"]);
  expect(listSent(index, "code1", { limit: 1 }).map((one) => one.message.id)).toEqual(["c"]);
});

test("findReply() finds the first answer to me by somebody else", () => {
  add("own", { from: "code1", in_reply_to: "q" });
  add("to-others", { to: ["code3"], in_reply_to: "q" });
  add("first", { in_reply_to: "q" });
  add("second", { in_reply_to: "q" });
  expect(findReply(index, "q", "code1")?.message.id).toBe("first");
});

test.each([
  [["all"], "all"],
  [["a", "b"], "a, b"],
  [["a", "b", "c"], "a and 2 more"],
])("recipientsOf() makes %j short", (to, short) => {
  expect(recipientsOf({ to })).toBe(short);
});

describe("labels", () => {
  const db = { name: "role", value: "db" };
  const any = { name: "role", value: null };

  test("listInbox() asks for every label, with its value or whatever it is", () => {
    add("a", { labels: { role: "db", site: "x" } });
    add("b", { labels: { role: "web" } });
    add("c");
    expect(inbox({ labels: [db] })).toEqual(["a"]);
    expect(inbox({ labels: [any] })).toEqual(["b", "a"]);
    expect(inbox({ labels: [any, { name: "site", value: "x" }] })).toEqual(["a"]);
    expect(inbox({ labels: [{ name: "toString", value: null }] })).toEqual([]);
  });

  test("hasLabels() judges as the index does", () => {
    expect(hasLabels({ labels: { role: "db" } }, [db])).toBe(true);
    expect(hasLabels({ labels: { role: "web" } }, [db])).toBe(false);
    expect(hasLabels({ labels: { role: "web" } }, [any])).toBe(true);
    expect(hasLabels({}, [any])).toBe(false);
    expect(hasLabels({ labels: {} }, [{ name: "constructor", value: null }])).toBe(false);
    expect(hasLabels({}, [])).toBe(true);
  });
});

test("listSent() filters by recipient, kind, date and label", () => {
  const from = { from: "code1", to: ["code2", "@db"] };
  add("a", { ...from, kind: "warning", at: "2026-01-01T00:00:00.000Z", labels: { x: "1" } });
  add("b", { ...from, to: ["code3"], at: "2026-02-01T00:00:00.000Z" });
  const sent = (filter: object): string[] =>
    listSent(index, "code1", { limit: 9, ...filter }).map((one) => one.message.id);
  expect(sent({ to: "@db" })).toEqual(["a"]);
  expect(sent({ kind: "warning" })).toEqual(["a"]);
  expect(sent({ kind: "info" })).toEqual(["b"]);
  expect(sent({ sinceWallMs: Date.parse("2026-01-15T00:00:00.000Z") })).toEqual(["b"]);
  expect(sent({ labels: [{ name: "x", value: "1" }] })).toEqual(["a"]);
});
