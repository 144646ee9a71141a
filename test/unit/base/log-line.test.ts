import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { toUtf8 } from "../../../src/base/bytes.ts";
import {
  formatLogLine,
  isAtLeast,
  LOG_LINE_BYTES_MAX,
  type LogRecord,
  parseLogLevel,
  parseLogLine,
  withoutCredentials,
} from "../../../src/base/log-line.ts";

const record = (changes: Partial<LogRecord> = {}): LogRecord => ({
  timestamp: "2026-07-24T13:33:20.123Z",
  level: "INFO",
  message: "ready",
  server: "code1",
  metadata: {},
  ...changes,
});

describe("formatLogLine()", () => {
  test("is one JSON object with the five fields in their order", () => {
    expect(formatLogLine(record({ metadata: { pid: 12 } }))).toBe(
      '{"timestamp":"2026-07-24T13:33:20.123Z","level":"INFO","message":"ready","server":"code1","metadata":{"pid":12}}',
    );
  });

  test("is one line of printable characters whatever somebody wrote, and parses back exactly", () => {
    const hostile = 'a\n{"level":"CRITICAL"}\u001b]52;c;x\u0007\u009b31m\u202e\u007f\u2028end';
    const line = formatLogLine(record({ message: hostile, metadata: { [hostile]: hostile } }));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they must not be there
    expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e\u2028]/);
    expect(parseLogLine(line)).toEqual(record({ message: hostile, metadata: { [hostile]: hostile } }));
  });

  test("has a bound whatever is in it, and says that it was cut", () => {
    for (const long of ["x", "\u202e", "ü", "😀", '"', "\ud800"]) {
      const line = formatLogLine(
        record({
          message: long.repeat(50_000),
          metadata: { detail: long.repeat(50_000), list: Array.from({ length: 9000 }, () => long) },
        }),
      );
      expect(toUtf8(line).length).toBeLessThanOrEqual(LOG_LINE_BYTES_MAX);
      expect(parseLogLine(line)?.metadata).toMatchObject({ cut: true });
    }
  });

  test("keeps any record that fits exactly, and never passes the bound", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }),
        fc.dictionary(fc.string(), fc.jsonValue()),
        (message, metadata) => {
          fc.pre(!JSON.stringify({ message, metadata }).includes("://"));
          const line = formatLogLine(record({ message, metadata }));
          expect(toUtf8(line).length).toBeLessThanOrEqual(LOG_LINE_BYTES_MAX);
          expect(line).not.toContain("\n");
          expect(parseLogLine(line)).toEqual(JSON.parse(JSON.stringify(record({ message, metadata }))));
        },
      ),
    );
  });

  test("says nothing of a password in a URL, in the message and in the metadata", () => {
    const text =
      "cannot reach https://bob:hunter2@host/x.git and ssh://git:hunter2@host/x and https://hunter2@host/";
    const line = formatLogLine(record({ message: text, metadata: { deep: { list: [text] } } }));
    expect(line).not.toContain("hunter2");
    expect(line).toContain("ssh://git:***@host/x");
  });
});

test.each([
  ["https://host/a@b", "https://host/a@b"],
  ["http://u:p@x:p2@host/", "http://***@host/"],
  ["ssh://git@host/x", "ssh://git@host/x"],
  ["mail me at a@b.c: now", "mail me at a@b.c: now"],
  ["HTTPS://tok@host", "HTTPS://***@host"],
])("withoutCredentials() of %s", (text, shown) => {
  expect(withoutCredentials(text)).toBe(shown);
});

test.each([
  [""],
  ["{"],
  ["null"],
  ["[]"],
  ["{}"],
  ['{"timestamp":"yesterday","level":"INFO","message":"","server":"","metadata":{}}'],
  ['{"timestamp":"2026-07-24T13:33:20.123Z","level":"info","message":"","server":"","metadata":{}}'],
  ['{"timestamp":"2026-07-24T13:33:20.123Z","level":"INFO","message":1,"server":"","metadata":{}}'],
])("parseLogLine() answers null for %s", (line) => {
  expect(parseLogLine(line)).toBeNull();
});

test("parseLogLevel() reads a level in any case and nothing else", () => {
  expect(parseLogLevel("warning")).toBe("WARNING");
  expect(parseLogLevel("Error")).toBe("ERROR");
  expect(parseLogLevel("toString")).toBeNull();
});

test("isAtLeast() goes by urgency", () => {
  expect(isAtLeast("ERROR", "WARNING")).toBe(true);
  expect(isAtLeast("WARNING", "WARNING")).toBe(true);
  expect(isAtLeast("INFO", "WARNING")).toBe(false);
});
