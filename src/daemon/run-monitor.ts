/**
 * The daemon of one server: takes its lock, opens its socket, runs its loops, and stops in a written order
 * (listeners, loops, a last push, databases).
 */
import { dirname } from "node:path";
import { FleetError, messageOf } from "../base/errors.ts";
import { ok } from "../base/result.ts";
import type { AnswerSettings } from "../fleet/messaging/answer-messages.ts";
import { replyBudgets } from "../fleet/messaging/decide-reply.ts";
import { noteLook } from "../fleet/messaging/last-look.ts";
import { setOwnGroups } from "../fleet/messaging/own-groups.ts";
import { renewRun } from "../fleet/messaging/publish-card.ts";
import { restoreObjects } from "../fleet/messaging/restore-objects.ts";
import { setTrustPolicy } from "../fleet/messaging/trust.ts";
import { OwnRefsWatch } from "../fleet/messaging/watch-own-refs.ts";
import { readBoot } from "../platform/boot.ts";
import { clearAbandonedLocks } from "../platform/git/clear-locks.ts";
import { openHandlerRunner } from "../platform/handler-process.ts";
import { onHangup } from "../platform/hangup.ts";
import { tryKeepableLock } from "../platform/kept-lock.ts";
import { ownCall } from "../platform/own-process.ts";
import { embeddedRemotePath } from "../platform/paths.ts";
import { tryLock, writeHolder } from "../platform/process-lock.ts";
import { clearSocket } from "../platform/socket.ts";
import { auditRound } from "./audit-own-log.ts";
import { daemonStatus, openControl } from "./control.ts";
import { DaemonState } from "./daemon-state.ts";
import type { MonitorEvent } from "./events.ts";
import { findHolder } from "./find-holder.ts";
import { handOver } from "./hand-over.ts";
import { gatherHealth } from "./health-facts.ts";
import { Bell, runLoop } from "./loop.ts";
import { HandlerWork } from "./loops/handler-loop.ts";
import { type HealthLoopContext, healthRound } from "./loops/health-loop.ts";
import { type MaintenanceContext, maintenanceRound } from "./loops/maintenance-loop.ts";
import { type PushLoopContext, pushRound } from "./loops/push-loop.ts";
import { receiveRound } from "./loops/receive-loop.ts";
import { MachineRole } from "./machine-role.ts";
import { type Mending, mendWhileRunning } from "./mend-while-running.ts";
import type { MonitorContext, MonitorOptions } from "./monitor-context.ts";
import { type Observed, observe } from "./observe.ts";
import { openGate } from "./open-gate.ts";
import type { Mailbox } from "./open-mailbox.ts";
import { settleKeysWhenDue } from "./own-keys.ts";
import { reloadConfiguration } from "./reload-configuration.ts";
import { serverFacts } from "./server-facts.ts";
import { renderStatusReply } from "./status-reply.ts";
import { MachineSupervision } from "./supervision/supervise.ts";
import { createRemoteWatch } from "./watch-remote.ts";

/** A push at the end is worth this much waiting. */
const LAST_PUSH_TIMEOUT_MS = 5_000;

/**
 * Runs the daemon until `signal` aborts.
 * @throws FleetError UNAVAILABLE with the holder's pid and start when a daemon of this server runs already
 */
export async function runMonitor(mailbox: Mailbox, given: MonitorOptions): Promise<void> {
  const lock = tryKeepableLock(mailbox.paths.daemonLock);
  if (lock === null) throw await alreadyRunning(mailbox);
  const stop = new AbortController();
  const machine = new MachineRole(mailbox.paths.machineLock);
  const signal = AbortSignal.any([given.signal, stop.signal]);
  let observed: Observed | null = null;
  let isReady = false;
  try {
    observed = observe(mailbox, given);
    const mending = mendWhileRunning(mailbox, { signal, report: observed.report, end: () => stop.abort() });
    await mending.prepare();
    const sendPorts = await mailbox.sendPorts();
    const options: MonitorOptions = { ...given, report: mending.report };
    const daemon = new DaemonState(sendPorts.clock, options.settings);
    // Another machine may have done what is still to do here: that is known after the first look.
    daemon.mayAct = false;
    const { settings, report } = options;
    const check = mailbox.networkCheck();
    const gate = openGate({ ports: sendPorts, daemon, check, boot: readBoot, settings, report });
    machine.holds();
    writeHolder(mailbox.paths.daemonLock, { pid: process.pid, startedWallMs: daemon.startedWallMs });
    clearAbandonedLocks(mailbox.paths.store, daemon.startedWallMs);
    restoreObjects(sendPorts);
    mailbox.state.transaction(() => renewRun(sendPorts));
    setOwnGroups(mailbox.state, options.settings().groups);
    setTrustPolicy(mailbox.state, options.settings().trust);
    await settleKeysWhenDue(mailbox);
    const pushSignal = withGrace(signal, () => (daemon.trouble === null ? LAST_PUSH_TIMEOUT_MS : 0));
    const supervision = new MachineSupervision({ mailbox, daemon, machine, options, sendPorts, signal });
    const context: MonitorContext = {
      mailbox,
      daemon,
      gate,
      machine,
      supervision,
      sendPorts,
      receivePorts: mailbox.receivePorts(),
      options,
      signal,
      pushSignal,
    };
    await supervision.begin();
    const control = openControl(context);
    // What is wrong with the configuration is an event already.
    const reload = (): void => void reloadConfiguration(context).catch(() => undefined);
    const stopListening = onHangup({ reload, terminalClosed: () => stop.abort() });
    try {
      options.report(readyEvent(context));
      isReady = true;
      daemon.wantCard(0);
      await runLoops(context, mending);
      options.report({ kind: "stopping" });
    } finally {
      stopListening();
      await control.stop();
      clearSocket(mailbox.paths.socket);
    }
    await supervision.close();
    mending.throwIfLost();
    await pushLast(context);
  } catch (thrown) {
    // What ends because it was told to is no crash, and what never began is the command's to tell.
    if (isReady && !signal.aborted) observed?.report({ kind: "crashed", detail: messageOf(thrown) });
    throw thrown;
  } finally {
    stop.abort();
    observed?.close();
    machine.release();
    lock.release();
  }
}

function readyEvent({ mailbox, sendPorts, options }: MonitorContext): MonitorEvent {
  const { interval, auto_reply, log, groups } = options.settings();
  return {
    kind: "ready",
    socket: mailbox.paths.socket,
    remote: sendPorts.remote.displayUrl,
    version: options.version,
    pid: process.pid,
    settings: { intervalMs: interval, autoReply: auto_reply.enabled, logLevel: log.level, groups },
  };
}

async function alreadyRunning(mailbox: Mailbox): Promise<FleetError> {
  const [holder] = await Promise.all([
    findHolder(mailbox.paths.daemonLock),
    handOver(mailbox.paths.socket, ownCall()),
  ]);
  const who =
    holder === null
      ? "pid unknown"
      : `pid ${holder.pid}, since ${new Date(holder.startedWallMs).toISOString()}`;
  return new FleetError(
    "UNAVAILABLE",
    `Cannot start the monitor of "${mailbox.identity.server}": already running (${who})`,
  );
}

async function runLoops(context: MonitorContext, mending: Mending): Promise<void> {
  const { daemon, sendPorts, receivePorts, options, signal } = context;
  const { clock } = sendPorts;
  const { onError } = mending;
  mending.keeper.onMended = () => {
    daemon.receiveBell.ring();
    daemon.pushBell.ring();
  };
  const watch = openWatch(context);
  const receive = {
    ...contextOf(context),
    gate: context.gate,
    ports: receivePorts,
    settings: options.settings,
    ownRefs: new OwnRefsWatch(receivePorts, () => tryLock(context.mailbox.paths.flushLock)),
    watch: watch.refresh,
  };
  const push = pushContext(context);
  const maintenance = maintenanceContext(context);
  const health = healthContext(context);
  const audit = { ...maintenance, daemon, folder: context.mailbox.paths.folder };
  try {
    // Before the first push, so that its card says how the server is.
    const pauseFirstMs = await healthRound(health);
    const judge = (): Promise<number> => healthRound(health);
    await Promise.all([
      runLoop({ round: () => pushRound(push), bell: daemon.pushBell, clock, signal, onError }),
      runLoop({
        round: () => mending.receive(() => receiveRound(receive)),
        bell: daemon.receiveBell,
        clock,
        signal,
        onError,
      }),
      runLoop({ round: () => mending.keeper.round(), bell: mending.keeper.bell, clock, signal, onError }),
      runLoop({ round: () => maintenanceRound(maintenance), bell: new Bell(), clock, signal, onError }),
      runLoop({ round: judge, bell: new Bell(), clock, signal, onError, pauseFirstMs }),
      runLoop({ round: () => auditRound(audit), bell: new Bell(), clock, signal, onError }),
      runHandlers(context, onError),
      context.supervision.run(onError),
    ]);
  } finally {
    watch.close();
  }
}

/** Running handlers get a moment to end when the daemon stops; what they come to is pushed with the last push. */
async function runHandlers(context: MonitorContext, onError: (thrown: unknown) => void): Promise<void> {
  const { daemon, mailbox, receivePorts, options, signal } = context;
  const { settings, report } = options;
  const work = new HandlerWork({
    ports: receivePorts,
    daemon,
    runner: openHandlerRunner(mailbox.paths.handlers),
    settings,
    report,
    signal: withGrace(signal, () => settings().handlers.grace),
  });
  await work.recover();
  const { clock } = receivePorts;
  const round = (): Promise<number> => Promise.resolve(work.round());
  await runLoop({ round, bell: daemon.handlerBell, clock, signal, onError });
  await work.finished();
}

function contextOf({ daemon, mailbox, options, signal, receivePorts }: MonitorContext) {
  const statusText = (): string =>
    renderStatusReply({ identity: mailbox.identity, daemon, version: options.version, ports: receivePorts });
  const answers = (): AnswerSettings => {
    const { auto_reply, rules, handlers } = options.settings();
    const { enabled, status: defaultRule, ...counts } = auto_reply;
    return {
      enabled,
      defaultRule,
      rules,
      openMax: handlers.queue,
      budgets: replyBudgets(counts),
      statusText,
    };
  };
  return { daemon, answers, report: options.report, signal };
}

function pushContext(context: MonitorContext): PushLoopContext {
  const { daemon, gate, mailbox, sendPorts, options, pushSignal, signal } = context;
  return {
    ports: sendPorts,
    daemon,
    gate,
    takeFlushLock: () => tryLock(mailbox.paths.flushLock),
    settleKeys: () => settleKeysWhenDue(mailbox),
    facts: () => serverFacts(options.version, options.settings(), daemon.health),
    rules: options.settings,
    settings: options.settings,
    report: options.report,
    signal: pushSignal,
    stop: signal,
  };
}

function healthContext(context: MonitorContext): HealthLoopContext {
  const { daemon, mailbox, options, sendPorts } = context;
  const { paths } = mailbox;
  return {
    clock: sendPorts.clock,
    daemon,
    gather: () => {
      const status = daemonStatus(context);
      return gatherHealth({ paths, mailbox: ok(mailbox), daemon: status, ask: null });
    },
    settings: options.settings,
    noteLook: (atWallMs) => noteLook(mailbox.state, atWallMs),
    report: options.report,
  };
}

function maintenanceContext(context: MonitorContext): MaintenanceContext {
  const { mailbox, machine, gate, daemon, sendPorts, receivePorts, options, signal } = context;
  const { paths, identity } = mailbox;
  const embedded = embeddedRemotePath(dirname(paths.folder));
  return {
    ports: { ...sendPorts, index: receivePorts.index },
    gate,
    storeFolder: paths.store,
    flushLock: paths.flushLock,
    embeddedRemote: () => (identity.remoteUrl === embedded && machine.holds() ? embedded : null),
    facts: () => serverFacts(options.version, options.settings(), daemon.health),
    settings: options.settings,
    startedMonoMs: sendPorts.clock.monotonicMs(),
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
  if (!context.pushSignal.aborted) await pushRound(pushContext(context));
}

/**
 * Aborts `graceMs` after `signal` does. A push that is ended in the middle may leave its lock on a folder remote, and
 * nobody could push for a minute; where the remote is in trouble already there is nothing to wait for.
 */
function withGrace(signal: AbortSignal, graceMs: () => number): AbortSignal {
  const late = new AbortController();
  const abortLater = (): void => {
    setTimeout(() => late.abort(signal.reason), graceMs()).unref();
  };
  // A signal that came while the daemon was starting rings no more.
  if (signal.aborted) abortLater();
  else signal.addEventListener("abort", abortLater, { once: true });
  return late.signal;
}
