import { expect, test } from "bun:test";
import { LOG_LEVELS, type LogRecord } from "../../../../src/base/log-line.ts";
import { paintOf, renderLogRecord } from "../../../../src/cli/output/log-view.ts";
import { createStyle } from "../../../../src/cli/output/style.ts";

const plain = createStyle(() => false);
const record = (changes: Partial<LogRecord>): LogRecord => ({
  timestamp: "2026-07-24T12:03:11.123Z",
  level: "WARNING",
  message: "message",
  server: "code1",
  metadata: {},
  ...changes,
});

test("renderLogRecord() is time, level, message and facts on one line", () => {
  const metadata = { key: "value", number: 3, list: ["a"], words: "two words", equal: "a=b" };
  expect(String(renderLogRecord(record({ metadata }), plain))).toBe(
    '12:03:11 WARNING message  key=value number=3 list=["a"] words="two words" equal="a=b"',
  );
  expect(String(renderLogRecord(record({ level: "INFO" }), plain))).toBe("12:03:11 INFO    message");
});

test("renderLogRecord() shows what is hidden, in message, names and values", () => {
  const hostile = "\u001b[2Jx\u202e\n";
  const line = String(renderLogRecord(record({ message: hostile, metadata: { [hostile]: hostile } }), plain));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they must not be there
  expect(line).not.toMatch(/[\u0000-\u001f\u202e]/);
});

test("renderLogRecord() cuts long values", () => {
  const line = String(renderLogRecord(record({ metadata: { detail: "x".repeat(5000) } }), plain));
  expect(line.length).toBeLessThan(200);
  expect(line).toEndWith("…");
});

test("paintOf() has a colour for every level, and red for what failed", () => {
  const style = createStyle(() => true);
  const painted = LOG_LEVELS.map((level) => String(paintOf(level, style)("x")));
  expect(new Set(painted).size).toBe(4);
  expect(painted.at(-1)).toBe(String(style.red("x")));
});
