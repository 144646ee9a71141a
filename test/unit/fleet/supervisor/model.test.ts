import { describe, expect, test } from "bun:test";
import {
  folderOfInstance,
  instanceNames,
  parseInstanceName,
  parseServiceName,
} from "../../../../src/fleet/supervisor/model.ts";

test("instanceNames() numbers them only where there are several", () => {
  expect(instanceNames({ name: "web", instances: 1 })).toEqual(["web"]);
  expect(instanceNames({ name: "web", instances: 3 })).toEqual(["web:1", "web:2", "web:3"]);
});

describe("parseInstanceName()", () => {
  test.each([
    ["web", { service: "web", number: null }],
    ["web:1", { service: "web", number: 1 }],
    ["web:100", { service: "web", number: 100 }],
  ])("parseInstanceName(%j) reads it", (text, value) => {
    expect(parseInstanceName(text)).toEqual({ ok: true, value });
  });

  test.each(["", "web:0", "web:01", "web:101", "web:", ":1", "Web:1", "web:1:2", "all"])(
    "parseInstanceName(%j) refuses it",
    (text) => {
      expect(parseInstanceName(text).ok).toBe(false);
    },
  );
});

test("parseServiceName() says what is wrong", () => {
  expect(parseServiceName("web")).toEqual({ ok: true, value: "web" });
  expect(parseServiceName("all")).toEqual({
    ok: false,
    error: 'Cannot use name "all": the name "all" is reserved',
  });
});

test("folderOfInstance() has no colon, and no two instances share one", () => {
  expect([folderOfInstance("web"), folderOfInstance("web:2")]).toEqual(["web", "web.2"]);
});
