/**
 * The daemon of one server: takes its lock, opens its socket, runs its two loops, and stops in a written order
 * (listeners, loops, a last push, databases).
 */
import { FleetError, messageOf, requireOk } from "../base/errors.ts";
import type { AnswerSettings } from "../fleet/messaging/answer-messages.ts";
import type { EntryDraft } from "../fleet/messaging/build-batch.ts";
import type { ReceivePorts, SendPorts } from "../fleet/messaging/mailbox-ports.ts";
import { findById } from "../fleet/messaging/mailbox-queries.ts";
import { markMessage } from "../fleet/messaging/mark-message.ts";
import { enqueue } from "../fleet/messaging/outbox.ts";
import { renewRun } from "../fleet/messaging/publish-card.ts";
import { restoreObjects } from "../fleet/messaging/restore-objects.ts";
import { draftMessage } from "../fleet/messaging/send-message.ts";
import type { DaemonStatus, MarkCall, SendAnswer, SendCall } from "../http/protocol.ts";
import { type ControlServer, startControlServer } from "../http/server/control-server.ts";
import { makePrivateFolder } from "../platform/files.ts";
import { readHolder, tryLock, writeHolder } from "../platform/process-lock.ts";
import { clearSocket } from "../platform/socket.ts";
import { DaemonState } from "./daemon-state.ts";
import type { Report } from "./events.ts";
import { runLoop } from "./loop.ts";
import { type PushLoopContext, pushRound } from "./loops/push-loop.ts";
import { receiveRound } from "./loops/receive-loop.ts";
import type { Mailbox } from "./open-mailbox.ts";
import { serverFacts } from "./server-facts.ts";
import { renderStatusReply } from "./status-reply.ts";
import { createRemoteWatch } from "./watch-remote.ts";

/** How a monitor runs. */
export interface MonitorOptions {
  readonly version: string;
  readonly intervalMs: number;
  readonly autoReply: Pick<AnswerSettings, "enabled" | "budgets">;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/** A push at the end is worth this much waiting. */
const LAST_PUSH_TIMEOUT_MS = 5_000;

/** Receipts may wait this long, on a remote that is asked over a network and on one that is a folder. */
const RECEIPTS_WITHIN_MS = { network: 30_000, folder: 1_000 };

/**
 * Runs the daemon until `signal` aborts.
 * @throws FleetError UNAVAILABLE with the holder's pid and start when a daemon of this server runs already
 */
export async function runMonitor(mailbox: Mailbox, options: MonitorOptions): Promise<void> {
  const lock = tryLock(mailbox.paths.daemonLock);
  if (lock === null) throw alreadyRunning(mailbox);
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  try {
    const sendPorts = await mailbox.sendPorts();
    const daemon = new DaemonState(sendPorts.clock);
    writeHolder(mailbox.paths.daemonLock, { pid: process.pid, startedWallMs: daemon.startedWallMs });
    restoreObjects(sendPorts);
    mailbox.state.transaction(() => renewRun(sendPorts));
    const context: MonitorContext = {
      mailbox,
      daemon,
      sendPorts,
      receivePorts: mailbox.receivePorts(),
      options,
      signal,
    };
    const control = openControl(context);
    try {
      options.report({ kind: "ready", socket: mailbox.paths.socket, remote: sendPorts.remote.displayUrl });
      daemon.wantCard(0);
      await runLoops(context);
      options.report({ kind: "stopping" });
    } finally {
      await control.stop();
      clearSocket(mailbox.paths.socket);
    }
    await pushLast(context);
  } finally {
    stop.abort();
    lock.release();
  }
}

interface MonitorContext {
  readonly mailbox: Mailbox;
  readonly daemon: DaemonState;
  readonly sendPorts: SendPorts;
  readonly receivePorts: ReceivePorts;
  readonly options: MonitorOptions;
  readonly signal: AbortSignal;
}

function alreadyRunning(mailbox: Mailbox): FleetError {
  const holder = readHolder(mailbox.paths.daemonLock);
  const who =
    holder === null
      ? "pid unknown"
      : `pid ${holder.pid}, since ${new Date(holder.startedWallMs).toISOString()}`;
  return new FleetError(
    "UNAVAILABLE",
    `Cannot start the monitor of "${mailbox.identity.server}": already running (${who})`,
  );
}

async function runLoops(context: MonitorContext): Promise<void> {
  const { daemon, sendPorts, receivePorts, options, signal } = context;
  const { clock } = sendPorts;
  const onError = (thrown: unknown): void => options.report({ kind: "failed", detail: messageOf(thrown) });
  const watch = openWatch(context);
  const receive = {
    ...contextOf(context),
    ports: receivePorts,
    intervalMs: options.intervalMs,
    onFetched: watch.refresh,
  };
  const push = pushContext(context, signal);
  try {
    await Promise.all([
      runLoop({ round: () => pushRound(push), bell: daemon.pushBell, clock, signal, onError }),
      runLoop({ round: () => receiveRound(receive), bell: daemon.receiveBell, clock, signal, onError }),
    ]);
  } finally {
    watch.close();
  }
}

function contextOf({ daemon, mailbox, options, signal, receivePorts }: MonitorContext) {
  const statusText = (): string =>
    renderStatusReply({ identity: mailbox.identity, daemon, version: options.version, ports: receivePorts });
  const answers: AnswerSettings = { ...options.autoReply, statusText };
  return { daemon, answers, report: options.report, signal };
}

function pushContext(
  { daemon, mailbox, sendPorts, options }: MonitorContext,
  signal: AbortSignal,
): PushLoopContext {
  const facts = serverFacts(options.version);
  return {
    ports: sendPorts,
    daemon,
    takeFlushLock: () => tryLock(mailbox.paths.flushLock),
    facts: () => facts,
    report: options.report,
    signal,
  };
}

function openWatch({ daemon, mailbox, sendPorts }: MonitorContext): {
  refresh: () => void;
  close: () => void;
} {
  const { folder } = sendPorts.remote;
  if (folder === null) return { refresh: () => undefined, close: () => undefined };
  const { namespace, server } = mailbox.identity;
  return createRemoteWatch({ folder, namespace, server }, () => daemon.receiveBell.ring());
}

/** What was accepted before the end is brought to the remote if that is quick; it is safe here in any case. */
async function pushLast(context: MonitorContext): Promise<void> {
  await pushRound(pushContext(context, AbortSignal.timeout(LAST_PUSH_TIMEOUT_MS)));
}

function openControl(context: MonitorContext): ControlServer {
  const { daemon, mailbox, options, signal } = context;
  makePrivateFolder(mailbox.paths.socketFolder);
  clearSocket(mailbox.paths.socket);
  const send = groupCommits(context);
  return startControlServer(mailbox.paths.socket, {
    status: () => statusOf(context),
    send,
    mark: (call) => ({ changed: mark(context, call) }),
    changes: async (call) => ({ revision: await daemon.waitForChange(call.since, call.timeoutMs, signal) }),
  });

  function statusOf({ mailbox: { identity } }: MonitorContext): DaemonStatus {
    return {
      pid: process.pid,
      version: options.version,
      server: identity.server,
      startedWallMs: daemon.startedWallMs,
      revision: daemon.revision,
      lastFetchWallMs: daemon.lastFetchWallMs,
      lastPushWallMs: daemon.lastPushWallMs,
      trouble: daemon.trouble,
      autoReplies: daemon.autoReplies,
    };
  }
}

/** Messages that arrive together share one wait for the disk. */
function groupCommits(context: MonitorContext): (call: SendCall) => Promise<SendAnswer> {
  const { daemon, mailbox, sendPorts } = context;
  let waiting: { draft: EntryDraft; resolve: (isNew: boolean) => void; reject: (thrown: unknown) => void }[] =
    [];
  const commit = (): void => {
    const group = waiting;
    waiting = [];
    try {
      const nowMs = sendPorts.clock.wallMs();
      const added = mailbox.state.transaction(() =>
        group.map(({ draft }) => enqueue(mailbox.state, draft, nowMs)),
      );
      for (const [position, { resolve }] of group.entries()) resolve(added[position] === true);
    } catch (thrown) {
      for (const { reject } of group) reject(thrown);
    }
    daemon.pushBell.ring();
  };
  return async (call) => {
    const from = {
      server: mailbox.identity.server,
      clock: sendPorts.clock,
      cryptography: sendPorts.cryptography,
    };
    const draft = requireOk("USAGE", draftMessage(call, from));
    const isNew = await new Promise<boolean>((resolve, reject) => {
      if (waiting.length === 0) setImmediate(commit);
      waiting.push({ draft, resolve, reject });
    });
    return { id: draft.id, isNew };
  };
}

function mark({ daemon, mailbox, sendPorts, receivePorts }: MonitorContext, call: MarkCall): boolean {
  const found = findById(receivePorts.index, call.id).find(({ message }) => message.from === call.from);
  if (found === undefined)
    throw new FleetError("BAD_INPUT", `Cannot mark message "${call.id}": it is not here`);
  const changed = markMessage({ ...sendPorts, state: mailbox.state }, found, call.state);
  if (changed) {
    const withinMs =
      sendPorts.remote.folder === null ? RECEIPTS_WITHIN_MS.network : RECEIPTS_WITHIN_MS.folder;
    daemon.wantReceipts(call.state === "acked" ? 0 : withinMs);
    daemon.bump();
  }
  return changed;
}
