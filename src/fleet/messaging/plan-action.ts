/**
 * What is done with one message without a person: the rule it falls under and the loop guard, in one decision. Pure, so
 * that the daemon and a replay of history decide with the same code.
 */
import type { Bucket } from "../../resilience/token-bucket.ts";
import { decideReply, type ReplySituation, type Silence, silenceOfAct } from "./decide-reply.ts";
import { findRule, type MatchedRule, type Rule } from "./match-rules.ts";
import type { MessageEntry } from "./model.ts";

/** What the decision needs to know of this machine and its operator's wishes. */
export interface PlanSituation extends Omit<ReplySituation, "matched"> {
  /** Whether automatic answers are on. Acknowledgements and handlers do not ask for it. */
  readonly enabled: boolean;
  readonly defaultRule: boolean;
  readonly rules: readonly Rule[];
  /** Whether the operator stopped everything automatic for now. */
  readonly paused: boolean;
  /** Whether a handler was given this message before. */
  readonly hasRun: boolean;
}

/** Why nothing was done; `budget-*` is worth an operator's attention. */
export type PlanSilence = Silence | "disabled" | "paused" | "ignored";

/** The decision. `rule` is the one that matched, also where the guard was against it. */
export type Plan =
  | { readonly act: "answer"; readonly rule: MatchedRule; readonly buckets: ReadonlyMap<string, Bucket> }
  | { readonly act: "ack" | "run"; readonly rule: MatchedRule }
  | {
      readonly act: "nothing";
      readonly rule: MatchedRule | null;
      readonly silence: PlanSilence;
      readonly buckets: ReadonlyMap<string, Bucket>;
    };

const NO_BUCKETS: ReadonlyMap<string, Bucket> = new Map();

/**
 * Decides on one message. While everything is paused, messages are neither answered nor acknowledged, now or later;
 * the work of handlers is written down and waits.
 */
export function planAction(message: MessageEntry, situation: PlanSituation): Plan {
  const rule = findRule(message, situation.rules, situation);
  const nothing = (silence: PlanSilence): Plan => ({ act: "nothing", rule, silence, buckets: NO_BUCKETS });
  if (rule?.action === "ignore") return nothing("ignored");
  if (rule?.action === "run") {
    const silence = silenceOfAct(message, situation, "run") ?? (situation.hasRun ? "answered" : null);
    return silence === null ? { act: "run", rule } : nothing(silence);
  }
  if (situation.paused) return nothing("paused");
  if (rule?.action === "ack") {
    const silence = silenceOfAct(message, situation, "answer");
    return silence === null ? { act: "ack", rule } : nothing(silence);
  }
  if (!situation.enabled) return nothing("disabled");
  const decision = decideReply(message, { ...situation, matched: rule !== null });
  if (rule !== null && decision.reply) return { act: "answer", rule, buckets: decision.buckets };
  return {
    act: "nothing",
    rule,
    silence: decision.reply ? "no-rule" : decision.silence,
    buckets: decision.buckets,
  };
}
