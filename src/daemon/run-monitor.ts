/**
 * The daemon of one server: takes its lock, opens its socket, runs its loops, and stops in a written order
 * (listeners, loops, a last push, databases).
 */
import { FleetError, messageOf } from "../base/errors.ts";
import { setOwnGroups } from "../fleet/messaging/own-groups.ts";
import { renewRun } from "../fleet/messaging/publish-card.ts";
import { restoreObjects } from "../fleet/messaging/restore-objects.ts";
import { setTrustPolicy } from "../fleet/messaging/trust.ts";
import { OwnRefsWatch } from "../fleet/messaging/watch-own-refs.ts";
import { readBoot } from "../platform/boot.ts";
import { clearAbandonedLocks } from "../platform/git/clear-locks.ts";
import { openHandlerRunner } from "../platform/handler-process.ts";
import { forgetHangups, onHangup } from "../platform/hangup.ts";
import type { Inherited } from "../platform/kept-files.ts";
import { ownCall } from "../platform/own-process.ts";
import { tryLock, writeHolder } from "../platform/process-lock.ts";
import { clearSocket } from "../platform/socket.ts";
import { auditRound } from "./audit-own-log.ts";
import { openControl } from "./control.ts";
import { DaemonState } from "./daemon-state.ts";
import type { MonitorEvent } from "./events.ts";
import { findHolder } from "./find-holder.ts";
import type { Successor } from "./find-successor.ts";
import { handOver } from "./hand-over.ts";
import { Bell, runLoop } from "./loop.ts";
import { contextOf, healthContext, maintenanceContext, pushContext } from "./loop-contexts.ts";
import { HandlerWork } from "./loops/handler-loop.ts";
import { healthRound } from "./loops/health-loop.ts";
import { maintenanceRound } from "./loops/maintenance-loop.ts";
import { pushRound } from "./loops/push-loop.ts";
import { receiveRound } from "./loops/receive-loop.ts";
import { type Mending, mendWhileRunning } from "./mend-while-running.ts";
import type { MonitorContext, MonitorOptions } from "./monitor-context.ts";
import { MonitorLocks } from "./monitor-locks.ts";
import { type Observed, observe } from "./observe.ts";
import { openGate } from "./open-gate.ts";
import type { Mailbox } from "./open-mailbox.ts";
import { settleKeysWhenDue } from "./own-keys.ts";
import { answerLast, Reexec } from "./reexec.ts";
import { reloadConfiguration } from "./reload-configuration.ts";
import { MachineSupervision } from "./supervision/supervise.ts";
import { createRemoteWatch } from "./watch-remote.ts";
import { withGrace } from "./with-grace.ts";

/** A push at the end is worth this much waiting. */
const LAST_PUSH_TIMEOUT_MS = 5_000;

/**
 * Runs the daemon until `signal` aborts, and answers null. Where it was to become another program and could not, it
 * answers what the next monitor in this process has to be given; `mailbox` is closed then.
 * @throws FleetError UNAVAILABLE with the holder's pid and start when a daemon of this server runs already
 */
export async function runMonitor(mailbox: Mailbox, given: MonitorOptions): Promise<Inherited | null> {
  const locks = MonitorLocks.take(mailbox.paths, given.inherited);
  if (locks === null) throw await alreadyRunning(mailbox);
  const stop = new AbortController();
  const signal = AbortSignal.any([given.signal, stop.signal]);
  let observed: Observed | null = null;
  let isReady = false;
  let next: Inherited | null = null;
  try {
    observed = observe(mailbox, given);
    const mending = mendWhileRunning(mailbox, { signal, report: observed.report, end: () => stop.abort() });
    await mending.prepare();
    const options: MonitorOptions = { ...given, report: mending.report };
    const context = await openContext({ mailbox, options, locks, signal, stop: () => stop.abort() });
    const { supervision, reexec } = context;
    await supervision.begin();
    // What nobody took by now was of a part that is not there any more.
    given.inherited?.closeRest();
    const onReady = (): void => {
      isReady = true;
    };
    await serve(context, mending, { onReady, stop: () => stop.abort() });
    if (reexec.successor !== null && !given.signal.aborted) {
      mending.throwIfLost();
      await mailbox.closeStore();
      next = await becomeNext(context, observed, reexec.successor);
      observed = null;
      return next;
    }
    await supervision.close();
    mending.throwIfLost();
    await pushLast(context);
    return null;
  } catch (thrown) {
    // What ends because it was told to is no crash, and what never began is the command's to tell.
    if (isReady && !signal.aborted) observed?.report({ kind: "crashed", detail: messageOf(thrown) });
    throw thrown;
  } finally {
    stop.abort();
    observed?.close();
    if (next === null) locks.release();
  }
}

/** Puts this server in order and makes what the parts of its monitor share. */
async function openContext(given: {
  readonly mailbox: Mailbox;
  readonly options: MonitorOptions;
  readonly locks: MonitorLocks;
  readonly signal: AbortSignal;
  readonly stop: () => void;
}): Promise<MonitorContext> {
  const { mailbox, options, locks, signal, stop } = given;
  const { paths, state } = mailbox;
  const { settings, report, version, check } = options;
  const [{ machine }, { server }] = [locks, mailbox.identity];
  const sendPorts = await mailbox.sendPorts();
  const daemon = new DaemonState(sendPorts.clock, settings);
  // Another machine may have done what is still to do here: that is known after the first look.
  daemon.mayAct = false;
  const { startedWallMs } = daemon;
  const network = mailbox.networkCheck();
  const gate = openGate({ ports: sendPorts, daemon, check: network, boot: readBoot, settings, report });
  machine.holds();
  writeHolder(paths.daemonLock, { pid: process.pid, startedWallMs });
  clearAbandonedLocks(paths.store, startedWallMs);
  restoreObjects(sendPorts);
  state.transaction(() => renewRun(sendPorts));
  setOwnGroups(state, settings().groups);
  setTrustPolicy(state, settings().trust);
  await settleKeysWhenDue(mailbox);
  return {
    mailbox,
    daemon,
    gate,
    machine,
    supervision: new MachineSupervision({ mailbox, daemon, machine, options, sendPorts, signal }),
    reexec: new Reexec({ version, server, startedWallMs, check, files: () => locks.files(), stop, signal }),
    sendPorts,
    receivePorts: mailbox.receivePorts(),
    options,
    signal,
    pushSignal: withGrace(signal, () => (daemon.trouble === null ? LAST_PUSH_TIMEOUT_MS : 0)),
  };
}

/** Listens and runs the loops until they are told to end. */
async function serve(
  context: MonitorContext,
  mending: Mending,
  { onReady, stop }: { readonly onReady: () => void; readonly stop: () => void },
): Promise<void> {
  const { mailbox, daemon, options, reexec } = context;
  const control = openControl(context);
  // What is wrong with the configuration is an event already.
  const reload = (): void => void reloadConfiguration(context).catch(() => undefined);
  const stopListening = onHangup({ reload, terminalClosed: stop });
  try {
    for (const event of beginning(context)) options.report(event);
    onReady();
    daemon.wantCard(0);
    await runLoops(context, mending);
    const { successor } = reexec;
    const [from, to] = [options.version, successor?.version];
    options.report(to === undefined ? { kind: "stopping" } : { kind: "reexec", state: "begins", from, to });
    if (successor !== null) {
      forgetHangups();
      await answerLast(control, mailbox.paths.socket);
    }
  } finally {
    stopListening();
    await control.stop();
    clearSocket(mailbox.paths.socket);
  }
}

/** Ready, and what became of a replacement in place. */
function beginning(context: MonitorContext): MonitorEvent[] {
  const { inherited, version: to } = context.options;
  const ready = readyEvent(context);
  if (inherited === null) return [ready];
  const { from, failed: detail } = inherited;
  const became: MonitorEvent =
    detail === null
      ? { kind: "reexec", state: "done", from, to }
      : { kind: "reexec", state: "failed", detail };
  return [became, ready];
}

/** From here to the other program nothing is waited for but what is done already: see `reexec.ts`. */
async function becomeNext(
  { supervision, mailbox, reexec }: MonitorContext,
  observed: Observed,
  successor: Successor,
): Promise<Inherited> {
  supervision.letGo();
  observed.close();
  await mailbox.close();
  return reexec.become(successor);
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
