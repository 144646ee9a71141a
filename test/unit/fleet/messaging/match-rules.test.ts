import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  actionOf,
  asksForStatus,
  audienceOf,
  findRule,
  type Rule,
  renderTemplate,
  STATUS_RULE,
} from "../../../../src/fleet/messaging/match-rules.ts";
import type { MessageEntry } from "../../../../src/fleet/messaging/model.ts";
import { idOf, messageBody, NOW } from "../../../helpers/batch-tools.ts";

const message = (changes: Partial<MessageEntry> = {}): MessageEntry => ({
  ...{ v: 1, id: idOf(1), seq: 2, prev: null, from: "build7", at: NOW },
  ...messageBody({ to: ["code1"], subject: "Release 4.2", body: "Deploy it now, über alles" }),
  ...changes,
});
const rule = (match: Rule["match"], changes: Partial<Rule> = {}): Rule => ({
  name: "one",
  match,
  ack: true,
  ...changes,
});
const matches = (match: Rule["match"], changes: Partial<MessageEntry> = {}): boolean =>
  findRule(message(changes), [rule(match)], { server: "code1", defaultRule: false }) !== null;

describe("findRule()", () => {
  test.each<[Rule["match"], Partial<MessageEntry>]>([
    [{}, {}],
    [{ kind: ["info"] }, {}],
    [{ kind: ["warning", "error"] }, { kind: "error" }],
    [{ priority: ["normal"] }, {}],
    [{ from: ["build7"] }, {}],
    [{ from: ["code1", "build*"] }, {}],
    [{ from: ["*"] }, {}],
    [{ from: ["b*l*7"] }, {}],
    [{ from: ["*7"] }, {}],
    [{ subject: ["RELEASE"] }, {}],
    [{ subject: ["release 4.2"] }, {}],
    [{ body: ["deploy"] }, {}],
    [{ body: ["ÜBER"] }, {}],
    [{ text: ["now"] }, {}],
    [{ text: ["release"] }, {}],
    [{ text: ["c++"] }, { body: "written in c++17" }],
    [{ text: ["art"] }, { body: "smart art" }],
    [{ labels: ["team"] }, { labels: { team: "x" } }],
    [{ labels: ["team=x", "urgent"] }, { labels: { team: "x", urgent: "" } }],
    [{ labels: ["team="] }, { labels: { team: "" } }],
    [{ to: ["direct"] }, {}],
    [{ to: ["broadcast"] }, { to: ["all", "code2"] }],
    [{ to: ["group"] }, { to: ["@web"] }],
    [{ kind: ["info"], from: ["build*"], subject: ["release"], to: ["direct"] }, {}],
  ])("%j matches %j", (match, changes) => {
    expect(matches(match, changes)).toBe(true);
  });

  test.each<[Rule["match"], Partial<MessageEntry>]>([
    [{ kind: ["request"] }, {}],
    [{ priority: ["high", "critical"] }, {}],
    [{ from: ["build"] }, {}],
    [{ from: ["uild*"] }, {}],
    [{ from: ["b*x*7"] }, {}],
    [{ from: ["build7*7"] }, {}],
    [{ subject: ["deploy"] }, {}],
    [{ body: ["release"] }, {}],
    [{ text: ["art"] }, { body: "smart artist" }],
    [{ text: ["ber"] }, {}],
    [{ labels: ["team"] }, {}],
    [{ labels: ["toString"] }, { labels: {} }],
    [{ labels: ["team=x"] }, { labels: { team: "y" } }],
    [{ labels: ["team", "urgent"] }, { labels: { team: "x" } }],
    [{ to: ["broadcast", "group"] }, {}],
    [{ to: ["direct"] }, { to: ["all"] }],
    [{ kind: ["info"], from: ["code*"] }, {}],
  ])("%j does not match %j", (match, changes) => {
    expect(matches(match, changes)).toBe(false);
  });

  test("findRule() takes the first that matches, and the default one last and only where it is on", () => {
    const rules = [
      rule({ kind: ["error"] }),
      rule({}, { name: "two", ack: undefined, reply: "hi" }),
      rule({}),
    ];
    const on = { server: "code1", defaultRule: true };
    expect(findRule(message(), rules, on)).toEqual({ name: "two", action: "reply", rule: rules[1] ?? null });
    const request = message({ kind: "request" });
    expect(findRule(request, [], on)).toEqual({ name: STATUS_RULE, action: "status", rule: null });
    expect(findRule(request, [], { ...on, defaultRule: false })).toBeNull();
    expect(findRule(message(), [], on)).toBeNull();
  });

  test("findRule() is done with a hostile body in no time", () => {
    const body = "a".repeat(256 * 1024);
    expect(matches({ body: ["a"] }, { body })).toBe(false);
    expect(matches({ body: ["aa"] }, { body: `${body} aa` })).toBe(true);
  });

  test("a pattern with a star matches what a regular expression of it does", () => {
    const letters = fc.string({ unit: fc.constantFrom("a", "b", "-"), maxLength: 8 });
    const pattern = fc.string({ unit: fc.constantFrom("a", "b", "*"), minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(pattern, letters, (glob, from) => {
        const expected = new RegExp(`^${glob.replaceAll("*", ".*")}$`).test(from);
        expect(matches({ from: [glob] }, { from })).toBe(expected);
      }),
    );
  });
});

describe("actionOf()", () => {
  test.each<[Partial<Rule>, string]>([
    [{ reply: "x" }, "reply"],
    [{ status: true }, "status"],
    [{ ack: true }, "ack"],
    [{ run: ["x"] }, "run"],
    [{ ignore: true }, "ignore"],
  ])("actionOf(%j) is %s", (changes, action) => {
    expect(actionOf({ name: "one", match: {}, ...changes })).toBe(action as ReturnType<typeof actionOf>);
  });
});

describe("audienceOf()", () => {
  test.each<[readonly string[], string]>([
    [["code1"], "direct"],
    [["all", "code1"], "direct"],
    [["all", "@web"], "broadcast"],
    [["@web"], "group"],
  ])("audienceOf() says that a message to %j came %s", (to, audience) => {
    expect(audienceOf(message({ to }), "code1")).toBe(audience as ReturnType<typeof audienceOf>);
  });
});

describe("renderTemplate()", () => {
  const facts = { server: "code1", from: "build7", subject: "{status} {from} $&", status: () => "fine" };

  test("renderTemplate() puts facts in, once, and leaves other braces alone", () => {
    expect(renderTemplate("{server} to {from}: {subject} {status} {other} {}", facts)).toBe(
      "code1 to build7: {status} {from} $& fine {other} {}",
    );
  });

  test("renderTemplate() asks for the status only where it is named", () => {
    const status = (): string => {
      throw new Error("asked");
    };
    expect(renderTemplate("{server}", { ...facts, status })).toBe("code1");
  });
});

describe("asksForStatus()", () => {
  test.each<[Partial<MessageEntry>]>([
    [{ kind: "request", subject: "Deploy", body: "now" }],
    [{ kind: "info", subject: "Are you there? ", body: "x" }],
    [{ kind: "info", subject: "x", body: "Are you there?\n\n" }],
    [{ kind: "info", subject: "STATUS", body: "x" }],
    [{ kind: "info", subject: "x", body: "please ping me" }],
    [{ kind: "info", subject: "x", body: "health-check" }],
    [{ kind: "error", subject: "x", body: "send a report." }],
  ])("asksForStatus() hears a question in %j", (changes) => {
    expect(asksForStatus(message(changes))).toBe(true);
  });

  test.each<[Partial<MessageEntry>]>([
    [{ kind: "info", subject: "", body: "x" }],
    [{ kind: "info", subject: "Done", body: "Why? Because." }],
    [{ kind: "info", subject: "shipping", body: "reported healthy statuses" }],
    [{ kind: "response", subject: "Re: hello", body: "fine" }],
  ])("asksForStatus() hears none in %j", (changes) => {
    expect(asksForStatus(message(changes))).toBe(false);
  });
});
