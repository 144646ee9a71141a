/**
 * What follows from the end of a service: whether it is started again, and when. Pauses double while it keeps failing,
 * and a crash loop slows them down for good, yet there is always a next try: a server nobody looks at should heal when
 * its database is back. Only a person's stop is final, and it never comes here.
 */
import type { RestartPacing, RestartPolicy } from "./model.ts";

/** Why a run ended, or was ended, other than by a person. */
export type EndReason =
  | { readonly kind: "code"; readonly code: number }
  | { readonly kind: "signal"; readonly signal: string }
  /** The kernel ended it for its memory. */
  | { readonly kind: "oom" }
  /** It did not become ready in time, or its liveness probe failed. */
  | { readonly kind: "probe"; readonly detail: string }
  /** A watched file changed. */
  | { readonly kind: "watch"; readonly detail: string }
  /** It used more than `limits.memory`. */
  | { readonly kind: "memory"; readonly detail: string }
  /** A service that it depends on was started anew. */
  | { readonly kind: "dependency"; readonly detail: string }
  /** It did not start at all. */
  | { readonly kind: "spawn"; readonly detail: string }
  /** It ended while no daemon was there to be told how. */
  | { readonly kind: "unknown" }
  | { readonly kind: "person" };

/** The policy and its figures; durations in ms. */
export interface RestartRules extends RestartPacing {
  readonly policy: RestartPolicy;
}

/** What the pauses so far depend on. */
export interface RestartHistory {
  /** Failures since it was well last. */
  readonly failures: number;
  /** When the last failures were (monotonic ms), at most `failures` of the rules. */
  readonly failedMonoMs: readonly number[];
  readonly isLooping: boolean;
}

/** Nothing has failed yet. */
export const FRESH_HISTORY: RestartHistory = { failures: 0, failedMonoMs: [], isLooping: false };

/** What to do now. `alarm`: the crash loop begins here, which is told once. */
export type RestartDecision =
  | { readonly kind: "stay"; readonly history: RestartHistory }
  | {
      readonly kind: "restart";
      readonly delayMs: number;
      readonly history: RestartHistory;
      readonly alarm: boolean;
    };

/** Pauses are up to so much shorter or longer, so that services that fell together do not come back together. */
const JITTER = 0.2;

/** `random` is in [0, 1). */
export function decideRestart(
  rules: RestartRules,
  history: RestartHistory,
  end: EndReason,
  at: { readonly nowMonoMs: number; readonly random: number },
): RestartDecision {
  if (!isWanted(rules.policy, end)) return { kind: "stay", history };
  // What was decided here is no failure of the service.
  if (end.kind === "watch" || end.kind === "dependency" || end.kind === "person") {
    return { kind: "restart", delayMs: 0, history, alarm: false };
  }
  const recent = history.failedMonoMs.filter((failedMs) => at.nowMonoMs - failedMs < rules.withinMs);
  const failedMonoMs = [...recent, at.nowMonoMs].slice(-rules.failures);
  const isLooping = history.isLooping || failedMonoMs.length >= rules.failures;
  const failures = history.failures + 1;
  const pauseMs = isLooping ? rules.slowMs : doubled(rules, history.failures);
  return {
    kind: "restart",
    delayMs: Math.round(pauseMs * (1 - JITTER + 2 * JITTER * at.random)),
    history: { failures, failedMonoMs, isLooping },
    alarm: isLooping && !history.isLooping,
  };
}

/** After it was ready for `stableMs`: its pauses begin anew. What failed within that time still counts for a loop. */
export const settleStable = (history: RestartHistory): RestartHistory => ({
  ...history,
  failures: 0,
  isLooping: false,
});

/** In words, for people; texts in it may be hostile. */
export function describeEnd(end: EndReason): string {
  switch (end.kind) {
    case "code":
      return `exit code ${end.code}`;
    case "signal":
      return `ended by ${end.signal}`;
    case "oom":
      return "out of memory, ended by the kernel";
    case "probe":
      return `probe: ${end.detail}`;
    case "watch":
      return `changed: ${end.detail}`;
    case "memory":
      return `memory: ${end.detail}`;
    case "dependency":
      return `dependency: ${end.detail}`;
    case "spawn":
      return end.detail;
    case "unknown":
      return "ended while no monitor ran, exit code unknown";
    case "person":
      return "by request";
  }
}

function isWanted(policy: RestartPolicy, end: EndReason): boolean {
  if (end.kind === "watch" || end.kind === "dependency" || end.kind === "person") return true;
  if (policy === "no") return false;
  if (policy === "on-failure") return !(end.kind === "code" && end.code === 0);
  return true;
}

const doubled = ({ firstMs, longestMs }: RestartRules, failures: number): number =>
  Math.min(longestMs, firstMs * 2 ** Math.min(failures, 30));
