/**
 * Whether a message is answered automatically. This is the loop guard of the protocol: every check that keeps two
 * machines from answering each other for ever stands here, in the order in which it is asked.
 */
import { type Bucket, type BucketLimits, refill, takeToken } from "../../resilience/token-bucket.ts";
import { HOPS_MAX, isAddressedTo, isDirect, type MessageEntry, threadOf } from "./model.ts";

/** Automatic answers at most: per conversation, per peer, per host. Only the last bounds peers that lie. */
export interface ReplyBudgets {
  readonly thread: BucketLimits;
  readonly peer: BucketLimits;
  readonly host: BucketLimits;
}

const HOUR_MS = 3_600_000;

/** Budgets with these counts: per conversation in 10 minutes, per peer and per host in an hour. */
export const replyBudgets = (counts: {
  readonly per_thread: number;
  readonly per_peer: number;
  readonly per_host: number;
}): ReplyBudgets => ({
  thread: { capacity: counts.per_thread, periodMs: 10 * 60_000 },
  peer: { capacity: counts.per_peer, periodMs: HOUR_MS },
  host: { capacity: counts.per_host, periodMs: HOUR_MS },
});

/** What the decision needs to know about this machine. */
export interface ReplySituation {
  readonly server: string;
  readonly groups: readonly string[];
  readonly nowMs: number;
  /** Whether the journal says that this message was answered before. */
  readonly answered: boolean;
  readonly expired: boolean;
  /** Whether a rule of this machine wants it answered. */
  readonly matched: boolean;
  readonly budgets: ReplyBudgets;
  /** The bucket of a name as stored; a missing one is full. */
  readonly bucket: (name: string) => Bucket | null;
}

/** Why a message was not answered; only `budget-*` is worth an operator's attention. */
export type Silence =
  | "not-for-me"
  | "automatic"
  | "hops"
  | "broadcast"
  | "expired"
  | "no-rule"
  | "answered"
  | "budget-thread"
  | "budget-peer"
  | "budget-host";

export type ReplyDecision =
  | { readonly reply: true; readonly buckets: ReadonlyMap<string, Bucket> }
  | { readonly reply: false; readonly silence: Silence; readonly buckets: ReadonlyMap<string, Bucket> };

const UNCHANGED: ReadonlyMap<string, Bucket> = new Map();

/** Decides on one message. The buckets are what has to be stored, with the answer or without one. */
export function decideReply(message: MessageEntry, situation: ReplySituation): ReplyDecision {
  const silence = silenceOf(message, situation);
  if (silence !== null) return { reply: false, silence, buckets: UNCHANGED };
  const buckets = new Map<string, Bucket>();
  for (const [scope, name] of bucketNames(message)) {
    const limits = situation.budgets[scope];
    const stored = situation.bucket(name) ?? { tokens: limits.capacity, updatedMs: situation.nowMs };
    const refilled = refill(stored, limits, situation.nowMs);
    const taken = takeToken(refilled);
    if (taken === null) {
      // An empty bucket whose clock was set back has to count from here, or it stays empty until the clock catches up.
      const isAhead = stored.updatedMs > situation.nowMs;
      return {
        reply: false,
        silence: `budget-${scope}`,
        buckets: isAhead ? new Map([[name, refilled]]) : UNCHANGED,
      };
    }
    buckets.set(name, taken);
  }
  return { reply: true, buckets };
}

function silenceOf(message: MessageEntry, situation: ReplySituation): Silence | null {
  const silence = silenceOfAct(message, situation, "answer");
  if (silence !== null) return silence;
  if (!situation.matched) return "no-rule";
  return situation.answered ? "answered" : null;
}

/**
 * What speaks against doing anything at all with a message without a person: null when nothing does. A broadcast is
 * answered and acknowledged only where it asks for an ack; handlers may work on it, since a rule names what they get.
 */
export function silenceOfAct(
  message: MessageEntry,
  situation: Pick<ReplySituation, "server" | "groups" | "expired">,
  act: "answer" | "run",
): Silence | null {
  const forMe = isAddressedTo(message.to, situation.server, situation.groups);
  if (!forMe || message.from === situation.server) return "not-for-me";
  if (message.auto === true) return "automatic";
  if ((message.hops ?? 0) >= HOPS_MAX) return "hops";
  const isAsked = isDirect(message.to, situation.server) || message.ack_required === true;
  if (act === "answer" && !isAsked) return "broadcast";
  return situation.expired ? "expired" : null;
}

/** Narrow budgets are asked first, and tokens are only stored when all agree. A thread is one's peers' word, so it is kept apart per peer. */
function bucketNames(message: MessageEntry): readonly (readonly [keyof ReplyBudgets, string])[] {
  return [
    ["thread", `thread:${message.from}:${threadOf(message)}`],
    ["peer", `peer:${message.from}`],
    ["host", "host"],
  ];
}
