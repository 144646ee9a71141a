import { describe, expect, test } from "bun:test";
import {
  kindOf,
  parseFileSettings,
  SETTING_KEYS,
  type SettingsIssue,
} from "../../../../src/fleet/settings/model.ts";

const issuesOf = (value: unknown): readonly SettingsIssue[] => {
  const parsed = parseFileSettings(value);
  return parsed.ok ? [] : parsed.error;
};

describe("parseFileSettings()", () => {
  test.each([null, undefined, {}])("parseFileSettings() takes %j for a file without settings", (value) => {
    expect(parseFileSettings(value)).toEqual({ ok: true, value: {} });
  });

  test("parseFileSettings() takes every setting there is", () => {
    const settings = {
      server: "code1",
      remote: "/srv/fleet.git",
      interval: "2m",
      auto_reply: { enabled: false, per_thread: 0, per_peer: 1, per_host: 100_000 },
    };
    expect(parseFileSettings(settings)).toEqual({ ok: true, value: { ...settings, interval: 120_000 } });
  });

  test.each<[string | number, number]>([
    ["500ms", 500],
    ["30", 30_000],
    [30, 30_000],
    [0.5, 500],
    ["2h", 7_200_000],
  ])("parseFileSettings() reads the interval %j as %d ms", (interval, ms) => {
    expect(parseFileSettings({ interval })).toEqual({ ok: true, value: { interval: ms } });
  });

  test.each([-1, "soon", "", "-5s", Number.NaN, Number.POSITIVE_INFINITY, true, { s: 1 }, null])(
    "parseFileSettings() refuses the interval %j",
    (interval) => {
      expect(issuesOf({ interval }).map((issue) => issue.path)).toEqual([["interval"]]);
    },
  );

  test("parseFileSettings() says in the duration's own words what is wrong with it", () => {
    expect(issuesOf({ interval: "soon" })[0]?.message).toStartWith('Cannot read duration "soon"');
  });

  test.each([-1, 1.5, 100_001, "3", Number.NaN, null])(
    "parseFileSettings() refuses the budget %j",
    (per_host) => {
      const [issue] = issuesOf({ auto_reply: { per_host } });
      expect(issue?.path).toEqual(["auto_reply", "per_host"]);
      expect(issue?.isUnknownKey).toBe(false);
    },
  );

  test("parseFileSettings() tells an unknown key from a wrong value, with its place", () => {
    expect(issuesOf({ intervall: 10, server: 7, auto_reply: { per_tread: 1 } })).toEqual([
      expect.objectContaining({ path: ["server"], isUnknownKey: false }),
      expect.objectContaining({ path: ["auto_reply", "per_tread"], isUnknownKey: true }),
      expect.objectContaining({ path: ["intervall"], isUnknownKey: true }),
    ]);
  });

  test.each(["constructor", "toString", "__proto__", "hasOwnProperty"])(
    "parseFileSettings() refuses the key %s, which every object inherits",
    (key) => {
      const value = Object.fromEntries([[key, 1]]);
      expect(issuesOf(value)).toEqual([expect.objectContaining({ path: [key], isUnknownKey: true })]);
    },
  );

  test.each(["text", 7, true])("parseFileSettings() refuses %p, which is no table", (value) => {
    expect(issuesOf(value).map((issue) => issue.isUnknownKey)).toEqual([false]);
  });

  test("parseFileSettings() refuses a list, which is no table", () => {
    expect(issuesOf(["server"])).toHaveLength(1);
  });
});

describe("labels", () => {
  test.each([
    [{ constructor: "x" }, true],
    [{ role: "db", "a/b.c_d-e": "" }, true],
    [{ "": "x" }, false],
    [{ "\u001b": "x" }, false],
    [{ role: 5 }, false],
    [["role"], false],
  ])("parseFileSettings() judges the labels %j", (labels, isGood) => {
    expect(parseFileSettings({ labels }).ok).toBe(isGood);
  });

  test("parseFileSettings() keeps labels that every object inherits, and refuses the one that none may have", () => {
    const parsed = parseFileSettings({ labels: JSON.parse('{"constructor":"x"}') });
    expect(parsed).toEqual({ ok: true, value: { labels: { constructor: "x" } } });
    const path = ["labels", "__proto__"];
    expect(issuesOf({ labels: JSON.parse('{"__proto__":"x"}') })).toEqual([
      expect.objectContaining({ path }),
    ]);
  });
});

test("parseFileSettings() refuses labels that no card could hold", () => {
  const labels = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`l${n}`, "x".repeat(150)]));
  expect(issuesOf({ labels })).toEqual([expect.objectContaining({ path: ["labels"] })]);
});

describe("booleans", () => {
  test.each([
    [true, true],
    ["on", true],
    ["yes", true],
    ["off", false],
    ["no", false],
    ["false", false],
  ])("parseFileSettings() takes enabled: %j for %p", (enabled, expected) => {
    expect(parseFileSettings({ auto_reply: { enabled } })).toEqual({
      ok: true,
      value: { auto_reply: { enabled: expected } },
    });
  });

  test.each(["maybe", 1, null])("parseFileSettings() refuses enabled: %j", (enabled) => {
    expect(issuesOf({ auto_reply: { enabled } })[0]?.message).toBe("need true or false");
  });
});

describe("kindOf()", () => {
  test.each([
    ["interval", "duration"],
    ["breaker.open_for", "duration"],
    ["log.total", "size"],
    ["auto_reply.enabled", "boolean"],
    ["breaker.failures", "other"],
    ["groups", "other"],
    ["toString", "other"],
    ["breaker.constructor", "other"],
  ] as const)("kindOf(%j) is %s", (key, kind) => {
    expect(kindOf(key)).toBe(kind);
  });
});

describe("SETTING_KEYS", () => {
  test("SETTING_KEYS lists exactly what the parser knows", () => {
    const unknown = SETTING_KEYS.filter((key) => {
      const [outer = "", inner] = key.split(".");
      if (outer === "rules") return false;
      const value = inner === undefined ? { [outer]: undefined } : { [outer]: { [inner]: undefined } };
      return issuesOf(value).some((issue) => issue.isUnknownKey);
    });
    expect(unknown).toEqual([]);
    expect(issuesOf({ auto_replies: {} })[0]?.isUnknownKey).toBe(true);
  });
});
