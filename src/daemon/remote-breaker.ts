import type { Clock } from "../base/ports/clock.ts";
import type { Cryptography } from "../base/ports/cryptography.ts";
import type { ServerSettings } from "../fleet/settings/model.ts";
import {
  type BreakerEvent,
  type BreakerState,
  type Decision,
  type Outcome,
  type Permit,
  stepBreaker,
  untilAdmitted,
} from "../resilience/breaker.ts";
import type { BreakerSettings } from "../resilience/breaker-settings.ts";
import type { Report } from "./events.ts";

/** A probe whose cycle never ended counts as lost after this time. Chosen: longer than any fetch and what follows it. */
const PROBE_LEASE_MS = 10 * 60_000;

/** What a remote breaker works with. */
export interface RemoteBreakerContext {
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly cryptography: Pick<Cryptography, "randomBytes">;
  readonly settings: () => ServerSettings;
  readonly report: Report;
  /** The breaker of the last run. */
  readonly breaker: BreakerState;
  /** Stores it; called at transitions. */
  readonly save: (breaker: BreakerState) => void;
}

/** The one mutable breaker around the remote: gives the pure step its clock and its chance, tells and stores transitions. */
export class RemoteBreaker {
  readonly #context: RemoteBreakerContext;
  #state: BreakerState;

  constructor(context: RemoteBreakerContext) {
    this.#context = context;
    this.#state = context.breaker;
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** How long it still refuses, ms. */
  get refusesForMs(): number {
    return untilAdmitted(this.#state, this.#context.clock.monotonicMs(), this.#settings());
  }

  /** A permit, or after how long asking again makes sense, ms. */
  admit(): Permit | number {
    const decision = this.#step({ kind: "admit" });
    if (decision === null) return 0;
    return decision.admitted ? decision.permit : decision.refusal.retryAfterMs;
  }

  /** What became of an admitted cycle; `cause` is what a failure said. */
  settle(permit: Permit, outcome: Outcome, cause: string): void {
    this.#step({ kind: "report", permit, outcome, cause: cause.slice(0, 500) });
  }

  /** Somebody has seen that the way is open again: a probe may go before the time is up. */
  noteNetworkBack(): void {
    this.#step({ kind: "network-is-back" });
  }

  #step(event: BreakerEvent): Decision | null {
    const { clock, cryptography, report, save } = this.#context;
    const [byte = 128] = cryptography.randomBytes(1);
    const moment = { nowMs: clock.monotonicMs(), random: byte / 256 };
    const step = stepBreaker(this.#state, event, moment, this.#settings());
    this.#state = step.state;
    for (const { to, openForMs } of step.effects) {
      report({ kind: "breaker", state: to, openForMs, detail: step.state.causes.at(-1) ?? "" });
    }
    if (step.effects.length > 0) save(step.state);
    return step.decision;
  }

  #settings(): BreakerSettings {
    const { failures, open_for: openForMs, successes } = this.#context.settings().breaker;
    const plain = { permits: 1, leaseMs: PROBE_LEASE_MS, growth: 1, openForMsMax: openForMs, jitter: 0 };
    return { ...plain, failures, openForMs, successes };
  }
}
