import { describe, expect, test } from "bun:test";
import {
  detectLevel,
  formatServiceLine,
  isContinuation,
  parseServiceLine,
} from "../../../src/base/service-line.ts";

const NOW = "2026-07-24T13:33:20.123Z";

describe("a line of a service's log", () => {
  test.each(["", " ", "text", "two  spaces ", "error not the level", "\u001b[31mred", "  at x"])(
    "with text %j is read as it was written",
    (text) => {
      const line = formatServiceLine(NOW, "WARNING", text);
      expect(line.startsWith(`${NOW} warning `)).toBe(true);
      expect(parseServiceLine(line)).toEqual({ timestamp: NOW, level: "WARNING", text });
    },
  );

  test("whose last space was taken off has no text", () => {
    expect(parseServiceLine(`${NOW} info`)).toEqual({ timestamp: NOW, level: "INFO", text: "" });
  });

  test.each([
    "",
    "info text",
    NOW,
    `${NOW} loud text`,
    `${NOW.slice(2)} info text`,
    `${NOW}  info text`,
    "2026-02-30T13:33:20.123Z info text",
    '{"timestamp":"2026-07-24T13:33:20.123Z"}',
  ])("is not %j", (line) => {
    expect(parseServiceLine(line)).toBeNull();
  });
});

describe("detectLevel()", () => {
  test.each([
    ["<3>disk on fire", "ERROR"],
    ["<30>a facility, too", "INFO"],
    ["<7>x", "DEBUG"],
    ["<0>x", "CRITICAL"],
    ['{"level":"error","msg":"x"}', "ERROR"],
    ['{"time":1,"severity":"WARNING"}', "WARNING"],
    ['{"level":50,"msg":"pino"}', "ERROR"],
    ['{"level":10,"msg":"pino"}', "DEBUG"],
    ['{"level":60,"msg":"pino"}', "CRITICAL"],
    ['{"level":3,"msg":"as syslog counts"}', "ERROR"],
    ['{"levelname": "CRITICAL"}', "CRITICAL"],
    ["time=2026-07-24T13:33:20Z level=warn msg=x", "WARNING"],
    ["ts=1 lvl=eror msg=x", "ERROR"],
    ["E0724 13:33:20.123456   1 main.go:1] x", "ERROR"],
    ["I0724 13:33:20.123456   1 main.go:1] x", "INFO"],
    ["2026-07-24 13:33:20,123 ERROR root: x", "ERROR"],
    ["2026-07-24 13:33:20 [main] WARN  com.example.Main - x", "WARNING"],
    ["[error] x", "ERROR"],
    ["[Warning] x", "WARNING"],
    ["2026/07/24 13:33:20 [notice] 1#1: x", "INFO"],
    ["npm ERR! code 1", "ERROR"],
    ["error: no such file", "ERROR"],
    ["Warning: deprecated", "WARNING"],
    ["panic: runtime error", "CRITICAL"],
    ["fatal: not a git repository", "CRITICAL"],
    ["TypeError: x is not a function", "ERROR"],
    ["Uncaught java.lang.IllegalStateException: x", "ERROR"],
    ["Traceback (most recent call last):", "ERROR"],
    ["\u001b[31mERROR\u001b[0m x", "ERROR"],
    ["DEBUG x", "DEBUG"],
    ["INFO 0 ERRORS", "INFO"],
  ])("of %j is %s", (text, level) => {
    expect(detectLevel(text)).toBe(level as "INFO");
  });

  test.each([
    "",
    "ready on port 80",
    "no error was found",
    "errors: none",
    "the warning light is on",
    "std::error::new",
    `${"a long way to go ".repeat(6)} ERROR`,
    '{"msg":"an error"}',
    "<html>",
    "terror WARNINGS",
  ])("of %j is unknown", (text) => {
    expect(detectLevel(text)).toBeNull();
  });

  test("looks at the beginning only, so that a long line costs no more than a short one", () => {
    const long = "x".repeat(64 * 1024);
    expect(detectLevel(long)).toBeNull();
    expect(detectLevel(`{${" ".repeat(60_000)}"level":"error"`)).toBeNull();
  });
});

test.each([
  ["    at main (x.ts:1)", true],
  ["\tat com.example.Main", true],
  ["Caused by: x", true],
  ["... 12 more", true],
  ["next", false],
  ["", false],
])("isContinuation() of %j is %p", (text, is) => {
  expect(isContinuation(text)).toBe(is);
});
