import { describe, expect, test } from "bun:test";
import { formatHostPort, isIpAddress, isIpv6, parseHostPort } from "../../../src/base/host-port.ts";

describe("parseHostPort()", () => {
  test.each([
    ["127.0.0.1:80", "127.0.0.1", 80],
    ["[::1]:65535", "::1", 65_535],
    ["[::ffff:10.0.0.1]:1", "::ffff:10.0.0.1", 1],
    ["db.example:5432", "db.example", 5_432],
  ])("parseHostPort(%j) reads it, and formatHostPort() writes it again", (text, host, port) => {
    expect(parseHostPort(text)).toEqual({ ok: true, value: { host, port } });
    expect(formatHostPort({ host, port })).toBe(text);
  });

  test.each([
    "",
    "80",
    ":80",
    "::1:80",
    "[::1]",
    "[127.0.0.1]:80",
    "a:0",
    "a:65536",
    "a:1e3",
    "a b:1",
    "-a:1",
  ])("parseHostPort(%j) refuses it", (text) => {
    expect(parseHostPort(text).ok).toBe(false);
  });
});

describe("isIpAddress()", () => {
  test.each([
    ["0.0.0.0", true],
    ["127.0.0.2", true],
    ["::", true],
    ["1:2:3:4:5:6:7:8", true],
    ["1:2:3:4:5:6:7::", true],
    ["256.0.0.1", false],
    ["01.2.3.4", false],
    ["1.2.3", false],
    ["localhost", false],
    ["1:2:3:4:5:6:7:8:9", false],
    ["1::2::3", false],
    ["fe80::1%eth0", false],
    ["12345::", false],
  ])("isIpAddress(%j) is %p", (text, expected) => {
    expect(isIpAddress(text)).toBe(expected);
  });

  test("isIpv6() tells one family from the other", () => {
    expect([isIpv6("::1"), isIpv6("127.0.0.1")]).toEqual([true, false]);
  });
});
