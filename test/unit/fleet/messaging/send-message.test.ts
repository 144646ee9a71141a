import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { toUtf8 } from "../../../../src/base/bytes.ts";
import type { Clock } from "../../../../src/base/ports/clock.ts";
import { encodeLine, parseLine } from "../../../../src/fleet/messaging/entry-line.ts";
import type { Entry, MessageBody, MessageEntry } from "../../../../src/fleet/messaging/model.ts";
import {
  draftMessage,
  replyRequest,
  type SendRequest,
} from "../../../../src/fleet/messaging/send-message.ts";
import { systemCryptography as cryptography } from "../../../../src/platform/cryptography.ts";
import { idOf, messageBody, NOW, NOW_MS } from "../../../helpers/batch-tools.ts";

const clock: Clock = {
  wallMs: () => NOW_MS,
  monotonicMs: () => 0,
  sleep: () => Promise.resolve(),
};
const from = { server: "code1", clock, cryptography };
const request: SendRequest = { to: ["code2"], subject: "Status", body: "How are you?" };

const draft = (changes: Partial<SendRequest> = {}) => draftMessage({ ...request, ...changes }, from);
const errorOf = (changes: Partial<SendRequest>): string | null => {
  const drafted = draft(changes);
  return drafted.ok ? null : drafted.error;
};
const bodyOf = (changes: Partial<SendRequest>): MessageBody | null => {
  const drafted = draft(changes);
  return drafted.ok ? (drafted.value.body as MessageBody) : null;
};
const idOfDraft = (changes: Partial<SendRequest>, server = "code1"): string => {
  const drafted = draftMessage({ ...request, ...changes }, { ...from, server });
  return drafted.ok ? drafted.value.id : drafted.error;
};
/** How a reader takes a drafted message. */
const readBack = (changes: Partial<SendRequest>): string => {
  const drafted = draft(changes);
  if (!drafted.ok) return drafted.error;
  const { id, at, body } = drafted.value;
  const line = encodeLine({ v: 1, id, seq: 2, prev: null, from: "code1", at, ...body } as Entry);
  return parseLine(line.subarray(0, -1)).status;
};

describe("draftMessage()", () => {
  test("draftMessage() makes a UUIDv7 of the clock's instant and writes no default", () => {
    const drafted = draft({ kind: "info", priority: "normal", ackRequired: false });
    expect(drafted).toEqual({
      ok: true,
      value: {
        id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
        at: NOW,
        body: { type: "message", to: ["code2"], subject: "Status", body: "How are you?" },
      },
    });
  });

  test("draftMessage() takes the id that the sender chose, and no other kind of id", () => {
    const id = cryptography.uuidV7(NOW_MS);
    expect(idOfDraft({ id })).toBe(id);
    expect(errorOf({ id: "mine" })).toBe('Cannot send as "mine": need a UUIDv7');
  });

  test("draftMessage() writes everything that was asked for", () => {
    const asked = { a: "b" };
    expect(
      bodyOf({
        kind: "request",
        priority: "critical",
        thread: "t.1",
        inReplyTo: idOf(3),
        ackRequired: true,
        expiresInMs: 60_000,
        labels: asked,
        idempotencyKey: "k",
      }),
    ).toEqual({
      type: "message",
      to: ["code2"],
      subject: "Status",
      body: "How are you?",
      kind: "request",
      priority: "critical",
      thread: "t.1",
      in_reply_to: idOf(3),
      ack_required: true,
      expires_at: "2026-07-24T13:34:20.000Z",
      labels: asked,
      idempotency_key: "k",
    });
  });

  test("draftMessage() never drafts what a reader refuses", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary", maxLength: 300 }),
      fc.constantFrom("", "a", "\uD83D", "a\nb"),
    );
    const anyRequest = fc.record(
      {
        to: fc.array(fc.constantFrom("code2", "all", "@web", "nul", "A", ""), { maxLength: 3 }),
        subject: text,
        body: text,
        kind: fc.constantFrom("info", "request", "heartbeat", ""),
        priority: fc.constantFrom("low", "urgent", "constructor"),
        thread: fc.oneof(text, fc.constantFrom("t", "t\n", "x".repeat(129))),
        inReplyTo: fc.oneof(text, fc.constant(idOf(1))),
        ackRequired: fc.boolean(),
        expiresInMs: fc.oneof(fc.nat(), fc.maxSafeNat()),
        labels: fc.dictionary(fc.oneof(text, fc.constantFrom("a", "__proto__", "constructor")), text),
        idempotencyKey: text,
      },
      { requiredKeys: ["to", "subject", "body"] },
    );
    fc.assert(
      fc.property(anyRequest, (changes) => {
        if (draft(changes).ok) expect(readBack(changes)).toBe("entry");
      }),
      { numRuns: 300 },
    );
  });

  test.each<[string, Partial<SendRequest>]>([
    ["1,000 recipients", { to: Array.from({ length: 1000 }, (_, index) => `s${index}`) }],
    ["a subject of 200 characters", { subject: "x".repeat(200) }],
    ["no subject", { subject: "" }],
    ["a body of 256 KiB", { body: "é".repeat(131_072) }],
    ["a body of control characters", { body: "\u0001".repeat(262_144) }],
    ["a body of half characters", { body: "\uD83D".repeat(87_381) }],
    [
      "64 labels of 200 characters",
      { labels: Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`l${i}`, "x".repeat(200)])) },
    ],
    ["a label called constructor", { labels: { constructor: "x" } }],
    ["an expiry at the end of the year 9999", { expiresInMs: 253_402_300_799_999 - NOW_MS }],
  ])("draftMessage() drafts %s, and a reader takes it", (_, changes) => {
    expect(readBack(changes)).toBe("entry");
  });

  test.each<[string, Partial<SendRequest>, string]>([
    ["nobody", { to: [] }, "Cannot send: no recipient given, need at least one"],
    ["1,001 recipients", { to: Array(1001).fill("code2") }, "Cannot send to 1001 recipients, at most 1000"],
    [
      "a wrong recipient",
      { to: ["code2", "--to"] },
      'Cannot address "--to": need a server id, "all" or "@group"',
    ],
    ["a long subject", { subject: "x".repeat(201) }, "Cannot send a subject of 201 characters, at most 200"],
    ["a subject of two lines", { subject: "a\rb" }, "Cannot send a subject of several lines: need one line"],
    ["no body", { body: "" }, "Cannot send an empty message: need a body"],
    [
      "a long body",
      { body: "€".repeat(87_382) },
      "Cannot send a body of 262146 bytes, at most 262144 (256 KiB)",
    ],
    ["an unknown kind", { kind: "heartbeat" }, 'Cannot send kind "heartbeat"'],
    ["an inherited kind", { kind: "constructor" }, 'Cannot send kind "constructor"'],
    ["an unknown priority", { priority: "urgent" }, 'Cannot send with priority "urgent"'],
    ["a wrong thread", { thread: "../x" }, 'Cannot refer to "../x"'],
    ["a wrong reference", { inReplyTo: "" }, 'Cannot refer to ""'],
    [
      "a wrong label",
      { labels: { "a b": "" } },
      'Cannot label a message with "a b": need letters, digits, . _ / -',
    ],
    [
      "a label __proto__",
      { labels: Object.fromEntries([["__proto__", "x"]]) },
      'Cannot label a message with "__proto__": need letters, digits, . _ / -',
    ],
    [
      "65 labels",
      { labels: Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`l${index}`, ""])) },
      "Cannot send 65 labels, at most 64",
    ],
    ["a long label", { labels: { a: "x".repeat(201) } }, "Cannot send a label or key of over 200 characters"],
    ["a long key", { idempotencyKey: "x".repeat(201) }, "Cannot send a label or key of over 200 characters"],
    ["an empty key", { idempotencyKey: "" }, "Cannot send with an empty idempotency key: need a text"],
    [
      "an endless expiry",
      { expiresInMs: Number.MAX_SAFE_INTEGER },
      "Cannot send what expires after the year 9999",
    ],
  ])("draftMessage() refuses %s", (_, changes, error) => {
    expect(errorOf(changes)).toBe(error);
  });

  test("draftMessage() gives two messages two ids", () => {
    expect(idOfDraft({})).not.toBe(idOfDraft({}));
  });

  test("draftMessage() gives one key one id, whatever else changed", () => {
    const id = idOfDraft({ idempotencyKey: "deploy-7" });
    expect(idOfDraft({ idempotencyKey: "deploy-7", body: "again", to: ["all"] })).toBe(id);
    expect(idOfDraft({ idempotencyKey: "deploy-8" })).not.toBe(id);
  });

  test("draftMessage() keeps equal keys of two servers apart", () => {
    expect(idOfDraft({ idempotencyKey: "k" }, "code2")).not.toBe(idOfDraft({ idempotencyKey: "k" }));
  });
});

describe("replyRequest()", () => {
  const message = (changes: Partial<MessageEntry> = {}): MessageEntry => ({
    ...{ v: 1, id: idOf(9), seq: 2, prev: null, from: "code2", at: NOW },
    ...messageBody({ to: ["all", "code1"] }),
    ...changes,
  });

  test("replyRequest() answers the sender alone, in the conversation of the message", () => {
    expect(replyRequest(message(), "Fine")).toEqual({
      to: ["code2"],
      body: "Fine",
      subject: "Re: Status",
      kind: "response",
      thread: idOf(9),
      inReplyTo: idOf(9),
    });
    expect(replyRequest(message({ thread: "t" }), "Fine").thread).toBe("t");
  });

  test.each([
    ["Re: Status", "Re: Status"],
    ["RE:re: Re:  Status", "Re: Status"],
    ["Report: Status", "Re: Report: Status"],
    ["", "Re: "],
  ])("replyRequest() makes of the subject %j one Re:", (subject, expected) => {
    expect(replyRequest(message({ subject }), "Fine").subject).toBe(expected);
  });

  test("replyRequest() can be sent whatever the message's subject", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (subject) => {
        expect(draftMessage(replyRequest(message({ subject: `${subject}\r\n😀` }), "Fine"), from).ok).toBe(
          true,
        );
      }),
    );
  });

  test("replyRequest() cuts a long subject between characters", () => {
    const { subject } = replyRequest(message({ subject: `x${"😀".repeat(99)}` }), "Fine");
    expect(subject.length).toBe(199);
    expect(subject.isWellFormed()).toBe(true);
  });

  test("replyRequest() takes the text as it is", () => {
    expect(toUtf8(replyRequest(message(), "a\u0000b").body).length).toBe(3);
  });
});
