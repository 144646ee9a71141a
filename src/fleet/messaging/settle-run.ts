/**
 * What follows from the end of a handler: what it wrote becomes the answer where the loop guard admits one, its exit
 * code goes to the sender as a receipt. Both and the end of the run are one transaction, so a run that is done was
 * answered and receipted exactly once, whatever dies when.
 */
import { autoPause } from "./auto-pause.ts";
import { isAnswered, loadBucket, queueReply, saveBuckets } from "./auto-reply.ts";
import { decideReply, type ReplyBudgets } from "./decide-reply.ts";
import { finishRun, type HandlerRun, messageOfRun, parkRun, requeueRun } from "./handler-runs.ts";
import type { ReceivePorts } from "./mailbox-ports.ts";
import { queueReceipt } from "./mark-message.ts";
import { clockSkewOf, isExpired } from "./message-expiry.ts";
import type { PlanSilence } from "./plan-action.ts";

/** How a handler ended. */
export type RunOutcome =
  /** `text`: what it wrote for its sender, fit to be sent; empty for nothing. A signal counts as 128 and its number. */
  | { readonly kind: "exited"; readonly exitCode: number; readonly text: string }
  | { readonly kind: "timeout" }
  /** The daemon ended meanwhile, or died: nobody knows what the handler came to. */
  | { readonly kind: "lost"; readonly how: string }
  /** It never ran: there is no such program, or its rule is gone. */
  | { readonly kind: "impossible"; readonly reason: string };

/** What an operator may say about runs. */
export interface RunPolicy {
  /** After a crash: put aside, or run again. */
  readonly onCrash: "park" | "retry";
  /** So often a handler is started for one message, at most. */
  readonly attemptsMax: number;
  /** The pause before the second attempt, ms; it doubles with each. */
  readonly retryMs: number;
}

/** An exit code by which a handler says that it wants to be asked again (sysexits: EX_TEMPFAIL). */
export const TRY_AGAIN_CODE = 75;

/** The exit code of what ran too long, as timeout(1) has it. */
export const TIMEOUT_CODE = 124;

/** Longest pause between two attempts; chosen, not measured. */
const RETRY_MS_MAX = 3_600_000;

/** What becomes of a run. */
export type RunVerdict =
  | { readonly state: "done"; readonly exitCode: number; readonly text: string; readonly reason: string }
  | { readonly state: "queued"; readonly afterMs: number; readonly reason: string }
  | { readonly state: "parked"; readonly reason: string };

/** Decides what becomes of a run that ended in its `attempts`-th attempt. */
export function decideRun(outcome: RunOutcome, attempts: number, policy: RunPolicy): RunVerdict {
  const mayRetry = attempts < policy.attemptsMax;
  const afterMs = Math.min(RETRY_MS_MAX, policy.retryMs * 2 ** Math.min(Math.max(0, attempts - 1), 20));
  switch (outcome.kind) {
    case "exited": {
      const { exitCode, text } = outcome;
      if (exitCode !== TRY_AGAIN_CODE) return { state: "done", exitCode, text, reason: "" };
      if (mayRetry) return { state: "queued", afterMs, reason: "the handler asked to be run again (75)" };
      return { state: "done", exitCode, text, reason: `gave up after ${attempts} attempts` };
    }
    case "timeout":
      return { state: "done", exitCode: TIMEOUT_CODE, text: "", reason: "it ran too long and was ended" };
    case "lost":
      if (policy.onCrash === "park") return { state: "parked", reason: outcome.how };
      if (mayRetry) return { state: "queued", afterMs: 0, reason: outcome.how };
      return { state: "parked", reason: `${outcome.how}; gave up after ${attempts} attempts` };
    case "impossible":
      return { state: "parked", reason: outcome.reason };
  }
}

/** How automatic answers are bounded, and whether there are any. */
export interface SettleSettings {
  readonly enabled: boolean;
  readonly budgets: ReplyBudgets;
}

/** What came of a run that is done. `silence`: why what it wrote was not sent; null where it was, or there was nothing. */
export interface Settled {
  readonly replyId: string | null;
  readonly silence: PlanSilence | null;
}

/** Writes down what became of a run, with everything that follows from it, in one transaction. */
export function settleRun(
  ports: ReceivePorts,
  settings: SettleSettings,
  run: HandlerRun,
  verdict: RunVerdict,
): Settled {
  const nowWallMs = ports.clock.wallMs();
  return ports.state.transaction(() => {
    switch (verdict.state) {
      case "parked":
        parkRun(ports.state, run, { reason: verdict.reason, nowWallMs });
        return { replyId: null, silence: null };
      case "queued":
        requeueRun(ports.state, run, { reason: verdict.reason, dueWallMs: nowWallMs + verdict.afterMs });
        return { replyId: null, silence: null };
      case "done": {
        const settled = answerForRun(ports, settings, run, verdict.text);
        const { exitCode, reason } = verdict;
        finishRun(ports.state, run, { exitCode, reason, replyId: settled.replyId, nowWallMs });
        queueReceipt(ports, { message: run, state: "handled", exitCode });
        return settled;
      }
    }
  });
}

/** The guard is asked at the end of the run: the budgets are those of the moment in which the answer leaves. */
function answerForRun(ports: ReceivePorts, settings: SettleSettings, run: HandlerRun, text: string): Settled {
  if (text === "") return { replyId: null, silence: null };
  const { state, identity, groups } = ports;
  const nowMs = ports.clock.wallMs();
  if (!settings.enabled) return { replyId: null, silence: "disabled" };
  if (autoPause(state, nowMs) !== null) return { replyId: null, silence: "paused" };
  const message = messageOfRun(state, run);
  const skewMs = clockSkewOf(ports.index, run.from);
  const decision = decideReply(message, {
    server: identity.server,
    groups,
    nowMs,
    answered: isAnswered(state, message),
    expired: isExpired(message, { receivedMs: run.queuedWallMs, nowMs, skewMs }),
    matched: true,
    budgets: settings.budgets,
    bucket: (name) => loadBucket(state, name),
  });
  saveBuckets(state, decision.buckets);
  if (!decision.reply) return { replyId: null, silence: decision.silence };
  return { replyId: queueReply(ports, message, { rule: run.rule, text }, nowMs), silence: null };
}
