import { expect, test } from "bun:test";
import { parsePort } from "../../../src/base/port-number.ts";

test.each([
  ["1", 1],
  ["80", 80],
  ["0080", 80],
  ["65535", 65_535],
])("parsePort() takes %p", (text, port) => {
  expect(parsePort(text)).toEqual({ ok: true, value: port });
});

test.each([
  "",
  "0",
  "00",
  "65536",
  "99999",
  "100000",
  "-1",
  "+80",
  "8080.5",
  "80a",
  " 80",
  "0x50",
  "1e3",
  "http",
  "８０",
])("parsePort() refuses %p", (text) => {
  expect(parsePort(text)).toMatchObject({ ok: false, error: expect.stringContaining("from 1 to 65535") });
});
