/** What each loop of a monitor is given of what its parts share. */
import { dirname } from "node:path";
import { ok } from "../base/result.ts";
import type { AnswerSettings } from "../fleet/messaging/answer-messages.ts";
import { replyBudgets } from "../fleet/messaging/decide-reply.ts";
import { noteLook } from "../fleet/messaging/last-look.ts";
import { embeddedRemotePath } from "../platform/paths.ts";
import { tryLock } from "../platform/process-lock.ts";
import { daemonStatus } from "./control.ts";
import { gatherHealth } from "./health-facts.ts";
import type { HealthLoopContext } from "./loops/health-loop.ts";
import type { MaintenanceContext } from "./loops/maintenance-loop.ts";
import type { PushLoopContext } from "./loops/push-loop.ts";
import type { MonitorContext } from "./monitor-context.ts";
import { settleKeysWhenDue } from "./own-keys.ts";
import { serverFacts } from "./server-facts.ts";
import { renderStatusReply } from "./status-reply.ts";

/** Of whatever answers messages. */
export function contextOf({ daemon, mailbox, options, signal, receivePorts }: MonitorContext) {
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

/** Of the loop that pushes. */
export function pushContext(context: MonitorContext): PushLoopContext {
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

/** Of the loop that judges. */
export function healthContext(context: MonitorContext): HealthLoopContext {
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

/** Of the loop that tidies. */
export function maintenanceContext(context: MonitorContext): MaintenanceContext {
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
