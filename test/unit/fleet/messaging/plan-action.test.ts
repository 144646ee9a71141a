import { describe, expect, test } from "bun:test";
import { replyBudgets } from "../../../../src/fleet/messaging/decide-reply.ts";
import type { Rule } from "../../../../src/fleet/messaging/match-rules.ts";
import type { MessageEntry } from "../../../../src/fleet/messaging/model.ts";
import { type PlanSituation, planAction } from "../../../../src/fleet/messaging/plan-action.ts";
import { DEFAULT_SETTINGS } from "../../../../src/fleet/settings/defaults.ts";
import { idOf, messageBody, NOW, NOW_MS } from "../../../helpers/batch-tools.ts";

const message = (changes: Partial<MessageEntry> = {}): MessageEntry => ({
  ...{ v: 1, id: idOf(1), seq: 2, prev: null, from: "code2", at: NOW },
  ...messageBody({ to: ["code1"], kind: "request", subject: "Hello", body: "Do it" }),
  ...changes,
});
const situation = (changes: Partial<PlanSituation> = {}): PlanSituation => ({
  server: "code1",
  groups: [],
  nowMs: NOW_MS,
  answered: false,
  hasRun: false,
  expired: false,
  enabled: true,
  defaultRule: true,
  rules: [],
  paused: false,
  budgets: replyBudgets(DEFAULT_SETTINGS.auto_reply),
  bucket: () => null,
  ...changes,
});
const rules = (action: Partial<Rule>): Partial<PlanSituation> => ({
  rules: [{ name: "one", match: {}, ...action }],
});
const RUN = rules({ run: ["x"] });
const ACK = rules({ ack: true });
const REPLY = rules({ reply: "hi" });
/** What is done, or why not. */
const outcome = (changes: Partial<MessageEntry>, ...about: Partial<PlanSituation>[]): string => {
  const plan = planAction(message(changes), situation(Object.assign({}, ...about)));
  return plan.act === "nothing" ? plan.silence : plan.act;
};
const BROADCAST = { to: ["all"] };

describe("planAction()", () => {
  test.each<[string, Partial<MessageEntry>, Partial<PlanSituation>[]]>([
    ["answer", {}, []],
    ["answer", {}, [REPLY]],
    ["answer", {}, [rules({ status: true })]],
    ["ack", {}, [ACK]],
    ["run", {}, [RUN]],
    ["ignored", {}, [rules({ ignore: true })]],
    ["no-rule", { kind: "info" }, []],
    ["no-rule", {}, [{ defaultRule: false }]],
    ["broadcast", BROADCAST, [REPLY]],
    ["broadcast", BROADCAST, [ACK]],
    ["ack", { ...BROADCAST, ack_required: true }, [ACK]],
    ["run", BROADCAST, [RUN]],
    ["automatic", { auto: true }, [RUN]],
    ["automatic", { auto: true }, [ACK]],
    ["automatic", { auto: true }, [REPLY]],
    ["hops", { hops: 5 }, [RUN]],
    ["expired", {}, [RUN, { expired: true }]],
    ["answered", {}, [RUN, { hasRun: true }]],
    ["answered", {}, [REPLY, { answered: true }]],
  ])("planAction() decides %s for %j (%#)", (expected, changes, about) => {
    expect(outcome(changes, ...about)).toBe(expected);
  });

  test("planAction() neither answers nor acknowledges while paused, and lets handlers wait", () => {
    const paused = { paused: true };
    const all = [REPLY, rules({ status: true }), {}, ACK, RUN].map((about) => outcome({}, about, paused));
    expect(all).toEqual(["paused", "paused", "paused", "paused", "run"]);
  });

  test("planAction() with answers switched off still acknowledges and runs", () => {
    const off = { enabled: false };
    const all = [REPLY, rules({ status: true }), {}, ACK, RUN].map((about) => outcome({}, about, off));
    expect(all).toEqual(["disabled", "disabled", "disabled", "ack", "run"]);
  });

  test("planAction() names the rule that the guard was against, and takes tokens only for answers", () => {
    const auto = planAction(message({ auto: true }), situation(REPLY));
    expect(auto).toMatchObject({ act: "nothing", rule: { name: "one" }, silence: "automatic" });
    const answer = planAction(message(), situation(REPLY));
    expect(answer.act === "answer" ? [...answer.buckets.keys()] : []).toHaveLength(3);
    expect(planAction(message(), situation(RUN))).not.toHaveProperty("buckets");
  });

  test("planAction() stays silent where a budget is spent, and says which", () => {
    const empty = { bucket: () => ({ tokens: 0, updatedMs: NOW_MS }) };
    expect(outcome({}, REPLY, empty)).toBe("budget-thread");
    expect(outcome({}, RUN, empty)).toBe("run");
  });
});
