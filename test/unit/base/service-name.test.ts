import { expect, test } from "bun:test";
import { serviceNameProblem } from "../../../src/base/service-name.ts";

test.each(["web", "a", "web-1_x", "0", "constructor", "x".repeat(63)])(
  "serviceNameProblem(%j) finds nothing",
  (name) => {
    expect(serviceNameProblem(name)).toBeNull();
  },
);

test.each([
  "",
  "Web",
  "-a",
  "a.b",
  "a:1",
  "a b",
  "../x",
  "all",
  "con",
  "com1",
  "x".repeat(64),
  "ä",
  "__proto__",
])("serviceNameProblem(%j) finds something", (name) => {
  expect(serviceNameProblem(name)).not.toBeNull();
});
