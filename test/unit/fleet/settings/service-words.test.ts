import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import {
  between,
  freeTable,
  isAbsolutePath,
  isTable,
  isUnknownKey,
  oneOrMore,
  shortForm,
  toPath,
} from "../../../../src/fleet/settings/service-words.ts";

const table = freeTable({
  need: "need a table",
  entriesMax: 2,
  keyProblem: (key) => (key === "bad" ? "bad key" : null),
  value: v.strictObject({ port: between(1, 9) }),
});

describe("freeTable()", () => {
  test("freeTable() reads every key, also one that every object inherits", () => {
    const given = { constructor: { port: 1 }, toString: { port: 2 } };
    expect(v.parse(table, given)).toEqual(given as never);
  });

  test.each([
    [[], "need a table"],
    ["x", "need a table"],
    [{ bad: { port: 1 } }, "bad key"],
    [{ a: { port: 1 }, b: { port: 1 }, c: { port: 1 } }, "need at most 2 entries"],
    [{ a: { port: 10 } }, "need a whole number, 1 to 9"],
    [JSON.parse('{"__proto__": {"port": 1}}'), "this name is reserved"],
  ])("freeTable() refuses %j", (given, message) => {
    const parsed = v.safeParse(table, given);
    expect(parsed.issues?.map((issue) => issue.message)).toContain(message);
  });

  test("freeTable() says where in an entry something is wrong, and which key is unknown", () => {
    const { issues = [] } = v.safeParse(table, { a: { port: 1, prt: 2 } });
    expect(issues.map((issue) => issue.path?.map(({ key }) => key))).toEqual([["a", "prt"]]);
    expect(issues.map(isUnknownKey)).toEqual([true]);
  });
});

test("oneOrMore() makes a list of one", () => {
  expect(v.parse(oneOrMore(v.string(), 2), "a")).toEqual(["a"]);
  expect(v.safeParse(oneOrMore(v.string(), 2), ["a", "b", "c"]).success).toBe(false);
  expect(v.safeParse(oneOrMore(v.string(), 2), []).success).toBe(false);
});

test("shortForm() expands before it looks", () => {
  const schema = shortForm(
    (value) => (value === true ? { on: 1 } : value),
    v.strictObject({ on: v.number() }),
  );
  expect(v.parse(schema, true)).toEqual({ on: 1 });
  expect(v.safeParse(schema, false).success).toBe(false);
});

test("toPath() of nothing is no path", () => {
  expect(toPath([])).toBeUndefined();
  expect(toPath(["a", "b"])?.map((item) => item.key)).toEqual(["a", "b"]);
});

test("isAbsolutePath() knows both kinds of systems", () => {
  expect(["/a", "C:\\a", "c:/a", "a", "./a", "C:a", ""].map(isAbsolutePath)).toEqual([
    true,
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
});

test("isTable() is no list", () => {
  expect([isTable({}), isTable([]), isTable(null)]).toEqual([true, false, false]);
});
