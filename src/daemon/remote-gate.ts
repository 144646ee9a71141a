/**
 * The one way to the remote for both loops of a daemon.
 *
 * A cycle is a look at the network, then a try and its retries; what it came to is reported to the breaker once. The
 * rules are in `resilience/`; here are the pauses, and the news that one loop has for the other: whoever sees that the
 * remote is back ends the pauses of both.
 */
import { formatDuration } from "../base/duration.ts";
import { firstLineOf } from "../base/errors.ts";
import type { Clock } from "../base/ports/clock.ts";
import type { Cryptography } from "../base/ports/cryptography.ts";
import type { RemoteFailure } from "../base/ports/git-remote.ts";
import type { NetworkCheck, NetworkReport } from "../base/ports/network-check.ts";
import type { ServerSettings } from "../fleet/settings/model.ts";
import { backoffMs, jitteredMs } from "../resilience/backoff.ts";
import type { BreakerState, Outcome, Permit } from "../resilience/breaker.ts";
import {
  type Cycle,
  type CycleSignals,
  calm,
  type Down,
  type Ending,
  type LoopState,
  STOPPED,
  type Try,
  waiting,
} from "./cycle.ts";
import type { DaemonState } from "./daemon-state.ts";
import { pullThatFailedAt, type Report } from "./events.ts";
import { judgeFailure, type Operation } from "./judge-failure.ts";
import { NetworkWatch } from "./network-watch.ts";
import { PushBudget } from "./push-budget.ts";
import { RemoteBreaker } from "./remote-breaker.ts";

/** A push that the remote refuses is tried again after growing pauses up to this one. */
const REFUSED_PAUSE_MS_MAX = 60_000;

/** Asked again so soon when another process of this server is at it. */
const BUSY_PAUSE_MS = 50;

/** What a gate works with. */
export interface GateContext {
  readonly clock: Clock;
  readonly cryptography: Pick<Cryptography, "randomBytes">;
  readonly check: NetworkCheck;
  readonly daemon: DaemonState;
  readonly settings: () => ServerSettings;
  readonly report: Report;
  /** The breaker of the last run. */
  readonly breaker: BreakerState;
  /** Whether the network was away when that was stored. */
  readonly isNetworkDown: boolean;
  /** Stores the breaker; called at transitions. */
  readonly save: (breaker: BreakerState, isNetworkDown: boolean) => void;
}

/** Why the remote is of no use, and since when. */
interface Trouble {
  readonly why: string;
  readonly sinceMonoMs: number;
}

/** See the head of this file. */
export class RemoteGate {
  readonly budget: PushBudget;
  readonly cycles = { succeeded: 0, failed: 0 };
  readonly #context: GateContext;
  readonly #breaker: RemoteBreaker;
  readonly #network: NetworkWatch;
  #down: Trouble | null = null;
  /** Set while the remote answers and does not let this server push: looks that succeed do not end that. */
  #denied: Trouble | null = null;
  /** Whether the last thing known against the remote is that it does not let this server in. */
  #isUnauthorised = false;
  /** Until when the remote asked to be left alone, monotonic ms. */
  #limitedUntilMonoMs = 0;
  readonly #loops: Readonly<Record<Operation, LoopState>> = { fetch: calm(), push: calm() };

  constructor(context: GateContext) {
    this.#context = context;
    this.#network = new NetworkWatch(context, () => {
      this.#breaker.noteNetworkBack();
      this.#wakeBoth();
    });
    const save = (breaker: BreakerState): void => context.save(breaker, this.#network.isDown);
    this.#breaker = new RemoteBreaker({ ...context, save });
    this.budget = new PushBudget(context.check.host, () => context.settings().push_budget);
    const [cause] = context.breaker.causes.slice(-1);
    if (context.breaker.kind === "open") this.#noteDown(cause ?? "the remote could not be reached before");
  }

  get breaker(): BreakerState {
    return this.#breaker.state;
  }

  /** The last check of the network, and when it was made. */
  get lastCheck(): NetworkWatch["last"] {
    return this.#network.last;
  }

  /** Why nothing gets through right now; null while nothing is known against the remote. */
  get down(): Down | null {
    const down = this.#down ?? this.#denied;
    if (down === null) return null;
    const agoMs = this.#nowMs - down.sinceMonoMs;
    const sinceWallMs = this.#context.clock.wallMs() - agoMs;
    return { why: down.why, sinceWallMs, unauthorised: this.#isUnauthorised };
  }

  /** How long the breaker still refuses, ms. */
  get refusesForMs(): number {
    return this.#breaker.refusesForMs;
  }

  /** How long pushes wait because the host bounds them, ms; 0 when they do not. */
  get pushWaitMs(): number {
    return Math.max(this.budget.waitMs(this.#nowMs), this.#limitedUntilMonoMs - this.#nowMs, 0);
  }

  /** Runs one cycle of `operation`. Never twice at once for one operation. */
  async run<T>(operation: Operation, attempt: Try<T>, signals: CycleSignals): Promise<Cycle<T>> {
    const waitMs = this.#untilMayStart(operation);
    if (waitMs > 0) return waiting(waitMs);
    const entered = await this.#enter(operation, signals);
    if (typeof entered === "number") return waiting(entered);
    let ending: Ending<T> = { cycle: waiting(0), outcome: "excluded", cause: "" };
    try {
      ending = await this.#tryAll(operation, { attempt, signals, isProbe: entered.probe !== null });
    } finally {
      this.#settle(entered, ending.outcome, ending.cause);
    }
    return ending.cycle;
  }

  #untilMayStart(operation: Operation): number {
    const budgetMs = operation === "push" ? this.budget.waitMs(this.#nowMs) : 0;
    const untilMs = Math.max(this.#loops[operation].notBeforeMonoMs, this.#limitedUntilMonoMs);
    return Math.max(untilMs - this.#nowMs, budgetMs);
  }

  /** A permit, or how long to wait. The loop that fetches looks at the network; the other one goes by what it saw. */
  async #enter(operation: Operation, signals: CycleSignals): Promise<Permit | number> {
    if (operation === "push" && this.#network.isDown) return this.#intervalMs();
    const checked = this.#needsLook(operation) ? await this.#network.look(signals.work) : null;
    if (signals.work.aborted) return 0;
    if (checked?.ok === false) return this.#failedCheck(operation, checked);
    const admitted = this.#breaker.admit();
    // Never 0: a loop that is told to go on at once would spin.
    return typeof admitted === "number" ? Math.max(1, Math.min(admitted, this.#intervalMs())) : admitted;
  }

  #needsLook(operation: Operation): boolean {
    if (this.breaker.kind !== "closed") return operation === "fetch";
    return this.#down !== null || !this.#network.isFresh();
  }

  /** A cycle that ends with its check: counted while the breaker is closed, and no news while it is not. */
  #failedCheck(operation: Operation, { failure, stages }: NetworkReport): number {
    const detail = failure ?? "";
    this.#isUnauthorised = false;
    const pauseMs = this.#intervalMs();
    this.#noteTrouble(operation, detail, pauseMs);
    this.#loops[operation].notBeforeMonoMs = this.#nowMs + pauseMs;
    if (this.breaker.kind !== "closed") return pauseMs;
    if (operation === "fetch") this.#context.report(pullThatFailedAt(stages));
    const admitted = this.#breaker.admit();
    if (typeof admitted !== "number") this.#settle(admitted, "failed", detail);
    return pauseMs;
  }

  async #tryAll<T>(
    operation: Operation,
    cycle: { attempt: Try<T>; signals: CycleSignals; isProbe: boolean },
  ): Promise<Ending<T>> {
    const { attempt, signals, isProbe } = cycle;
    for (let tries = 1; ; tries += 1) {
      const { timeouts, retry } = this.#context.settings();
      const timeoutMs = timeouts[operation];
      const result = await attempt({ timeoutMs, signal: signals.work });
      if (result === null) return { cycle: waiting(BUSY_PAUSE_MS), outcome: "excluded", cause: "" };
      if (operation === "push") this.budget.take(this.#nowMs);
      if (result.ok) {
        this.#noteGood(operation);
        return { cycle: { status: "done", value: result.value }, outcome: "succeeded", cause: "" };
      }
      // A git that was ended because the daemon ends says nothing about the remote.
      if (signals.work.aborted) return STOPPED;
      const failure = result.error;
      const ending = this.#judge<T>(operation, failure, isProbe || tries > retry.retries);
      if (ending !== null) return ending;
      const again = await this.#beforeRetry<T>(operation, { tries, detail: failure.detail, signals });
      if (again !== null) return again;
    }
  }

  /** What a failed try makes of the cycle; null: it goes on. */
  #judge<T>(operation: Operation, failure: RemoteFailure, isLast: boolean): Ending<T> | null {
    const verdict = judgeFailure(operation, failure);
    this.#isUnauthorised = failure.kind === "unauthorised";
    if (verdict === "answered") return this.#answered(operation, failure.detail);
    if (verdict === "limited") return this.#limited(operation, failure);
    if (verdict === "final") return this.#final(operation, failure);
    return isLast ? this.#failed(operation, failure.detail) : null;
  }

  /** It would answer the same in a moment: asked after growing pauses up to the open time of the breaker. */
  #final<T>(operation: Operation, { kind, detail }: RemoteFailure): Ending<T> {
    const { interval, breaker } = this.#context.settings();
    const loop = this.#loops[operation];
    const backoff = { first: interval, longest: Math.max(interval, breaker.open_for) };
    const pauseMs = backoffMs(loop.failures + 1, backoff, this.#random());
    if (kind === "unauthorised" && operation === "push") this.#denied ??= this.#troubleNow(detail);
    return this.#failed(operation, detail, pauseMs);
  }

  /** The pause before another try, and a look at the network; null when the try may be made. */
  async #beforeRetry<T>(
    operation: Operation,
    failed: { tries: number; detail: string; signals: CycleSignals },
  ): Promise<Ending<T> | null> {
    const { tries, detail, signals } = failed;
    const pauseMs = backoffMs(tries, this.#context.settings().retry, this.#random());
    this.#noteTrouble(operation, detail, pauseMs);
    await this.#pause(operation, pauseMs, signals.stop);
    if (signals.stop.aborted) return STOPPED;
    const limitedMs = this.#limitedUntilMonoMs - this.#nowMs;
    if (limitedMs > 0) return { cycle: waiting(limitedMs), outcome: "excluded", cause: "" };
    // The other loop has found out meanwhile that there is no point: nothing is started while the breaker is open.
    if (this.breaker.kind !== "closed") return this.#failed(operation, detail);
    const checked = await this.#network.look(signals.work);
    return checked.ok ? null : this.#failed(operation, checked.failure ?? detail);
  }

  #failed<T>(operation: Operation, cause: string, pauseMs = this.#intervalMs()): Ending<T> {
    this.#noteTrouble(operation, cause, pauseMs);
    this.#loops[operation].notBeforeMonoMs = this.#nowMs + pauseMs;
    return { cycle: waiting(pauseMs), outcome: "failed", cause };
  }

  /** The remote is there and said no: known to the operator as trouble, and no evidence against the remote. */
  #answered<T>(operation: Operation, detail: string): Ending<T> {
    const loop = this.#loops[operation];
    const backoff = { first: this.#context.settings().retry.first, longest: REFUSED_PAUSE_MS_MAX };
    const pauseMs = backoffMs(loop.failures + 1, backoff, this.#random());
    this.#tellTrouble(operation, detail, pauseMs);
    loop.failures += 1;
    loop.notBeforeMonoMs = this.#nowMs + pauseMs;
    return { cycle: waiting(pauseMs), outcome: "excluded", cause: "" };
  }

  #limited<T>(operation: Operation, { detail, retryAfterMs = 0 }: RemoteFailure): Ending<T> {
    const pauseMs = retryAfterMs > 0 ? retryAfterMs : this.#context.settings().retry.limited;
    this.#limitedUntilMonoMs = Math.max(this.#limitedUntilMonoMs, this.#nowMs + pauseMs);
    const why = `${firstLineOf(detail)}; it is left alone for ${formatDuration(pauseMs)}`;
    this.#noteDown(why);
    this.#tellTrouble(operation, why, pauseMs);
    return { cycle: waiting(pauseMs), outcome: "excluded", cause: "" };
  }

  /** A cycle that threw: this machine's trouble, told by the loop; the remote is not to blame. */
  noteThrown(operation: Operation, detail: string): number {
    const { cycle } = this.#answered(operation, detail);
    return cycle.status === "waiting" ? cycle.pauseMs : 0;
  }

  #noteGood(operation: Operation): void {
    const { daemon, report } = this.#context;
    const other: Operation = operation === "fetch" ? "push" : "fetch";
    this.#down = null;
    if (operation === "push") this.#denied = null;
    this.#isUnauthorised = this.#denied !== null;
    this.#network.noteWorking();
    const loop = this.#loops[operation];
    loop.failures = 0;
    loop.notBeforeMonoMs = 0;
    loop.hasNews = false;
    const recovered = daemon.noteSuccess(operation);
    if (recovered) report({ kind: "recovered", during: operation });
    // Where only the other one fails, again and again, the next success is no news for it.
    if (recovered || this.#loops[other].hasNews) this.#wake(other);
    this.#loops[other].hasNews = false;
  }

  #noteTrouble(operation: Operation, detail: string, retryMs: number): void {
    const loop = this.#loops[operation];
    // The first success of the other loop after this is worth another try at once.
    if (loop.failures === 0) loop.hasNews = true;
    loop.failures += 1;
    this.#noteDown(detail);
    this.#tellTrouble(operation, detail, retryMs);
  }

  #tellTrouble(operation: Operation, detail: string, retryMs: number): void {
    const { daemon, report } = this.#context;
    const { tell } = daemon.noteTrouble(operation, detail);
    if (tell) report({ kind: "trouble", during: operation, detail, retryMs });
  }

  #noteDown(why: string): void {
    const isNews = this.#down === null;
    this.#down = {
      ...this.#troubleNow(why),
      ...(this.#down === null ? {} : { sinceMonoMs: this.#down.sinceMonoMs }),
    };
    // Whoever waits for the remote need not wait any longer.
    if (isNews) this.#context.daemon.bump();
  }

  /** Ends the pause of a loop, wherever it is. */
  #wake(operation: Operation): void {
    const { daemon } = this.#context;
    const loop = this.#loops[operation];
    loop.notBeforeMonoMs = 0;
    loop.wake?.();
    (operation === "fetch" ? daemon.receiveBell : daemon.pushBell).ring();
  }

  #wakeBoth(): void {
    this.#wake("fetch");
    this.#wake("push");
  }

  async #pause(operation: Operation, durationMs: number, stop: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const loop = this.#loops[operation];
    loop.wake = () => woken.abort();
    // The time, good news and the end of the daemon all mean "go on".
    await this.#context.clock.sleep(durationMs, AbortSignal.any([woken.signal, stop])).catch(() => undefined);
    loop.wake = null;
  }

  #settle(permit: Permit, outcome: Outcome, cause: string): void {
    if (outcome !== "excluded") this.cycles[outcome] += 1;
    this.#breaker.settle(permit, outcome, cause);
    // The other loop may have been refused while this one probed.
    if (permit.probe !== null && outcome === "succeeded") this.#wakeBoth();
  }

  #intervalMs(): number {
    return jitteredMs(this.#context.settings().interval, this.#random());
  }

  #troubleNow(why: string): Trouble {
    return { why, sinceMonoMs: this.#nowMs };
  }

  get #nowMs(): number {
    return this.#context.clock.monotonicMs();
  }

  #random(): number {
    const [byte = 128] = this.#context.cryptography.randomBytes(1);
    return byte / 256;
  }
}
