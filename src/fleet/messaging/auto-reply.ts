/**
 * One automatic answer as it is queued: the message, the journal row that keeps it from being given again, and the
 * budgets that it was paid from. All of it inside the caller's transaction.
 */
import { toInstant } from "../../base/instant.ts";
import type { Database } from "../../base/ports/database.ts";
import type { Bucket } from "../../resilience/token-bucket.ts";
import type { EntryDraft } from "./build-batch.ts";
import { derivedId } from "./ids.ts";
import type { SendPorts } from "./mailbox-ports.ts";
import { LIMITS, type MessageEntry, threadOf } from "./model.ts";
import { enqueue } from "./outbox.ts";

type ReplyPorts = Pick<SendPorts, "state" | "identity" | "cryptography">;

/** Queues the answer of `rule` to `message` and remembers it; the answer's id. Inside the caller's transaction. */
export function queueReply(
  ports: ReplyPorts,
  message: MessageEntry,
  answer: { readonly rule: string; readonly text: string },
  nowMs: number,
): string {
  const reply = replyTo(ports, message, answer, nowMs);
  enqueue(ports.state, reply, nowMs);
  ports.state.run(
    "INSERT INTO journal(message_from, message_id, rule, reply_id, answered_wall_ms) VALUES(?, ?, ?, ?, ?)",
    message.from,
    message.id,
    answer.rule,
    reply.id,
    nowMs,
  );
  return reply.id;
}

/** The answer goes to the signer alone, in the message's own conversation, and says that it is automatic. */
function replyTo(
  { identity, cryptography }: ReplyPorts,
  message: MessageEntry,
  answer: { readonly rule: string; readonly text: string },
  nowMs: number,
): EntryDraft {
  const subject = `Re: ${message.subject.replace(/^(?:re:\s*)+/i, "")}`
    .slice(0, LIMITS.subjectCharactersMax)
    // A cut through a pair of surrogates leaves half a character behind.
    .replace(/[\uD800-\uDBFF]$/, "");
  return {
    id: derivedId("reply", [answer.rule, identity.server, message.from, message.id], cryptography),
    at: toInstant(nowMs),
    body: {
      type: "message",
      to: [message.from],
      subject,
      body: answer.text,
      kind: "response",
      thread: threadOf(message),
      in_reply_to: message.id,
      auto: true,
      hops: (message.hops ?? 0) + 1,
    },
  };
}

/** Whether a message was answered automatically before, by whatever rule. */
export function isAnswered(state: Database, message: MessageEntry): boolean {
  const sql = "SELECT reply_id FROM journal WHERE message_from = ? AND message_id = ?";
  return state.get(sql, message.from, message.id) !== null;
}

/** A budget as it was left, or null for a full one. */
export function loadBucket(state: Database, name: string): Bucket | null {
  const row = state.get<{ tokens: number; updated_wall_ms: number }>(
    "SELECT tokens, updated_wall_ms FROM buckets WHERE name = ?",
    name,
  );
  return row === null ? null : { tokens: row.tokens, updatedMs: row.updated_wall_ms };
}

/** Stores what a decision left of the budgets. Inside the caller's transaction. */
export function saveBuckets(state: Database, buckets: ReadonlyMap<string, Bucket>): void {
  for (const [name, bucket] of buckets) {
    state.run(
      "INSERT OR REPLACE INTO buckets(name, tokens, updated_wall_ms) VALUES(?, ?, ?)",
      name,
      bucket.tokens,
      bucket.updatedMs,
    );
  }
}
