import type { RemoteFailure, RemoteOptions } from "../../base/ports/git-remote.ts";
import type { Result } from "../../base/result.ts";
import {
  type AnswerSettings,
  answerMessages,
  type HandledMessage,
} from "../../fleet/messaging/answer-messages.ts";
import type { ReceivePorts } from "../../fleet/messaging/mailbox-ports.ts";
import { listPeers } from "../../fleet/messaging/peers.ts";
import { type OwnRefs, type ReceiveReport, receiveMessages } from "../../fleet/messaging/receive-messages.ts";
import type { OwnRefsWatch } from "../../fleet/messaging/watch-own-refs.ts";
import type { ServerSettings } from "../../fleet/settings/model.ts";
import { jitteredMs } from "../../resilience/backoff.ts";
import type { DaemonState } from "../daemon-state.ts";
import type { Report } from "../events.ts";
import { measured } from "../measured.ts";
import type { RemoteGate } from "../remote-gate.ts";

/** Cursors are on the remote this soon after a message that somebody may wait for; below the 2 s of the format. */
const CARD_WITHIN_MS = 200;

/** At least so long between two looks for each server, since hosts bound what a whole fleet may ask (15 a second). */
const LOOK_MS_PER_SERVER = 100;

/** What the receive loop works with. */
export interface ReceiveLoopContext {
  readonly ports: ReceivePorts;
  readonly daemon: DaemonState;
  readonly gate: RemoteGate;
  readonly answers: () => AnswerSettings;
  readonly settings: () => ServerSettings;
  readonly report: Report;
  readonly signal: AbortSignal;
  readonly ownRefs: Pick<OwnRefsWatch, "look">;
  /**
   * Watches what can be watched of the remote. Called before a look, so that nothing falls between look and watch, and
   * after one that reached the remote, when there may be new folders.
   */
  readonly watch: () => void;
}

/** One look at the remote and what follows from it. Answers how long to wait for the next, ms. */
export async function receiveRound(context: ReceiveLoopContext): Promise<number> {
  const { ports, daemon, gate, signal } = context;
  context.watch();
  const startedMonoMs = ports.clock.monotonicMs();
  const signals = { work: signal, stop: signal };
  const cycle = await gate.run("fetch", (options) => look(context, options), signals);
  if (cycle.status === "waiting") return cycle.pauseMs;
  context.watch();
  daemon.lastFetchWallMs = ports.clock.wallMs();
  await takeIn(context, cycle.value, startedMonoMs);
  return jittered(ports, pauseMs(context));
}

const look = (
  { ports, report, signal }: ReceiveLoopContext,
  options: RemoteOptions,
): Promise<Result<ReceiveReport, RemoteFailure>> =>
  measured(
    { clock: ports.clock, report, signal },
    "git_pull",
    () => receiveMessages(ports, options),
    (looked) =>
      looked.ok
        ? { success: true, metadata: { lines: looked.value.acceptedLines } }
        : { success: false, metadata: { failure: looked.error.kind } },
  );

async function takeIn(
  context: ReceiveLoopContext,
  received: ReceiveReport,
  startedMonoMs: number,
): Promise<void> {
  const { ports, daemon, report, signal } = context;
  const { acceptedLines, quarantined, cardsTaken } = received;
  if (quarantined > 0) report({ kind: "quarantined", count: quarantined });
  if (acceptedLines > 0) daemon.noteArrival();
  await watchOwnRefs(context, received.own, startedMonoMs);
  if (!daemon.mayAct) {
    if (acceptedLines + quarantined + cardsTaken > 0) daemon.bump();
    return;
  }
  const handled = await measured(
    { clock: ports.clock, report, signal },
    "handle",
    () => handleAll(context),
    (messages) => (messages === 0 ? null : { success: true, metadata: { messages } }),
  );
  if (acceptedLines + quarantined + cardsTaken + handled > 0) daemon.bump();
}

/** Handles what is pending; answers how many messages it was. */
async function handleAll({ ports, daemon, answers, report, signal }: ReceiveLoopContext): Promise<number> {
  let count = 0;
  for (const handled of answerMessages(ports, answers())) {
    for (const one of handled) report({ kind: "message", handled: one });
    noteHandled(daemon, handled);
    count += handled.length;
    // A catch-up of many messages keeps no command and no other loop waiting.
    await ports.clock.sleep(0, signal).catch(() => undefined);
    if (signal.aborted) break;
  }
  return count;
}

/** Before anything is done by itself: does anybody else write what only this server may? */
async function watchOwnRefs(context: ReceiveLoopContext, own: OwnRefs, startedMonoMs: number): Promise<void> {
  const { ports, daemon, report } = context;
  const nowMonoMs = ports.clock.monotonicMs();
  const look = await context.ownRefs.look(own, { nowMonoMs, silentMs: silentMs(context) });
  for (const text of look.notices) report({ kind: "notice", text });
  const why = look.held?.detail ?? null;
  if (look.held !== null && why !== daemon.held) {
    report({ kind: "held", reason: look.held.kind, detail: look.held.detail });
  }
  if (why !== daemon.held) daemon.bump();
  daemon.held = why;
  if (!daemon.mayAct && why === null) {
    daemon.handlerBell.ring();
    // What was queued meanwhile waits for nothing any more.
    daemon.pushBell.ring();
  }
  daemon.mayAct = why === null;
  // What was pushed while this look was under way may not have been in it yet.
  if (look.wantsPush && (daemon.lastPushMonoMs ?? -1) < startedMonoMs) daemon.wantCard(0);
}

/** Whoever lives shows itself once a heartbeat; two of them missed is silence. */
function silentMs({ ports, gate, settings }: ReceiveLoopContext): number {
  const { idle, every } = settings().heartbeat;
  return 2 * Math.max(idle, every, gate.budget.heartbeatMs(listPeers(ports.state).length + 1));
}

/**
 * A remote that is a folder is watched, so a conversation needs no more looks than usual there. Nobody looks more often
 * than a fleet of this size may, and a long silence makes looks rarer, never more frequent than the operator wants them.
 */
function pauseMs({ ports, daemon, settings }: ReceiveLoopContext): number {
  const { interval, poll } = settings();
  const isFolder = ports.remote.folder !== null;
  const leastMs = isFolder ? 0 : (listPeers(ports.state).length + 1) * LOOK_MS_PER_SERVER;
  if (!isFolder && daemon.inConversation) return Math.max(Math.min(interval, poll.conversation), leastMs);
  const isIdle = daemon.quietMs >= poll.idle_after;
  return Math.max(interval, isIdle ? poll.idle : 0, leastMs);
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

/** Up to a tenth more or less, so that a fleet does not ask its remote in step. */
function jittered(ports: ReceivePorts, durationMs: number): number {
  const [byte = 128] = ports.cryptography.randomBytes(1);
  return jitteredMs(durationMs, byte / 256);
}
