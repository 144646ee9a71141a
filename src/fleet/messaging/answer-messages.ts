/**
 * The station after receiving: every accepted entry that was not handled yet is looked at once, in the order of its
 * writer, and answered, acknowledged, given to a handler or left alone.
 *
 * The answer, the journal row, the budgets and the moved cursor are one transaction of `state.db`, and so is the row that
 * says what a handler has to do. A crash before it
 * repeats the decision from the same facts, a crash after it finds the entry handled: nothing is answered twice and
 * nothing is passed over. The answer's id is derived, so even a lost journal could not double it.
 */

import type { Database } from "../../base/ports/database.ts";
import { formerCursor } from "./adopt-log.ts";
import { autoPause } from "./auto-pause.ts";
import { isAnswered, loadBucket, queueReply, saveBuckets } from "./auto-reply.ts";
import type { ReplyBudgets } from "./decide-reply.ts";
import { findRun, parkRun, queueRun } from "./handler-runs.ts";
import { mayActOn } from "./hold-back.ts";
import { type ReceivePorts, TRACKING } from "./mailbox-ports.ts";
import { noteMark } from "./mark-message.ts";
import { type MatchedRule, type Rule, renderTemplate } from "./match-rules.ts";
import { clockSkewOf, isExpired } from "./message-expiry.ts";
import {
  type IndexedMessage,
  listProgress,
  MESSAGE_COLUMNS,
  type MessageRow,
  type Progress,
  toIndexedMessage,
} from "./message-index.ts";
import { type Cursor, isDirect, type MessageEntry } from "./model.ts";
import { findPeer, listPeers, setHandled } from "./peers.ts";
import { type PlanSilence, planAction } from "./plan-action.ts";

/** Entries decided in one transaction; chosen so that a catch-up does not hold the database for long. */
const ROUND_MAX = 500;

/** How automatic answers are made on this machine. */
export interface AnswerSettings {
  readonly enabled: boolean;
  /** Whether the rule that every server has is on. */
  readonly defaultRule: boolean;
  readonly rules: readonly Rule[];
  /** So many messages wait for handlers at most; what comes then is parked. */
  readonly openMax: number;
  readonly budgets: ReplyBudgets;
  /** The text of a live status answer. */
  readonly statusText: () => string;
}

/**
 * One message that was looked at, the rule it fell under and what was done. `replyId` when it was answered, `silence`
 * when nothing was done; `"park"`: it should run, and too many wait.
 */
export interface HandledMessage {
  readonly message: MessageEntry;
  readonly direct: boolean;
  readonly rule: string | null;
  readonly act: "answer" | "ack" | "run" | "park" | "nothing";
  readonly replyId: string | null;
  readonly silence: PlanSilence | "history" | null;
}

/**
 * Handles what is pending of every writer, a bounded part at each step; gives the messages among it that were meant for
 * this server. Between two steps others may have their turn.
 */
export function* answerMessages(
  ports: ReceivePorts,
  settings: AnswerSettings,
): Generator<readonly HandledMessage[]> {
  const progress = listProgress(ports.index);
  for (const peer of listPeers(ports.state)) {
    const until = progress.get(peer.server);
    // Of a server that was forgotten nothing is acted on; it is readable, and shown as one that speaks again.
    if (until === undefined || peer.forgotten) continue;
    while (isPending(ports, peer.server, until)) {
      const round = handleRound(ports, settings, { server: peer.server, until });
      if (round === null) break;
      if (round.length > 0) yield round;
    }
  }
}

/** Whether the index holds of a writer what was not handled yet. */
function isPending(ports: ReceivePorts, server: string, until: Progress): boolean {
  const handled = findPeer(ports.state, server)?.handled;
  if (handled === undefined) return true;
  if (handled.epoch === until.epoch) return until.seq > handled.seq;
  if (handled.epoch === "" || until.epoch === "") return handled.epoch === "";
  return isBeyond(ports, server, { handled, until });
}

/**
 * Whether the index goes on behind what was handled, where that ended in another epoch. One that was made anew and is
 * read only in part does not, and nothing that it holds says what is new.
 */
function isBeyond(
  { index, store }: ReceivePorts,
  server: string,
  { handled, until }: { readonly handled: Cursor; readonly until: Progress },
): boolean {
  const last = lastPosition(index, server, handled);
  if (last > 0) return lastPosition(index, server, until) > last;
  // Nothing of that epoch is there: a shortened log left it out, or there is no more to read of this one.
  const named = `SELECT 1 FROM entries, json_each(entries.json, '$.keys') AS one
    WHERE writer = ? AND entries.type = 'compacted' AND one.value ->> 'epoch' = ? LIMIT 1`;
  if (index.get(named, server, handled.epoch) !== null) return true;
  const tips = [TRACKING.log, TRACKING.kept].map((prefix) => store.readRefs(prefix).get(prefix + server));
  return tips.includes(until.tip);
}

type PendingRow = MessageRow & { type: string; seq: number; hash: string };

/** Where the last entry of a writer up to a cursor lies in the index; 0 where there is none. */
function lastPosition(index: Database, writer: string, until: { epoch: string; seq: number }): number {
  // By the seq itself: max(position) would walk over everything before it, once a round.
  const row = index.get<{ position: number }>(
    "SELECT position FROM entries WHERE writer = ? AND epoch = ? AND seq <= ? ORDER BY seq DESC LIMIT 1",
    writer,
    until.epoch,
    until.seq,
  );
  return row?.position ?? 0;
}

/** Null where the server is not trusted any more, or not yet: nothing of it is acted on. */
function handleRound(
  ports: ReceivePorts,
  settings: AnswerSettings,
  writer: { server: string; until: Progress },
): HandledMessage[] | null {
  const { state, index } = ports;
  const from = findPeer(state, writer.server)?.handled ?? { epoch: "", seq: 0 };
  const last = lastPosition(index, writer.server, from);
  const rows = index.all<PendingRow>(
    `SELECT ${MESSAGE_COLUMNS}, type, seq, hash FROM entries WHERE writer = ? AND position > ? ORDER BY position LIMIT ?`,
    writer.server,
    last,
    ROUND_MAX,
  );
  const end = rows.at(-1);
  const isLastRound = rows.length < ROUND_MAX || end === undefined;
  // Where a log is read once more the index holds entries behind the place where reading is.
  const isWhole = end === undefined || !isAfter(index, writer, end);
  const cursor = isLastRound && isWhole ? writer.until : { epoch: end.epoch, seq: end.seq, hash: end.hash };
  const skewMs = clockSkewOf(index, writer.server);
  return state.transaction(() => {
    if (!mayActOn(ports, writer.server)) return null;
    const handled = rows
      .filter((row) => row.type === "message" && row.to_me === 1)
      .map((row) => handleMessage(ports, settings, { received: toIndexedMessage(row), skewMs }));
    setHandled(state, writer.server, cursor);
    return handled;
  });
}

function isAfter(
  index: Database,
  { server, until }: { readonly server: string; readonly until: Progress },
  { epoch, seq, position }: PendingRow,
): boolean {
  return epoch === until.epoch ? seq > until.seq : position > lastPosition(index, server, until);
}

function handleMessage(
  ports: ReceivePorts,
  settings: AnswerSettings,
  one: { received: IndexedMessage; skewMs: number },
): HandledMessage {
  const { received } = one;
  const { message } = received;
  const { state } = ports;
  const handled = (what: Partial<HandledMessage>): HandledMessage => ({
    message,
    direct: isDirect(message.to, ports.identity.server),
    replyId: null,
    act: "nothing",
    rule: null,
    silence: null,
    ...what,
  });
  if (received.history) return handled({ silence: "history" });
  const nowMs = ports.clock.wallMs();
  const plan = planAction(message, {
    ...settings,
    server: ports.identity.server,
    groups: ports.groups,
    nowMs,
    paused: autoPause(state, nowMs) !== null,
    answered: isAnswered(state, message),
    hasRun: findRun(state, message) !== null,
    expired: isExpired(message, { receivedMs: received.receivedWallMs, nowMs, skewMs: one.skewMs }),
    bucket: (name) => loadBucket(state, name),
  });
  const { act } = plan;
  const rule = plan.rule?.name ?? null;
  switch (act) {
    case "nothing":
      saveBuckets(state, plan.buckets);
      return handled({ rule, silence: plan.silence });
    case "ack":
      return handled({ rule, act: noteMark(ports, received, "acked") ? act : "nothing" });
    case "run": {
      const { openMax } = settings;
      const { name: rule } = plan.rule;
      let isParked = queueRun(state, { message, rule, openMax }, nowMs) === "parked";
      if (plan.rule.rule?.on_crash !== "retry" && wasSeenBefore(ports, received)) {
        const reason = "it may have been handled before this state was restored";
        parkRun(state, message, { reason, nowWallMs: nowMs });
        isParked = true;
      }
      return handled({ rule, act: isParked ? "park" : act });
    }
    case "answer": {
      saveBuckets(state, plan.buckets);
      const text = textOf(plan.rule, message, { ports, settings });
      const replyId = queueReply(ports, message, { rule: plan.rule.name, text }, nowMs);
      return handled({ rule, act, replyId });
    }
  }
}

/** Whether a former life of this server had come past a message: nobody knows then whether its handler ran. */
function wasSeenBefore({ state, index }: ReceivePorts, { message, position }: IndexedMessage): boolean {
  const former = formerCursor(state, message.from);
  if (former === null) return false;
  return position <= lastPosition(index, message.from, former);
}

function textOf(
  { rule }: MatchedRule,
  { from, subject }: MessageEntry,
  on: { ports: ReceivePorts; settings: AnswerSettings },
): string {
  const { statusText: status } = on.settings;
  if (rule?.reply === undefined) return status();
  return renderTemplate(rule.reply, { server: on.ports.identity.server, from, subject, status });
}
