import { messageOf } from "../../base/errors.ts";
import {
  type AnswerSettings,
  answerMessages,
  type HandledMessage,
} from "../../fleet/messaging/answer-messages.ts";
import type { ReceivePorts } from "../../fleet/messaging/mailbox-ports.ts";
import { listPeers } from "../../fleet/messaging/peers.ts";
import { receiveMessages } from "../../fleet/messaging/receive-messages.ts";
import type { ServerSettings } from "../../fleet/settings/model.ts";
import type { DaemonState } from "../daemon-state.ts";
import type { Report } from "../events.ts";
import { measured } from "../measured.ts";
import { RETRY_MS_FIRST, RETRY_MS_MAX } from "./push-loop.ts";

/** A fetch without an end is ended after this time. */
export const FETCH_TIMEOUT_MS = 30_000;

/** Cursors are on the remote this soon after a message that somebody may wait for; below the 2 s of the format. */
const CARD_WITHIN_MS = 200;

/** Pause between two looks while somebody talks; and per server, since hosts bound what a whole fleet may ask (15 a second). */
const CONVERSATION_MS = 1_000;
const CONVERSATION_MS_PER_SERVER = 100;

/** What the receive loop works with. */
export interface ReceiveLoopContext {
  readonly ports: ReceivePorts;
  readonly daemon: DaemonState;
  readonly answers: () => AnswerSettings;
  readonly settings: () => ServerSettings;
  readonly report: Report;
  readonly signal: AbortSignal;
  /**
   * Watches what can be watched of the remote. Called before a look, so that nothing falls between look and watch, and
   * after one that reached the remote, when there may be new folders.
   */
  readonly watch: () => void;
}

/** One look at the remote and what follows from it. Answers how long to wait for the next, ms. */
export async function receiveRound(context: ReceiveLoopContext): Promise<number> {
  const { ports, daemon, report } = context;
  context.watch();
  const watch = { clock: ports.clock, report, signal: context.signal };
  const received = await measured(
    watch,
    "git_pull",
    () => receiveMessages(ports, { timeoutMs: FETCH_TIMEOUT_MS, signal: context.signal }),
    (looked) =>
      looked.ok
        ? { success: true, metadata: { lines: looked.value.acceptedLines } }
        : { success: false, metadata: { failure: looked.error.kind } },
  );
  if (!received.ok) return trouble(context, received.error.detail);
  context.watch();
  daemon.lastFetchWallMs = ports.clock.wallMs();
  if (daemon.noteSuccess("fetch")) {
    report({ kind: "recovered", during: "fetch" });
    // What waits for the remote need not wait for its own retry.
    daemon.pushBell.ring();
  }
  const { acceptedLines, quarantined, cardsTaken, ownRefBehind } = received.value;
  if (quarantined > 0) report({ kind: "quarantined", count: quarantined });
  if (ownRefBehind) daemon.wantCard(0);
  const handled = await measured(
    watch,
    "handle",
    () => answerMessages(ports, context.answers()),
    (all) => (all.length === 0 ? null : { success: true, metadata: { messages: all.length } }),
  );
  for (const one of handled) report({ kind: "message", handled: one });
  noteHandled(daemon, handled);
  if (acceptedLines + quarantined + cardsTaken + handled.length > 0) daemon.bump();
  return jittered(ports, pauseMs(context));
}

/** A remote that is a folder is watched and needs no more looks than usual. */
function pauseMs({ ports, daemon, settings }: ReceiveLoopContext): number {
  const { interval: intervalMs } = settings();
  if (ports.remote.folder !== null || !daemon.inConversation) return intervalMs;
  const servers = listPeers(ports.state).length + 1;
  return Math.min(intervalMs, Math.max(CONVERSATION_MS, servers * CONVERSATION_MS_PER_SERVER));
}

/** Senders of direct messages, and of those that ask for an ack, may be waiting to see that they arrived. */
function noteHandled(daemon: DaemonState, handled: readonly HandledMessage[]): void {
  const replies = handled.filter((one) => one.replyId !== null).length;
  daemon.autoReplies += replies;
  if (replies > 0) daemon.pushBell.ring();
  if (handled.some((one) => one.act === "ack")) daemon.wantReceipts(0);
  if (handled.some((one) => one.act === "run")) daemon.handlerBell.ring();
  const awaited = handled.some((one) => one.direct || one.message.ack_required === true);
  if (awaited) daemon.wantCard(CARD_WITHIN_MS);
  if (handled.some((one) => one.direct && one.silence !== "history")) daemon.noteConversation();
}

function trouble({ ports, daemon, report, signal }: ReceiveLoopContext, detail: string): number {
  // A git that was ended because the daemon ends says nothing about the remote.
  if (signal.aborted) return 0;
  const { count, tell } = daemon.noteTrouble("fetch", detail);
  const retryMs = jittered(ports, Math.min(RETRY_MS_MAX, RETRY_MS_FIRST * 2 ** Math.min(count - 1, 10)));
  if (tell) report({ kind: "trouble", during: "fetch", detail: messageOf(detail), retryMs });
  return retryMs;
}

/** Up to a tenth more or less, so that a fleet does not ask its remote in step. */
function jittered(ports: ReceivePorts, durationMs: number): number {
  const [byte = 128] = ports.cryptography.randomBytes(1);
  return durationMs * (0.9 + (0.2 * byte) / 255);
}
