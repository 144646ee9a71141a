import { expect, test } from "bun:test";
import { isSecretName, redact } from "../../../src/base/redact.ts";

test.each<[string, unknown, unknown, number]>([
  ["a known secret, wherever it stands", { a: ["x hunter2 y"], hunter2: 1 }, { a: ["x *** y"], "***": 1 }, 2],
  ["the credentials of a URL", { remote: "https://me:pw12@host/x" }, { remote: "https://***@host/x" }, 1],
  ["what bears the name of a secret", { smtp: { password: "geheim" } }, { smtp: { password: "***" } }, 1],
  ["a list of secrets", { tokens: ["a", "b"] }, { tokens: ["***", "***"] }, 2],
  ["nothing in a reference", { password: "env:SMTP_PASSWORD" }, { password: "env:SMTP_PASSWORD" }, 0],
  [
    "nothing in numbers, flags and public keys",
    { n: 1, b: true, z: null, public_key: "ssh" },
    { n: 1, b: true, z: null, public_key: "ssh" },
    0,
  ],
])("redact() takes out %s", (_name, value, expected, count) => {
  expect(redact(value, ["hunter2", "x"])).toEqual({ value: expected, count });
});

test("redact() takes the longer of two secrets first, and none that is too short", () => {
  expect(redact("hunter22 hunter2 abc", ["hunter2", "hunter22", "abc"]).value).toBe("*** *** abc");
});

test.each([
  ["password", true],
  ["SMTP_PASSWORD", true],
  ["api_key", true],
  ["GITHUB_TOKEN", true],
  ["key", true],
  ["public_key", false],
  ["interval", false],
])("isSecretName(%p) is %p", (name, secret) => {
  expect(isSecretName(name)).toBe(secret);
});
