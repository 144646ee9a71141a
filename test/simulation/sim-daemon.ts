/**
 * The daemon of a simulated machine: fleetd's own loops, gate, breaker and handlers, put together as
 * src/daemon/run-monitor.ts does, with simulated parts where that one opens files and sockets.
 */

import { messageOf } from "../../src/base/errors.ts";
import type { HandlerRunner } from "../../src/base/ports/handler-runner.ts";
import type { Lock } from "../../src/base/ports/lock.ts";
import type { NetworkCheck } from "../../src/base/ports/network-check.ts";
import { DaemonState } from "../../src/daemon/daemon-state.ts";
import type { MonitorEvent } from "../../src/daemon/events.ts";
import { runLoop } from "../../src/daemon/loop.ts";
import { HandlerWork } from "../../src/daemon/loops/handler-loop.ts";
import {
  heartbeatDueMs,
  LOOK_MS,
  type PushLoopContext,
  pushRound,
} from "../../src/daemon/loops/push-loop.ts";
import { type ReceiveLoopContext, receiveRound } from "../../src/daemon/loops/receive-loop.ts";
import { openGate } from "../../src/daemon/open-gate.ts";
import type { RemoteGate } from "../../src/daemon/remote-gate.ts";
import { serverFacts } from "../../src/daemon/server-facts.ts";
import { renderStatusReply } from "../../src/daemon/status-reply.ts";
import { replyBudgets } from "../../src/fleet/messaging/decide-reply.ts";
import { nextRun } from "../../src/fleet/messaging/handler-runs.ts";
import type { ReceivePorts, SendPorts } from "../../src/fleet/messaging/mailbox-ports.ts";
import { hasQueued, untilQueuedDue } from "../../src/fleet/messaging/outbox.ts";
import { setOwnGroups } from "../../src/fleet/messaging/own-groups.ts";
import { renewRun } from "../../src/fleet/messaging/publish-card.ts";
import { restoreObjects } from "../../src/fleet/messaging/restore-objects.ts";
import { OwnRefsWatch } from "../../src/fleet/messaging/watch-own-refs.ts";
import type { ServerSettings } from "../../src/fleet/settings/model.ts";
import type { Boot } from "../../src/resilience/saved-breaker.ts";

const VERSION = "1.0.0";
/** A pause that something will end; longer than any run. */
const LONG_MS = 1_000 * 3_600_000;

/** What a daemon is put together from. */
export interface DaemonParts {
  readonly sendPorts: SendPorts;
  readonly receivePorts: ReceivePorts;
  readonly check: NetworkCheck;
  readonly runner: HandlerRunner;
  readonly settings: ServerSettings;
  readonly takeFlushLock: () => Lock | null;
  readonly boot: () => Boot;
  readonly report: (event: MonitorEvent) => void;
  /** How often the remote changed, or the way to it: a look finds the same as long as this is the same. */
  readonly worldVersion: () => number;
  /** Rounds that can find nothing new are left out. */
  readonly skipsIdle: boolean;
  readonly autoReplies: boolean;
}

/** See the head of this file. */
export class SimDaemon {
  readonly state: DaemonState;
  readonly gate: RemoteGate;
  readonly #parts: DaemonParts;
  readonly #signal = new AbortController().signal;
  readonly #ownRefs: OwnRefsWatch;
  /** Since when looks at the remote are left out, and how far apart they would be. */
  #idle: { readonly sinceMs: number; readonly pauseMs: number } | null = null;

  constructor(parts: DaemonParts) {
    const { sendPorts, check, boot, report } = parts;
    const settings = () => parts.settings;
    this.#parts = parts;
    this.#ownRefs = new OwnRefsWatch(parts.receivePorts, parts.takeFlushLock);
    this.state = new DaemonState(sendPorts.clock, settings);
    this.state.mayAct = false;
    this.gate = openGate({ ports: sendPorts, daemon: this.state, check, boot, settings, report });
  }

  /** Never returns, as a daemon that nobody stops. */
  async run(): Promise<void> {
    const { sendPorts, receivePorts, settings, runner, report } = this.#parts;
    const { state, clock } = sendPorts;
    restoreObjects(sendPorts);
    state.transaction(() => renewRun(sendPorts));
    setOwnGroups(state, settings.groups);
    this.state.wantCard(0);
    const work = new HandlerWork({
      ports: receivePorts,
      daemon: this.state,
      runner,
      settings: () => settings,
      report,
      signal: this.#signal,
    });
    const onError = (thrown: unknown): void => report({ kind: "failed", detail: messageOf(thrown) });
    const loop = { clock, signal: this.#signal, onError };
    const { pushBell, receiveBell, handlerBell } = this.state;
    await Promise.all([
      runLoop({ ...loop, round: () => this.#push(), bell: pushBell }),
      runLoop({ ...loop, round: () => this.#receive(), bell: receiveBell }),
      work.recover().then(() => runLoop({ ...loop, round: () => this.#handle(work), bell: handlerBell })),
    ]);
  }

  /** How long until the look at the remote that would have been next, ms; null when looks are not left out. */
  untilNextLookMs(nowMs: number): number | null {
    if (this.#idle === null) return null;
    const { sinceMs, pauseMs } = this.#idle;
    return sinceMs + Math.max(1, Math.ceil((nowMs - sinceMs) / pauseMs)) * pauseMs - nowMs;
  }

  async #receive(): Promise<number> {
    const { sendPorts, worldVersion, skipsIdle } = this.#parts;
    this.#idle = null;
    const version = worldVersion();
    const pauseMs = await receiveRound(this.#receiveContext());
    // Who is held, or in trouble, waits for time to pass.
    const isWell = this.gate.down === null && this.gate.breaker.kind === "closed";
    const isCalm = isWell && this.state.mayAct && this.state.held === null;
    if (!skipsIdle || !isCalm || version !== worldVersion() || pauseMs <= 0) return pauseMs;
    this.#idle = { sinceMs: sendPorts.clock.monotonicMs(), pauseMs };
    return LONG_MS;
  }

  async #push(): Promise<number> {
    const { sendPorts, skipsIdle, settings } = this.#parts;
    const pauseMs = await pushRound(this.#pushContext());
    if (!skipsIdle || pauseMs !== LOOK_MS || this.state.held !== null) return pauseMs;
    // Nothing is due before the next look at the outbox, and whatever comes into it rings.
    const { state, clock } = sendPorts;
    const nowMs = clock.monotonicMs();
    const context = { ports: sendPorts, daemon: this.state, gate: this.gate, settings: () => settings };
    const receiptsMs = hasQueued(state, "receipts", clock.wallMs())
      ? (this.state.receiptsDueMonoMs ?? 0)
      : null;
    const restMs = untilQueuedDue(state, clock.wallMs());
    const dues = [
      heartbeatDueMs(context),
      this.state.cardDueMonoMs,
      receiptsMs,
      restMs === null ? null : nowMs + restMs,
    ];
    return Math.max(pauseMs, Math.min(...dues.flatMap((due) => (due === null ? [] : [due - nowMs]))));
  }

  #handle(work: HandlerWork): Promise<number> {
    const { sendPorts, skipsIdle } = this.#parts;
    const pauseMs = work.round();
    return Promise.resolve(skipsIdle && nextRun(sendPorts.state) === null ? LONG_MS : pauseMs);
  }

  #pushContext(): PushLoopContext {
    const { sendPorts, settings, takeFlushLock, report } = this.#parts;
    return {
      ports: sendPorts,
      daemon: this.state,
      gate: this.gate,
      takeFlushLock,
      facts: () => serverFacts(VERSION, settings, null),
      rules: () => settings,
      settings: () => settings,
      report,
      signal: this.#signal,
      stop: this.#signal,
    };
  }

  #receiveContext(): ReceiveLoopContext {
    const { receivePorts, settings, report, autoReplies } = this.#parts;
    const { auto_reply, rules, handlers } = settings;
    const { status: defaultRule, ...counts } = auto_reply;
    const { identity } = receivePorts;
    const statusText = (): string =>
      renderStatusReply({ identity, daemon: this.state, version: VERSION, ports: receivePorts });
    return {
      ports: receivePorts,
      daemon: this.state,
      gate: this.gate,
      answers: () => ({
        enabled: autoReplies,
        defaultRule,
        rules: autoReplies ? rules : [],
        openMax: handlers.queue,
        budgets: replyBudgets(counts),
        statusText,
      }),
      settings: () => settings,
      report,
      signal: this.#signal,
      ownRefs: this.#ownRefs,
      watch: () => undefined,
    };
  }
}
