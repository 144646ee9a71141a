/**
 * The station after receiving: every accepted entry that was not handled yet is looked at once, in the order of its
 * writer, and answered or left alone.
 *
 * The answer, the journal row, the budgets and the moved cursor are one transaction of `state.db`. A crash before it
 * repeats the decision from the same facts, a crash after it finds the entry handled: nothing is answered twice and
 * nothing is passed over. The answer's id is derived, so even a lost journal could not double it.
 */

import { fromInstant, toInstant } from "../../base/instant.ts";
import type { Database } from "../../base/ports/database.ts";
import type { Bucket } from "../../resilience/token-bucket.ts";
import type { EntryDraft } from "./build-batch.ts";
import { decideReply, type ReplyBudgets, type Silence } from "./decide-reply.ts";
import { derivedId } from "./ids.ts";
import type { ReceivePorts } from "./mailbox-ports.ts";
import {
  type IndexedMessage,
  listCards,
  listProgress,
  MESSAGE_COLUMNS,
  type MessageRow,
  type Progress,
  toIndexedMessage,
} from "./message-index.ts";
import { isDirect, LIMITS, type MessageEntry, threadOf } from "./model.ts";
import { enqueue } from "./outbox.ts";
import { findPeer, listPeers, setHandled } from "./peers.ts";

/** The rule that answers by default; its name is part of the ids of its answers. */
export const STATUS_RULE = "status";

/** Entries decided in one transaction; chosen so that a catch-up does not hold the database for long. */
const ROUND_MAX = 500;

/** How automatic answers are made on this machine. */
export interface AnswerSettings {
  readonly enabled: boolean;
  readonly budgets: ReplyBudgets;
  /** The text of a live status answer. */
  readonly statusText: () => string;
}

/** One message that was looked at. `replyId` when it was answered, `silence` when it was not. */
export interface HandledMessage {
  readonly message: MessageEntry;
  readonly direct: boolean;
  readonly replyId: string | null;
  readonly silence: Silence | "disabled" | "history" | null;
}

/** Handles what is pending of every writer; returns the messages that were meant for this server. */
export function answerMessages(ports: ReceivePorts, settings: AnswerSettings): HandledMessage[] {
  const handled: HandledMessage[] = [];
  const progress = listProgress(ports.index);
  for (const peer of listPeers(ports.state)) {
    const until = progress.get(peer.server);
    if (until === undefined) continue;
    while (!isHandled(ports.state, peer.server, until)) {
      handled.push(...handleRound(ports, settings, { server: peer.server, until }));
    }
  }
  return handled;
}

function isHandled(state: Database, server: string, until: Progress): boolean {
  const handled = findPeer(state, server)?.handled;
  return handled?.epoch === until.epoch && handled.seq === until.seq;
}

type PendingRow = MessageRow & { type: string; seq: number; hash: string };

function handleRound(
  ports: ReceivePorts,
  settings: AnswerSettings,
  writer: { server: string; until: Progress },
): HandledMessage[] {
  const { state, index } = ports;
  const from = findPeer(state, writer.server)?.handled ?? { epoch: "", seq: 0 };
  const last = index.get<{ position: number | null }>(
    "SELECT max(position) AS position FROM entries WHERE writer = ? AND epoch = ? AND seq <= ?",
    writer.server,
    from.epoch,
    from.seq,
  );
  const rows = index.all<PendingRow>(
    `SELECT ${MESSAGE_COLUMNS}, type, seq, hash FROM entries WHERE writer = ? AND position > ? ORDER BY position LIMIT ?`,
    writer.server,
    last?.position ?? 0,
    ROUND_MAX,
  );
  const end = rows.at(-1);
  const isLastRound = rows.length < ROUND_MAX || end === undefined;
  const cursor = isLastRound ? writer.until : { epoch: end.epoch, seq: end.seq, hash: end.hash };
  const skewMs = clockSkewOf(index, writer.server);
  return state.transaction(() => {
    const handled = rows
      .filter((row) => row.type === "message" && row.to_me === 1)
      .map((row) => handleMessage(ports, settings, { received: toIndexedMessage(row), skewMs }));
    setHandled(state, writer.server, cursor);
    return handled;
  });
}

function handleMessage(
  ports: ReceivePorts,
  settings: AnswerSettings,
  one: { received: IndexedMessage; skewMs: number },
): HandledMessage {
  const { message } = one.received;
  const direct = isDirect(message.to, ports.identity.server);
  const silent = (silence: HandledMessage["silence"]): HandledMessage => ({
    message,
    direct,
    replyId: null,
    silence,
  });
  if (one.received.history) return silent("history");
  if (!settings.enabled) return silent("disabled");
  const nowMs = ports.clock.wallMs();
  const decision = decideReply(message, {
    server: ports.identity.server,
    groups: ports.groups,
    nowMs,
    answered: isAnswered(ports.state, message),
    expired: isExpired(message, { receivedMs: one.received.receivedWallMs, nowMs, skewMs: one.skewMs }),
    budgets: settings.budgets,
    bucket: (name) => loadBucket(ports.state, name),
  });
  for (const [name, bucket] of decision.buckets) saveBucket(ports.state, name, bucket);
  if (!decision.reply) return silent(decision.silence);
  const reply = replyTo(message, { ports, text: settings.statusText(), nowMs });
  enqueue(ports.state, reply, nowMs);
  ports.state.run(
    "INSERT INTO journal(message_from, message_id, rule, reply_id, answered_wall_ms) VALUES(?, ?, ?, ?, ?)",
    message.from,
    message.id,
    STATUS_RULE,
    reply.id,
    nowMs,
  );
  return { message, direct, replyId: reply.id, silence: null };
}

/** The answer goes to the signer alone, in the message's own conversation, and says that it is automatic. */
function replyTo(
  message: MessageEntry,
  at: { ports: ReceivePorts; text: string; nowMs: number },
): EntryDraft {
  const { identity, cryptography } = at.ports;
  const subject = `Re: ${message.subject.replace(/^(?:re:\s*)+/i, "")}`.slice(0, LIMITS.subjectCharactersMax);
  return {
    id: derivedId("reply", [STATUS_RULE, identity.server, message.from, message.id], cryptography),
    at: toInstant(at.nowMs),
    body: {
      type: "message",
      to: [message.from],
      subject,
      body: at.text,
      kind: "response",
      thread: threadOf(message),
      in_reply_to: message.id,
      auto: true,
      hops: (message.hops ?? 0) + 1,
    },
  };
}

/** A clock is taken for wrong when it differs by more than this from the sender's card. */
const SKEW_MS_MAX = 5 * 60_000;

/**
 * Whether a message's time is over. `skewMs`: own clock minus the sender's; where they differ too much, the time to
 * live counts from the moment the message was first seen here.
 */
export function isExpired(
  message: MessageEntry,
  at: { readonly receivedMs: number; readonly nowMs: number; readonly skewMs: number },
): boolean {
  if (message.expires_at === undefined) return false;
  const expiresMs = fromInstant(message.expires_at);
  if (Math.abs(at.skewMs) <= SKEW_MS_MAX) return at.nowMs > expiresMs;
  return at.nowMs - at.receivedMs > expiresMs - fromInstant(message.at);
}

function clockSkewOf(index: Database, server: string): number {
  const stored = listCards(index).find((one) => one.server === server);
  return stored === undefined ? 0 : stored.receivedWallMs - fromInstant(stored.card.at);
}

function isAnswered(state: Database, message: MessageEntry): boolean {
  const sql = "SELECT reply_id FROM journal WHERE message_from = ? AND message_id = ?";
  return state.get(sql, message.from, message.id) !== null;
}

function loadBucket(state: Database, name: string): Bucket | null {
  const row = state.get<{ tokens: number; updated_wall_ms: number }>(
    "SELECT tokens, updated_wall_ms FROM buckets WHERE name = ?",
    name,
  );
  return row === null ? null : { tokens: row.tokens, updatedMs: row.updated_wall_ms };
}

function saveBucket(state: Database, name: string, bucket: Bucket): void {
  state.run(
    "INSERT OR REPLACE INTO buckets(name, tokens, updated_wall_ms) VALUES(?, ?, ?)",
    name,
    bucket.tokens,
    bucket.updatedMs,
  );
}
