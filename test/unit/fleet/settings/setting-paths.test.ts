import { describe, expect, test } from "bun:test";
import { parseFileSettings, SETTING_KEYS } from "../../../../src/fleet/settings/model.ts";
import {
  isSection,
  layerSettings,
  place,
  SETTING_PATHS,
  valueAt,
  variableOf,
} from "../../../../src/fleet/settings/setting-paths.ts";

describe("SETTING_PATHS", () => {
  test("SETTING_PATHS are the keys of the schema that have a value of their own", () => {
    // Keys below the entries of a list or of the operator's own tables have no default, and no variable of their own.
    const leaves = SETTING_KEYS.filter((key) => !(isSection(key) || /^(?:rules|services)\./.test(key)));
    expect(SETTING_PATHS.map((path) => path.join(".")).toSorted()).toEqual(leaves.toSorted());
  });

  test("no two settings share a variable", () => {
    expect(new Set(SETTING_PATHS.map(variableOf)).size).toBe(SETTING_PATHS.length);
  });
});

describe("isSection()", () => {
  test.each([
    ["breaker", true],
    ["labels", false],
    ["groups", false],
    ["interval", false],
    ["toString", false],
    ["__proto__", false],
  ])("isSection(%j) is %p", (key, expected) => {
    expect(isSection(key)).toBe(expected);
  });
});

describe("variableOf()", () => {
  test("variableOf() is the path in capitals behind the prefix", () => {
    expect(variableOf(["breaker", "open_for"])).toBe("FLEETD_BREAKER_OPEN_FOR");
  });
});

describe("valueAt()", () => {
  test("valueAt() answers what stands there, and undefined where nothing does", () => {
    const settings = { interval: 5, breaker: { failures: 2 } };
    expect(valueAt(settings, ["interval"])).toBe(5);
    expect(valueAt(settings, ["breaker", "failures"])).toBe(2);
    expect(valueAt(settings, ["breaker", "open_for"])).toBeUndefined();
    expect(valueAt(settings, ["retry", "first"])).toBeUndefined();
  });

  test("valueAt() sees nothing that every object inherits", () => {
    expect(valueAt({}, ["constructor"])).toBeUndefined();
    expect(valueAt({ breaker: {} }, ["breaker", "toString"])).toBeUndefined();
  });
});

describe("layerSettings()", () => {
  test("layerSettings() takes each key from the first source that has it", () => {
    const layered = layerSettings([
      { breaker: { failures: 1 } },
      { interval: 2, breaker: { failures: 9, successes: 3 } },
      { interval: 7, server: "code1" },
    ]);
    expect(layered).toEqual({ server: "code1", interval: 2, breaker: { failures: 1, successes: 3 } });
  });

  test("layerSettings() takes lists and labels whole", () => {
    const layered = layerSettings([
      { groups: [], labels: { a: "1" } },
      { groups: ["db"], labels: { b: "2" } },
    ]);
    expect(layered).toEqual({ groups: [], labels: { a: "1" } });
  });

  test("layerSettings() changes no source", () => {
    const source = parseFileSettings({ breaker: { failures: 1 } });
    layerSettings([{ breaker: { successes: 5 } }, source.ok ? source.value : {}]);
    expect(source).toEqual({ ok: true, value: { breaker: { failures: 1 } } });
  });
});

describe("place()", () => {
  test("place() keeps what stands beside it", () => {
    const into: Record<string, unknown> = {};
    place(into, ["retry", "first"], 1);
    place(into, ["retry", "longest"], 2);
    place(into, ["interval"], 3);
    expect(into).toEqual({ retry: { first: 1, longest: 2 }, interval: 3 });
  });
});
