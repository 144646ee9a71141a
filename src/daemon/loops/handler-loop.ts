/**
 * Gives messages to the operator's programs: takes what the journal says, starts as many at once as may be, and writes
 * down how each ended. Handlers never wait for each other, and what one of them does stops nobody else.
 */
import { messageOf } from "../../base/errors.ts";
import type { HandlerOutcome, HandlerRunner } from "../../base/ports/handler-runner.ts";
import { autoPause } from "../../fleet/messaging/auto-pause.ts";
import { replyBudgets } from "../../fleet/messaging/decide-reply.ts";
import { handlerInput, handlerText, handlerVariables } from "../../fleet/messaging/handler-message.ts";
import {
  type HandlerRun,
  messageOfRun,
  nextRun,
  noteProcess,
  type RunProcess,
  startedRuns,
  startRun,
} from "../../fleet/messaging/handler-runs.ts";
import type { ReceivePorts } from "../../fleet/messaging/mailbox-ports.ts";
import type { Rule } from "../../fleet/messaging/match-rules.ts";
import {
  decideRun,
  type RunOutcome,
  type RunPolicy,
  type Settled,
  settleRun,
} from "../../fleet/messaging/settle-run.ts";
import { trustOf } from "../../fleet/messaging/trust.ts";
import type { ServerSettings } from "../../fleet/settings/model.ts";
import type { DaemonState } from "../daemon-state.ts";
import type { Report } from "../events.ts";

/** The journal is looked at this often even if nobody rings: commands release runs and end pauses by themselves. */
const LOOK_MS = 1_000;
/** As `LOOK_MS` where no rule runs anything. */
const LOOK_MS_IDLE = 10_000;

/** A result that could not be written down (a full disk) is written down as soon as that works again. */
const WRITE_AGAIN_MS = 2_000;

/** No pause between attempts is longer; one that seems to be was left by a clock that was set back. */
const PAUSE_MS_MAX = 3_600_000;

/** What the handler loop works with. */
export interface HandlerLoopContext {
  readonly ports: ReceivePorts;
  readonly daemon: DaemonState;
  readonly runner: HandlerRunner;
  readonly settings: () => ServerSettings;
  readonly report: Report;
  /** Aborts when the daemon stops and running handlers had their time. */
  readonly signal: AbortSignal;
}

/** What was seen of a run: what it wrote to stderr, and when it began; null for one that this daemon did not start. */
interface Seen {
  readonly stderr: string;
  readonly startedMonoMs: number | null;
}

/** The handlers of one daemon. */
export class HandlerWork {
  readonly #context: HandlerLoopContext;
  readonly #active = new Map<string, Promise<void>>();

  constructor(context: HandlerLoopContext) {
    this.#context = context;
  }

  /**
   * Takes up what a daemon that died left: ends its processes, and lets each run wait or be parked as its rule says.
   * Whatever is in the way of that must not keep a daemon from starting, for ever.
   */
  async recover(): Promise<void> {
    const { ports } = this.#context;
    for (const run of startedRuns(ports.state)) {
      const wasAlive = await this.#endLeft(run.process);
      const how = wasAlive ? "the daemon died while it ran, so it was ended" : "the daemon died while it ran";
      await this.#settleSurely(run, { kind: "lost", how }, { stderr: "", startedMonoMs: null });
    }
  }

  async #endLeft(left: RunProcess): Promise<boolean> {
    const { runner, report } = this.#context;
    try {
      return await runner.endLeft(left);
    } catch (thrown) {
      report({ kind: "failed", detail: messageOf(thrown) });
      return false;
    }
  }

  /** Starts what is due. Answers how long to wait for the next look, ms. */
  round(): number {
    const { ports, daemon, settings } = this.#context;
    const { handlers, rules } = settings();
    if (!daemon.mayAct) return LOOK_MS_IDLE;
    for (;;) {
      const lookMs = rules.some((rule) => rule.run !== undefined) ? LOOK_MS : LOOK_MS_IDLE;
      if (this.#active.size >= handlers.concurrency) return lookMs;
      const nowWallMs = ports.clock.wallMs();
      const run = nextRun(ports.state);
      if (run === null || autoPause(ports.state, nowWallMs) !== null) return lookMs;
      const waitMs = run.attempts === 0 ? 0 : run.dueWallMs - nowWallMs;
      if (waitMs > 0 && waitMs <= PAUSE_MS_MAX) return Math.min(waitMs, lookMs);
      this.#begin(run);
    }
  }

  /** Waits until nothing is at work. */
  async finished(): Promise<void> {
    await Promise.all(this.#active.values());
  }

  #begin(run: HandlerRun): void {
    const { ports, daemon, settings } = this.#context;
    const rule = settings().rules.find((one) => one.name === run.rule);
    if (trustOf(ports, run.from).kind === "refused") {
      const reason = "its sender is not trusted any more";
      this.#settle(run, { kind: "impossible", reason }, { stderr: "", startedMonoMs: null });
      return;
    }
    if (rule?.run === undefined) {
      const reason = `no rule "${run.rule}" runs anything any more`;
      this.#settle(run, { kind: "impossible", reason }, { stderr: "", startedMonoMs: null });
      return;
    }
    const token = ports.cryptography.randomBytes(16).toHex();
    const nowWallMs = ports.clock.wallMs();
    const isMine = ports.state.transaction(() => startRun(ports.state, run, { token, nowWallMs }));
    if (!isMine) return;
    const started = { ...run, attempts: run.attempts + 1 };
    const key = `${run.from} ${run.id}`;
    const work = this.#run(started, { rule, command: rule.run, token }).finally(() => {
      this.#active.delete(key);
      daemon.handlerBell.ring();
    });
    this.#active.set(key, work);
  }

  async #run(
    run: HandlerRun,
    on: { readonly rule: Rule; readonly command: readonly string[]; readonly token: string },
  ): Promise<void> {
    const { ports, runner, settings, signal } = this.#context;
    const startedMonoMs = ports.clock.monotonicMs();
    const { handlers } = settings();
    let outcome: HandlerOutcome;
    try {
      const message = messageOfRun(ports.state, run);
      const facts = { server: ports.identity.server, rule: run.rule, attempt: run.attempts };
      outcome = await runner.run({
        command: on.command,
        input: handlerInput(message, facts),
        variables: handlerVariables(message, facts),
        token: on.token,
        outputBytesMax: handlers.output,
        timeoutMs: on.rule.timeout ?? handlers.timeout,
        signal,
        onStarted: (process) => this.#noteProcess(run, process),
      });
    } catch (thrown) {
      outcome = { ended: "impossible", reason: messageOf(thrown) };
    }
    const stderr = outcome.ended === "impossible" ? "" : outcome.stderr;
    await this.#settleSurely(run, toRunOutcome(outcome), { stderr, startedMonoMs });
  }

  /** Writes down what became of a run, again and again while the disk does not take it. */
  async #settleSurely(run: HandlerRun, outcome: RunOutcome, seen: Seen): Promise<void> {
    const { ports, signal, report } = this.#context;
    for (;;) {
      try {
        this.#settle(run, outcome, seen);
        return;
      } catch (thrown) {
        report({ kind: "failed", detail: messageOf(thrown) });
        // At the end of the daemon the run stays started, and the next daemon does what its rule says.
        if (signal.aborted) return;
      }
      await ports.clock.sleep(WRITE_AGAIN_MS, signal).catch(() => undefined);
    }
  }

  /** After a power cut no process is left, so nobody waits for the disk here; without the note its token is enough. */
  #noteProcess(run: HandlerRun, process: { pid: number; pidStarted: string | null }): void {
    const { ports, report } = this.#context;
    try {
      ports.state.relaxedTransaction(() => noteProcess(ports.state, run, process));
    } catch (thrown) {
      report({ kind: "failed", detail: messageOf(thrown) });
    }
  }

  /** Writes down what became of a run, and tells everybody who waits for that. */
  #settle(run: HandlerRun, outcome: RunOutcome, seen: Seen): Settled {
    const { ports, daemon, settings, report } = this.#context;
    const { auto_reply, handlers, rules } = settings();
    const rule = rules.find((one) => one.name === run.rule);
    const verdict = decideRun(outcome, run.attempts, policyOf(rule, handlers));
    const answers = { enabled: auto_reply.enabled, budgets: replyBudgets(auto_reply) };
    const settled = settleRun(ports, answers, run, verdict);
    const { startedMonoMs } = seen;
    report({
      kind: "handler",
      from: run.from,
      id: run.id,
      rule: run.rule,
      state: verdict.state,
      attempt: run.attempts,
      exitCode: verdict.state === "done" ? verdict.exitCode : null,
      reason: verdict.reason,
      durationMs: startedMonoMs === null ? null : Math.round(ports.clock.monotonicMs() - startedMonoMs),
      replyId: settled.replyId,
      silence: settled.silence,
      stderr: seen.stderr,
    });
    if (settled.replyId !== null) daemon.autoReplies += 1;
    // The receipt of what is done is awaited like an acknowledgement.
    if (verdict.state === "done") daemon.wantReceipts(0);
    daemon.bump();
    return settled;
  }
}

const policyOf = (rule: Rule | undefined, handlers: ServerSettings["handlers"]): RunPolicy => ({
  onCrash: rule?.on_crash ?? "park",
  attemptsMax: rule?.attempts ?? handlers.attempts,
  retryMs: handlers.retry,
});

function toRunOutcome(outcome: HandlerOutcome): RunOutcome {
  switch (outcome.ended) {
    case "exited": {
      const { exitCode, stdout, isCut } = outcome;
      return { kind: "exited", exitCode, text: handlerText(stdout, isCut) };
    }
    case "timeout":
      return { kind: "timeout" };
    case "aborted":
      return { kind: "lost", how: "the daemon was stopped while it ran" };
    case "impossible":
      return { kind: "impossible", reason: outcome.reason };
  }
}
