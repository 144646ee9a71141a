import { describe, expect, test } from "bun:test";
import { STATUS_RULE } from "../../../../src/fleet/messaging/match-rules.ts";
import { parseFileSettings, SETTING_KEYS, type SettingsIssue } from "../../../../src/fleet/settings/model.ts";
import { RULE_KEYS } from "../../../../src/fleet/settings/rules.ts";

const issuesOf = (rules: unknown): readonly SettingsIssue[] => {
  const parsed = parseFileSettings({ rules });
  return parsed.ok ? [] : parsed.error;
};
const rule = (changes: Record<string, unknown> = {}): Record<string, unknown> => ({
  name: "one",
  reply: "yes",
  ...changes,
});

describe("rulesSchema", () => {
  test("takes every kind of rule, one value where a list may stand, and durations as written", () => {
    const rules = [
      {
        name: "hello",
        match: { kind: "request", from: ["build*", "code1"], subject: "hi" },
        reply: "{server}",
      },
      { name: "live", match: { to: ["direct", "group"], priority: "high" }, status: true },
      { name: "seen", match: { labels: ["team=packaging", "urgent"], text: ["deploy done"] }, ack: true },
      { name: "deploy", run: ["/opt/deploy", "--fast"], timeout: "5m", on_crash: "retry", attempts: 2 },
      { name: "rest", ignore: true },
    ];
    const parsed = parseFileSettings({ rules });
    expect(parsed.ok ? parsed.value.rules : parsed.error).toEqual([
      {
        name: "hello",
        match: { kind: ["request"], from: ["build*", "code1"], subject: ["hi"] },
        reply: "{server}",
      },
      { name: "live", match: { to: ["direct", "group"], priority: ["high"] }, status: true },
      { name: "seen", match: { labels: ["team=packaging", "urgent"], text: ["deploy done"] }, ack: true },
      {
        name: "deploy",
        match: {},
        run: ["/opt/deploy", "--fast"],
        timeout: 300_000,
        on_crash: "retry",
        attempts: 2,
      },
      { name: "rest", match: {}, ignore: true },
    ]);
  });

  test.each<[string, Record<string, unknown>, readonly string[]]>([
    ["without a name", { name: undefined }, ["rules", "0", "name"]],
    ["with a name that is none", { name: "No" }, ["rules", "0", "name"]],
    ["with the name of the built-in rule", { name: STATUS_RULE }, ["rules", "0", "name"]],
    ["with two actions", { ack: true }, ["rules", "0"]],
    ["without an action", { reply: undefined }, ["rules", "0"]],
    ["with an action that is switched off", { reply: undefined, ack: false }, ["rules", "0", "ack"]],
    ["with a timeout and nothing to run", { timeout: 5 }, ["rules", "0"]],
    ["with a kind that does not exist", { match: { kind: "reqest" } }, ["rules", "0", "match", "kind", "0"]],
    ["with a sender that is no pattern", { match: { from: ["a b"] } }, ["rules", "0", "match", "from", "0"]],
    ["with no words", { match: { body: [] } }, ["rules", "0", "match", "body"]],
    ["with a label that is none", { match: { labels: "=x" } }, ["rules", "0", "match", "labels", "0"]],
    ["that runs nothing", { reply: undefined, run: [] }, ["rules", "0", "run"]],
    ["that runs a shell line", { reply: undefined, run: "rm -rf /" }, ["rules", "0", "run"]],
    ["that runs a relative path", { reply: undefined, run: ["./x"] }, ["rules", "0", "run"]],
    ["that runs a NUL", { reply: undefined, run: ["x", "a\0b"] }, ["rules", "0", "run", "1"]],
  ])("refuses a rule %s, and says where", (_, changes, path) => {
    expect(issuesOf([rule(changes)]).map((issue) => issue.path)).toEqual([path]);
  });

  test("refuses a name that stands above, at the rule below", () => {
    expect(issuesOf([rule(), rule({ name: "two" }), rule()])).toEqual([
      { path: ["rules", "2"], message: 'the name "one" is taken by a rule above', isUnknownKey: false },
    ]);
  });

  test("tells unknown keys in rules and in what they match", () => {
    expect(issuesOf([rule({ replay: "x", match: { form: "code1" } })])).toEqual([
      expect.objectContaining({ path: ["rules", "0", "match", "form"], isUnknownKey: true }),
      expect.objectContaining({ path: ["rules", "0", "replay"], isUnknownKey: true }),
    ]);
  });

  test("refuses more rules than anybody reads", () => {
    const rules = Array.from({ length: 201 }, (_, number) => rule({ name: `rule-${number}` }));
    expect(issuesOf(rules)).toHaveLength(1);
    expect(issuesOf(rules.slice(1))).toHaveLength(0);
  });

  test("RULE_KEYS are among the keys that are suggested", () => {
    expect(SETTING_KEYS).toEqual(expect.arrayContaining([...RULE_KEYS]));
    expect(RULE_KEYS).toEqual(expect.arrayContaining(["rules.on_crash", "rules.match.labels"]));
  });
});
