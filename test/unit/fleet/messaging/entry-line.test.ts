import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { concatBytes, fromUtf8, toUtf8 } from "../../../../src/base/bytes.ts";
import {
  encodeLine,
  isUsualMessage,
  type ParsedLine,
  parseEntry,
  parseLine,
} from "../../../../src/fleet/messaging/entry-line.ts";
import {
  type Entry,
  LIMITS,
  MESSAGE_KINDS,
  PRIORITIES,
  RECEIPT_STATES,
} from "../../../../src/fleet/messaging/model.ts";
import { EPOCH, FLEET, idOf, keyBody, keyFromSeed, messageBody, NOW } from "../../../helpers/batch-tools.ts";

const key = await keyFromSeed((index) => index);
const PREV = `sha256:${"a".repeat(64)}`;
const envelope = { v: 1, id: idOf(1), seq: 2, prev: PREV, from: "code1", at: NOW };
const message: Entry = { ...envelope, ...messageBody() };
const receipt: Entry = {
  ...envelope,
  type: "receipt",
  message: idOf(7),
  message_from: "code2",
  state: "handled",
  exit_code: -1,
};
const keyEntry: Entry = { ...envelope, ...keyBody(key), seq: 1, prev: null };
const compacted: Entry = {
  ...envelope,
  type: "compacted",
  hash: PREV,
  count: 3,
  keys: [keyEntry],
  receipts: [receipt],
};

const parseText = (text: string): ParsedLine => parseLine(toUtf8(text));
/** `message` with other fields; a field of `undefined` is left out. */
const parseWith = (changes: Record<string, unknown>): ParsedLine =>
  parseText(JSON.stringify({ ...message, ...changes }));
const reasonOf = (parsed: ParsedLine): string => (parsed.status === "entry" ? "taken" : parsed.reason);
const placeOf = (parsed: ParsedLine): unknown => (parsed.status === "entry" ? "taken" : parsed.place);

/** Any UTF-16 text, halves of surrogate pairs included. */
const anyText = (unitsMax: number): fc.Arbitrary<string> =>
  fc
    .array(
      fc.oneof(
        fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
        fc.constantFrom(
          "\uD83D",
          "\uDE00",
          "😀",
          "\u0000",
          "\n",
          '"',
          "\\",
          "\u2028",
          "__proto__",
          "é",
          "e\u0301",
        ),
      ),
      { maxLength: Math.floor(unitsMax / 9) },
    )
    .map((parts) => parts.join(""));
const hex = (length: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: length, maxLength: length });
const word = (characters: string, lengthMax: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...characters), minLength: 1, maxLength: lengthMax });
const instant = fc
  .date({ noInvalidDate: true, min: new Date("1970-01-01"), max: new Date("9999-12-31") })
  .map((date) => date.toISOString());
const labelName = fc.oneof(
  word("abzAZ09._/-", 63).filter((name) => name !== "__proto__"),
  fc.constantFrom("constructor", "prototype", "toString"),
);
const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined });
const anyMessage: fc.Arbitrary<Entry> = fc.record({
  v: fc.constant(1),
  id: fc.uuid({ version: [7, 8] }),
  seq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  prev: fc.option(hex(64).map((digits) => `sha256:${digits}`)),
  type: fc.constant("message" as const),
  from: word("abz09", 63).filter((id) => id !== "all"),
  at: instant,
  to: fc.array(fc.constantFrom("code1", "code-2", "all", "@build", "constructor"), {
    minLength: 1,
    maxLength: 4,
  }),
  subject: anyText(LIMITS.subjectCharactersMax),
  body: anyText(2000),
  kind: optional(fc.constantFrom(...MESSAGE_KINDS)),
  priority: optional(fc.constantFrom(...PRIORITIES)),
  thread: optional(word("aZ0._:-", 128)),
  in_reply_to: optional(word("aZ0._:-", 128)),
  ack_required: optional(fc.boolean()),
  expires_at: optional(instant),
  auto: optional(fc.boolean()),
  hops: optional(fc.nat(1000)),
  labels: optional(fc.dictionary(labelName, anyText(200), { maxKeys: 64, noNullPrototype: true })),
  attachments: optional(
    fc.array(fc.record({ name: word("aé .-", 255), size: fc.maxSafeNat(), sha256: hex(64) }), {
      maxLength: 3,
    }),
  ),
  idempotency_key: optional(anyText(200)),
});

describe("encodeLine() and parseLine()", () => {
  test("encodeLine() and parseLine() round-trip every message, halves of characters included", () => {
    fc.assert(
      fc.property(anyMessage, (entry) => {
        const line = encodeLine(entry);
        expect(parseLine(line.subarray(0, -1))).toEqual({ status: "entry", entry });
      }),
    );
  });

  test.each<[string, Entry]>([
    ["key", keyEntry],
    ["message", message],
    ["receipt", receipt],
    ["compacted", compacted],
  ])("encodeLine() and parseLine() round-trip a %s entry", (_, entry) => {
    expect(parseLine(encodeLine(entry).subarray(0, -1))).toEqual({ status: "entry", entry });
  });
});

describe("encodeLine()", () => {
  test("encodeLine() writes exactly one line feed, at the end, whatever the text", () => {
    fc.assert(
      fc.property(anyMessage, (entry) => {
        const line = encodeLine(entry);
        expect(line.indexOf(0x0a)).toBe(line.length - 1);
      }),
    );
  });

  test("encodeLine() writes valid UTF-8 for half a character, as an escape", () => {
    const text = fromUtf8(encodeLine({ ...message, ...messageBody({ body: "half \uD83D" }) }));
    expect(text).toContain('"body":"half \\ud83d"');
  });

  test("encodeLine() keeps the order of the fields, which decides the bytes", () => {
    const text = fromUtf8(
      encodeLine({ v: 1, id: idOf(1), seq: 1, prev: null, ...keyBody(key), from: "code1", at: NOW }),
    );
    expect(text).toStartWith(`{"v":1,"id":"${idOf(1)}","seq":1,"prev":null,"type":"key","fleet":"${FLEET}",`);
  });
});

describe("parseLine()", () => {
  test("parseLine() never throws, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(parseLine(bytes).status).toBe("invalid");
      }),
    );
  });

  test("parseLine() never throws, whatever value stands in whatever field", () => {
    const fields = fc.constantFrom(
      ...Object.keys({ ...compacted, ...receipt, ...keyEntry, ...message }),
      "x",
    );
    fc.assert(
      fc.property(
        fc.constantFrom(message, receipt, keyEntry, compacted),
        fields,
        fc.jsonValue({ maxDepth: 3 }),
        (entry, field, value) => {
          const parsed = parseText(JSON.stringify({ ...entry, [field]: value }));
          expect(["entry", "invalid", "parked"]).toContain(parsed.status);
        },
      ),
    );
  });

  test("parseLine() never throws on a line with any one byte changed", () => {
    const line = encodeLine(compacted).subarray(0, -1);
    fc.assert(
      fc.property(fc.nat(line.length - 1), fc.nat(255), (index, byte) => {
        const changed = line.slice();
        changed[index] = byte;
        expect(["entry", "invalid", "parked"]).toContain(parseLine(changed).status);
      }),
      { numRuns: 300 },
    );
  });

  test.each(["", "null", "[]", "1", '"text"', "true", "{}", '[{"v":1}]'])(
    "parseLine() refuses %j, which is no entry",
    (text) => {
      expect(parseText(text).status).toBe("invalid");
    },
  );

  test("parseLine() keeps fields that it does not know, whatever they are called", () => {
    const parsed = parseWith({ constructor: { a: 1 }, prototype: 2, later: [3] });
    expect(parsed).toEqual({
      status: "entry",
      entry: { ...message, constructor: { a: 1 }, prototype: 2, later: [3] } as Entry,
    });
  });

  test("parseLine() refuses a line over 2 MiB before it decodes it", () => {
    const line = new Uint8Array(LIMITS.lineBytesMax + 1).fill(0xff);
    expect(reasonOf(parseLine(line))).toBe("line over 2 MiB");
    expect(reasonOf(parseLine(line.subarray(1)))).toBe("not UTF-8");
  });

  test("parseLine() takes a line of exactly 2 MiB", () => {
    const { length } = encodeLine({ ...message, pad: "" } as Entry);
    expect(parseWith({ pad: "x".repeat(LIMITS.lineBytesMax - length + 1) }).status).toBe("entry");
  });

  test("parseLine() says which field is wrong first", () => {
    expect(reasonOf(parseWith({ seq: 0 }))).toStartWith("seq: ");
    expect(reasonOf(parseWith({ attachments: [{ name: "a", size: -1, sha256: "" }] }))).toStartWith(
      "attachments.0.size: ",
    );
  });

  test("parseLine() never repeats more than a few words of a stranger's text as the reason", () => {
    expect(reasonOf(parseWith({ seq: "x".repeat(100_000) })).length).toBeLessThan(300);
    expect(reasonOf(parseWith({ type: "y".repeat(100_000) })).length).toBeLessThan(300);
  });

  test.each<[string, unknown[]]>([
    ["v", ["1", null, [1]]],
    ["id", ["", "../../etc/passwd", idOf(1).toUpperCase(), `${idOf(1)}\n`, idOf(1).replace("-7", "-4"), 7]],
    ["seq", [0, -1, 1.5, 2 ** 53, "1", null]],
    ["prev", ["", "a".repeat(64), `sha256:${"A".repeat(64)}`, `sha1:${"a".repeat(40)}`, 0]],
    ["from", ["", "Code1", "all", "nul", "a/b", "-a", "a".repeat(64), "@build", 7]],
    [
      "at",
      ["", "2026-07-24", "2026-07-24T13:33:20Z", "2026-02-30T00:00:00.000Z", "9999-99-99T99:99:99.999Z", 0],
    ],
    ["to", [[], ["code2", "A"], ["@"], ["@a b"], "code2", [["code2"]], Array(1001).fill("code2"), null]],
    ["subject", ["x".repeat(201), null, 7]],
    ["body", ["x".repeat(262_145), "é".repeat(131_073), "€".repeat(87_382), null]],
    ["kind", ["heartbeat", "", null]],
    ["priority", ["urgent", 1]],
    ["thread", ["", "a b", "a\n", "../x", "x".repeat(129), null]],
    ["in_reply_to", ["", "a/b"]],
    ["ack_required", ["true", 1, null]],
    ["expires_at", ["never", "2026-02-30T00:00:00.000Z", null]],
    ["auto", ["yes", 1]],
    ["hops", [-1, 1001, 0.5, "0"]],
    [
      "labels",
      [[], null, "a", { "a b": "" }, { "": "" }, { a: 1 }, { a: "x".repeat(201) }, { constructor: 1 }],
    ],
    ["labels", [Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`l${index}`, ""]))]],
    ["attachments", [[{ name: "a/b", size: 1, sha256: "a".repeat(64) }], [{ name: "..\\x", size: 1 }], {}]],
    ["idempotency_key", ["x".repeat(201), 7]],
  ])("parseLine() refuses a wrong %s", (field, values) => {
    const refused = values.filter((value) => parseWith({ [field]: value }).status === "invalid");
    expect(refused).toEqual(values);
  });

  test.each(["v", "id", "seq", "prev", "type", "from", "at", "to", "subject", "body"])(
    "parseLine() refuses a message without %s",
    (field) => {
      expect(parseWith({ [field]: undefined }).status).toBe("invalid");
    },
  );

  test.each<[string, unknown[]]>([
    ["subject", ["", "x".repeat(200)]],
    ["body", ["", "x".repeat(262_144), "é".repeat(131_072), "€".repeat(87_381)]],
    ["to", [Array(1000).fill("code2")]],
    ["hops", [0, 1000]],
    ["labels", [{}, { constructor: "x", prototype: "" }]],
  ])("parseLine() takes a %s at its limit", (field, values) => {
    const taken = values.filter((value) => parseWith({ [field]: value }).status === "entry");
    expect(taken).toEqual(values);
  });

  test.each<[string, unknown[]]>([
    ["fleet", ["", "one", FLEET.toUpperCase()]],
    ["epoch", ["", EPOCH.slice(1), EPOCH.toUpperCase(), `${EPOCH}0`]],
    ["public_key", ["", keyBody(key).public_key.slice(0, -1), `${keyBody(key).public_key} comment`]],
    ["format", [2, "1", null]],
  ])("parseLine() refuses a key entry with a wrong %s", (field, values) => {
    const refused = values.filter(
      (value) => parseText(JSON.stringify({ ...keyEntry, [field]: value })).status === "invalid",
    );
    expect(refused).toEqual(values);
  });

  test.each(RECEIPT_STATES)("parseLine() takes a receipt of %s without an exit code", (state) => {
    const { exit_code: _, ...rest } = receipt as Entry & { exit_code: number };
    expect(parseText(JSON.stringify({ ...rest, state })).status).toBe("entry");
  });

  test("parseLine() refuses a receipt of what cannot be", () => {
    for (const changes of [
      { state: "seen" },
      { message_from: "all" },
      { message: "../x" },
      { exit_code: 0.5 },
    ]) {
      expect(parseText(JSON.stringify({ ...receipt, ...changes })).status).toBe("invalid");
    }
  });

  test("parseLine() refuses a compacted entry that lost its keys or carries wrong ones", () => {
    for (const changes of [
      { keys: [] },
      { keys: [message] },
      { receipts: [keyEntry] },
      { hash: null },
      { count: -1 },
    ]) {
      expect(parseText(JSON.stringify({ ...compacted, ...changes })).status).toBe("invalid");
    }
  });

  test.each([
    ['{"a":1,"a":1}', "an object has the same key twice"],
    ['{"__proto__":1}', 'a key is "__proto__"'],
    ["[".repeat(100_000), "nested deeper than 32"],
  ])("parseLine() refuses strangers' JSON with a reason (%#)", (text, reason) => {
    expect(reasonOf(parseText(text))).toBe(reason);
  });

  test("parseLine() parks a later version, whatever else has changed in it", () => {
    expect(parseWith({ v: 2 })).toEqual({
      status: "parked",
      reason: "format version 2",
      place: { from: "code1", seq: 2, prev: PREV },
    });
    expect(parseText('{"v":7}')).toEqual({ status: "parked", reason: "format version 7", place: null });
  });

  test("parseLine() parks an unknown type of this version", () => {
    expect(parseWith({ type: "claim" })).toEqual({
      status: "parked",
      reason: 'entry type "claim"',
      place: { from: "code1", seq: 2, prev: PREV },
    });
  });

  test("parseLine() takes a type that is no text for an error, not for the future", () => {
    expect(parseWith({ type: 7 }).status).toBe("invalid");
    expect(parseWith({ type: undefined }).status).toBe("invalid");
  });
});

describe("parseLine() on the place of an unreadable line", () => {
  const PLACE = { from: "code1", seq: 2, prev: PREV };
  // The envelope comes first on the wire, and `assign` keeps a key where it stood.
  const envelope = { v: 1, id: idOf(1), seq: 2, prev: PREV, type: "message", from: "code1", at: NOW };
  const entry: Entry = Object.assign(envelope, messageBody());
  const line = fromUtf8(encodeLine(entry)) ?? "";

  test("parseLine() reads the place of a message with a wrong field", () => {
    expect(placeOf(parseWith({ kind: "heartbeat" }))).toEqual(PLACE);
  });

  test.each([
    ["a key twice", line.replace('"subject":', '"from":"code2","subject":')],
    ["a key __proto__", line.replace('"subject":', '"__proto__":{},"subject":')],
    ["deep nesting", line.replace('"How are you?"', "[".repeat(100_000) + "]".repeat(100_000))],
    ["its end cut off", line.slice(0, -10)],
  ])("parseLine() reads the place of a line with %s", (_, text) => {
    const parsed = parseText(text.trimEnd());
    expect(parsed.status).toBe("invalid");
    expect(placeOf(parsed)).toEqual(PLACE);
  });

  test("parseLine() reads the place of a line that is not UTF-8", () => {
    const bytes = concatBytes([toUtf8(line.slice(0, -4)), new Uint8Array([0xff]), toUtf8('"}')]);
    expect(parseLine(bytes)).toEqual({ status: "invalid", reason: "not UTF-8", place: PLACE });
  });

  test("parseLine() reads the place of a line over 2 MiB, and of the first of a log", () => {
    const long = line.replace(`"${PREV}"`, "null").replace("How", "H".repeat(LIMITS.lineBytesMax));
    expect(placeOf(parseText(long))).toEqual({ from: "code1", seq: 2, prev: null });
  });

  test.each([
    "rubbish",
    '{"v":1}',
    line.replace('"seq":2', '"seq":99999999999999999999'),
    line.replace('"seq":2', '"seq":9999999999999999'),
    line.replace('"from":"code1"', '"from":"../x"'),
    line.replace('"sha256:', '"sha999:'),
  ])("parseLine() says null where a cut line names no place (%#)", (text) => {
    expect(placeOf(parseText(text.trimEnd().slice(0, -1)))).toBeNull();
  });
});

describe("parseEntry()", () => {
  test("parseEntry() takes the entry it is given and says what is wrong otherwise", () => {
    expect(parseEntry(message)).toEqual({ ok: true, value: message });
    expect(parseEntry(null)).toEqual({ ok: false, error: expect.stringContaining("entry: ") });
  });
});

describe("isUsualMessage()", () => {
  /** The same without the short cut: labels are left to the schema. */
  const schemaTakes = (value: object): boolean => parseEntry({ ...value, labels: {} }).ok;
  const RARE = ["expires_at", "labels", "attachments", "idempotency_key"];
  const withoutRare = (entry: object): object =>
    Object.fromEntries(Object.entries(entry).filter(([name]) => !RARE.includes(name)));
  const fields = fc.constantFrom(
    ...["v", "id", "seq", "prev", "type", "from", "at", "to", "subject", "body", "kind", "priority"],
    ...["thread", "in_reply_to", "ack_required", "auto", "hops", "constructor", "unknown"],
  );
  const odd = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom<unknown>(
      ...[0, -0, -1, 1, 1.5, 1e3, 1000, 1001, 2 ** 53, true, false, null, "", "all", "info", "low", "Low"],
      ...["message", "key", "code1", "@code1", "nul", `sha256:${"A".repeat(64)}`, `${idOf(1)}\n`, idOf(1)],
      ...["2026-02-30T00:00:00.000Z", "2026-01-01T24:00:00.000Z", "x".repeat(129), "é".repeat(200)],
      ...["x".repeat(201), "x".repeat(LIMITS.bodyBytesMax), "é".repeat(LIMITS.bodyBytesMax / 2 + 1)],
      ...[[], ["all"], ["code1", 1], ["all", "nul"], Array.from({ length: 1001 }, () => "all"), [[]]],
    ),
  );

  test("isUsualMessage() takes exactly the messages without rare fields that the schema takes", () => {
    fc.assert(
      fc.property(anyMessage, fc.option(fc.tuple(fields, odd)), (entry, change) => {
        const changes = change === null ? {} : { [change[0]]: change[1] };
        const value = { ...withoutRare(entry), ...changes };
        expect(isUsualMessage(value)).toBe(schemaTakes(value));
      }),
      { numRuns: 1000 },
    );
  });

  test("isUsualMessage() asks for every field that a message must have", () => {
    for (const name of ["v", "id", "seq", "prev", "type", "from", "at", "to", "subject", "body"]) {
      expect(isUsualMessage({ ...message, [name]: undefined })).toBe(false);
    }
  });

  test.each(RARE)("isUsualMessage() leaves a message with %s to the schema", (name) => {
    expect(isUsualMessage({ ...message, [name]: null })).toBe(false);
  });

  test.each([[null], [1], ["message"], [[]], [receipt], [keyEntry]])(
    "isUsualMessage() refuses %j",
    (value) => {
      expect(isUsualMessage(value)).toBe(false);
    },
  );
});
