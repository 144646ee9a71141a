import { describe, expect, test } from "bun:test";
import { fromUtf8, toUtf8 } from "../../../../src/base/bytes.ts";
import {
  handlerInput,
  handlerText,
  handlerVariables,
} from "../../../../src/fleet/messaging/handler-message.ts";
import { LIMITS, type MessageEntry } from "../../../../src/fleet/messaging/model.ts";
import { idOf, messageBody, NOW } from "../../../helpers/batch-tools.ts";

const message = (changes: Partial<MessageEntry> = {}): MessageEntry => ({
  ...{ v: 1, id: idOf(1), seq: 2, prev: null, from: "code2", at: NOW },
  ...messageBody({ to: ["code1", "all"], subject: "Hello", body: "a\nb" }),
  ...changes,
});
const FACTS = { server: "code1", rule: "deploy", attempt: 2 };

describe("handlerInput()", () => {
  test("handlerInput() is one line of JSON: the entry, its defaults, and the facts of the run", () => {
    const text = fromUtf8(handlerInput(message(), FACTS)) ?? "";
    expect(text.indexOf("\n")).toBe(text.length - 1);
    const facts = { kind: "info", priority: "normal", thread: idOf(1), ...FACTS };
    expect(JSON.parse(text)).toEqual({ ...message(), ...facts });
  });

  test("handlerInput() does not let a message say which server or rule it is for", () => {
    const lying = { ...message(), server: "evil", rule: "other", attempt: 99 } as MessageEntry;
    expect(JSON.parse(fromUtf8(handlerInput(lying, FACTS)) ?? "")).toMatchObject(FACTS);
  });
});

describe("handlerVariables()", () => {
  test("handlerVariables() has constant names and the message's facts", () => {
    expect(handlerVariables(message({ kind: "request", priority: "high", thread: "t" }), FACTS)).toEqual({
      FLEETD_SERVER: "code1",
      FLEETD_RULE: "deploy",
      FLEETD_ATTEMPT: "2",
      FLEETD_MESSAGE_ID: idOf(1),
      FLEETD_FROM: "code2",
      FLEETD_TO: "code1,all",
      FLEETD_KIND: "request",
      FLEETD_PRIORITY: "high",
      FLEETD_THREAD: "t",
      FLEETD_SUBJECT: "Hello",
    });
  });

  test("handlerVariables() lets no NUL, line end or half character through", () => {
    const subject = "a\0b\nPATH=/evil\u001b[31m\ud800c";
    expect(handlerVariables(message({ subject }), FACTS)["FLEETD_SUBJECT"]).toBe("a b PATH=/evil [31m c");
  });
});

describe("handlerText()", () => {
  test("handlerText() is what was written without its last line ends", () => {
    expect(handlerText(toUtf8("done\n\n"), false)).toBe("done");
    expect(handlerText(toUtf8(" \n"), false)).toBe("");
  });

  test("handlerText() makes invalid bytes valid", () => {
    expect(handlerText(new Uint8Array([0x61, 0xff, 0xc3]), false)).toBe("a\ufffd\ufffd");
  });

  test("handlerText() says where it was cut, never in the middle of a character", () => {
    expect(handlerText(toUtf8("äöü").subarray(0, 5), true)).toBe("äö\n[cut here: the handler wrote more]");
  });

  test("handlerText() fits into a message whatever was written", () => {
    for (const bytes of [new Uint8Array(200_000).fill(0xff), toUtf8("€".repeat(100_000))]) {
      const text = handlerText(bytes, false);
      expect(toUtf8(text).length).toBeLessThanOrEqual(LIMITS.bodyBytesMax);
      expect(text).toEndWith("[cut here: the handler wrote more]");
    }
  });
});
