import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseServiceLine, SERVICE_LINE_BYTES_MAX } from "../../../src/base/service-line.ts";
import {
  type Batch,
  type BatchInput,
  FIRST_STATE,
  type LineState,
  parseState,
  readBatch,
  withoutRest,
} from "../../../src/platform/service-log/read-batch.ts";

const NOW = Date.parse("2026-07-24T13:33:20.123Z");
const input = (text: string | Buffer, over: Partial<BatchInput> = {}): BatchInput => ({
  bytes: Buffer.from(text as string),
  state: FIRST_STATE,
  timestamp: new Date(NOW).toISOString(),
  nowWallMs: NOW,
  linesPerSecond: 0,
  bytesMax: Number.POSITIVE_INFINITY,
  isFresh: false,
  end: "more",
  reachesEnd: true,
  discard: false,
  onLine: undefined,
  ...over,
});
const linesOf = ({ output }: Batch): string[] =>
  output
    .split("\n")
    .slice(0, -1)
    .map((line) => {
      const parsed = parseServiceLine(line);
      return parsed === null ? `?${line}` : `${parsed.level} ${parsed.text}`;
    });
const textsOf = (batch: Batch): string[] => linesOf(batch).map((line) => line.slice(line.indexOf(" ") + 1));

/** What a spool becomes that is read in pieces of these sizes. */
function inPieces(bytes: Buffer, sizes: readonly number[], over: Partial<BatchInput> = {}): string[] {
  const texts: string[] = [];
  let at = 0;
  let size = 0;
  let state: LineState = FIRST_STATE;
  for (let turn = 0; at < bytes.length; turn += 1) {
    size += sizes[turn % sizes.length] ?? 1;
    const isLast = at + size >= bytes.length;
    const piece = bytes.subarray(at, at + size);
    const batch = readBatch(input(piece, { ...over, state, end: isLast ? "last" : "more" }));
    texts.push(...textsOf(batch));
    at += batch.used;
    state = batch.state;
    if (batch.used > 0) size = 0;
  }
  return texts;
}

describe("readBatch()", () => {
  test("makes a line of each line, with its time and level", () => {
    const batch = readBatch(input("ready\nERROR x\n  at y\nnext\n"));
    expect(linesOf(batch)).toEqual(["INFO ready", "ERROR ERROR x", "ERROR   at y", "INFO next"]);
    expect(batch.used).toBe(26);
  });

  test.each([
    ["one\r\ntwo\r\n", ["one", "two"]],
    ["\n\n", ["", ""]],
    ["\r\n", [""]],
    ["a\rb\n", ["a\rb"]],
    ["a\u0000b\n", ["a␀b"]],
    ["\ufeffx\n", ["\ufeffx"]],
    ["ü😀\n", ["ü😀"]],
  ])("of %j", (text, texts) => {
    expect(textsOf(readBatch(input(text)))).toEqual(texts);
  });

  test("replaces what is not UTF-8", () => {
    expect(textsOf(readBatch(input(Buffer.from([0x61, 0xff, 0xfe, 0x62, 10]))))).toEqual(["a��b"]);
  });

  test("goes past zeros at the beginning: a disk that lost something has them there", () => {
    const batch = readBatch(input(Buffer.concat([Buffer.alloc(5_000), Buffer.from("x\n")])));
    expect([textsOf(batch), batch.used]).toEqual([["x"], 5_002]);
  });

  test("leaves the beginning of a line until its end comes, or nothing more will", () => {
    expect(readBatch(input("a\nhalf"))).toMatchObject({ used: 2 });
    const last = readBatch(input("a\nhalf", { end: "last" }));
    expect([textsOf(last), last.used]).toEqual([["a", "half"], 6]);
  });

  test("shows the beginning of a line that waits for too long, and its end as a line of its own", () => {
    const part = readBatch(input("Password: ", { end: "part" }));
    expect(textsOf(part)).toEqual(["Password: "]);
    expect(textsOf(readBatch(input("\nnext\n", { state: part.state })))).toEqual(["next"]);
    expect(textsOf(readBatch(input("wrong\nnext\n", { state: part.state })))).toEqual(["wrong", "next"]);
  });

  test("cuts a line that is too long, marks it, and goes on with the one after it", () => {
    const long = "x".repeat(3 * SERVICE_LINE_BYTES_MAX);
    for (const sizes of [[1_000_000], [SERVICE_LINE_BYTES_MAX], [70_000, 10]]) {
      const texts = inPieces(Buffer.from(`a\n${long}\nb\n`), sizes);
      expect(texts.map((text) => text.slice(0, 3))).toEqual(["a", "xxx", "b"]);
      expect(texts[1]).toEndWith("… (cut at 64 KiB)");
      expect(Buffer.byteLength(texts[1] ?? "")).toBeLessThanOrEqual(SERVICE_LINE_BYTES_MAX);
    }
  });

  test("keeps within 64 KiB what grows because it is not UTF-8, and cuts no character in two", () => {
    for (const bytes of [Buffer.alloc(60_000, 0xff), Buffer.from("😀".repeat(40_000))]) {
      const [text = ""] = inPieces(Buffer.concat([bytes, Buffer.from("\n")]), [1_000_000]);
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(SERVICE_LINE_BYTES_MAX);
      expect(text).toEndWith("… (cut at 64 KiB)");
      if (bytes[0] !== 0xff) expect(text).not.toContain("�");
    }
  });

  test("leaves what does not fit into the file for the next one, but for the first line of a new file", () => {
    const batch = readBatch(input("one\ntwo\nthree\n", { bytesMax: 70 }));
    expect(batch).toMatchObject({ used: 8, isFull: true });
    expect(readBatch(input("one\n", { bytesMax: 3 }))).toMatchObject({ used: 0, isFull: true });
    expect(readBatch(input("one\ntwo\n", { bytesMax: 3, isFresh: true }))).toMatchObject({
      used: 4,
      isFull: true,
    });
  });

  test("makes the same of any bytes, in whatever pieces they are read", () => {
    const chunk = fc.oneof(
      fc.constantFrom("\n", "\r\n", "ERROR x\n", "\t", "half", "ü", "\u0000y"),
      fc.integer({ min: 1, max: 90_000 }).map((length) => "z".repeat(length)),
    );
    fc.assert(
      fc.property(
        fc.array(chunk, { maxLength: 30 }),
        fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1 }),
        (chunks, sizes) => {
          // Zeros count as a hole at the beginning of a piece only, which is a matter of pieces.
          const bytes = Buffer.from(`-${chunks.join("").replaceAll("\n\u0000", "\n")}`);
          const whole = inPieces(bytes, [bytes.length]);
          const sliced = inPieces(bytes, sizes);
          expect(sliced.map((text) => text.slice(0, 100))).toEqual(whole.map((text) => text.slice(0, 100)));
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe("the rate of lines", () => {
  const many = (count: number): string => "x\n".repeat(count);
  const begun: LineState = { ...FIRST_STATE, sinceWallMs: NOW - 1_000 };

  test("keeps so many in a second, drops the rest, and says how many where they are missing", () => {
    const first = readBatch(input(many(25), { linesPerSecond: 10, state: begun }));
    expect(textsOf(first)).toHaveLength(10);
    const soon = readBatch(input(many(5), { linesPerSecond: 10, state: first.state, nowWallMs: NOW + 999 }));
    expect(textsOf(soon)).toEqual([]);
    const later = readBatch(input("y\n", { linesPerSecond: 10, state: soon.state, nowWallMs: NOW + 1_000 }));
    expect(linesOf(later)).toEqual([
      "WARNING fleetd: 20 lines dropped: more than 10 lines in a second",
      "INFO y",
    ]);
  });

  test("says it at the end of a run, too, and where nothing came after", () => {
    const last = readBatch(input(many(12), { linesPerSecond: 10, state: begun, end: "last" }));
    expect(linesOf(last).at(-1)).toStartWith("WARNING fleetd: 2 lines dropped");
    const quiet = readBatch(
      input("", { linesPerSecond: 10, state: { ...begun, dropped: 3 }, nowWallMs: NOW }),
    );
    expect(linesOf(quiet)).toHaveLength(1);
  });

  test("counts a pause of the reader as time in which lines were written, a quiet time of the program not", () => {
    const paused = { ...FIRST_STATE, sinceWallMs: NOW - 10_000 };
    expect(textsOf(readBatch(input(many(100), { linesPerSecond: 10, state: paused })))).toHaveLength(100);
    const quiet = withoutRest(paused, NOW - 250);
    expect(textsOf(readBatch(input(many(100), { linesPerSecond: 10, state: quiet })))).toHaveLength(12);
  });

  test("keeps what a pause allowed for as long as there is something of it to read", () => {
    const paused = { ...FIRST_STATE, sinceWallMs: NOW - 10_000 };
    const first = readBatch(input(many(30), { linesPerSecond: 10, state: paused, reachesEnd: false }));
    const second = readBatch(
      input(many(75), { linesPerSecond: 10, state: first.state, nowWallMs: NOW + 1_000 }),
    );
    expect(second.state.dropped).toBe(0);
    const third = readBatch(
      input(many(20), { linesPerSecond: 10, state: second.state, nowWallMs: NOW + 2_000 }),
    );
    expect(third.state.dropped).toBe(10);
  });

  test("stands a clock that is set back", () => {
    const ahead = { ...FIRST_STATE, sinceWallMs: NOW + 3_600_000 };
    expect(textsOf(readBatch(input(many(20), { linesPerSecond: 10, state: ahead })))).toHaveLength(10);
  });

  test("hides no line from a probe", () => {
    const told: string[] = [];
    readBatch(input("a\nb\nready\n", { linesPerSecond: 1, state: begun, onLine: (line) => told.push(line) }));
    expect(told).toEqual(["a", "b", "ready"]);
  });
});

test("what cannot be written is counted, and said before what comes next", () => {
  const lost = readBatch(input("a\nb\n", { discard: true }));
  expect(lost).toMatchObject({ output: "", used: 4, state: { lost: 2 } });
  const next = readBatch(input("c\n", { state: { ...lost.state, lostBytes: 100 } }));
  expect(linesOf(next)).toEqual([
    "WARNING fleetd: 2 lines and 100 bytes of output dropped: the log could not take them",
    "INFO c",
  ]);
  expect(next.state).toMatchObject({ lost: 0, lostBytes: 0 });
});

test.each([null, 3, "x", {}, { ...FIRST_STATE, level: "LOUD" }, { ...FIRST_STATE, left: "1" }])(
  "parseState() refuses %j",
  (value) => {
    expect(parseState(value)).toBeNull();
  },
);

test("parseState() takes what was written down", () => {
  expect(parseState(JSON.parse(JSON.stringify(FIRST_STATE)))).toEqual(FIRST_STATE);
});
