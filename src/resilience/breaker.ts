/**
 * A circuit breaker as a pure step: state and event in, state, decision and effects out. It holds no clock and no
 * timer; whoever holds the state says what time it is and draws the random number.
 *
 * The one idea: every change of the kind of state begins a new *generation*. A call carries the generation under which
 * it was admitted, and its result counts only there, so late news undoes no recovery, and twenty calls that fail at
 * once are one transition.
 */

import type { BreakerSettings } from "./breaker-settings.ts";

/** What an admitted call has to bring back with its result. */
export interface Permit {
  readonly generation: number;
  /** Number of a probe; null for a call that was admitted while all was well. */
  readonly probe: number | null;
}

interface Probe {
  readonly number: number;
  readonly leaseEndMs: number;
}

/** What became of all calls so far: admitted = succeeded + failed + excluded + lost + those still running. */
export interface BreakerCounts {
  readonly admitted: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly excluded: number;
  readonly lost: number;
  /** Refused, so never admitted. */
  readonly rejected: number;
}

interface Shared {
  readonly generation: number;
  /** What the last failures said, oldest first, at most `CAUSES_MAX`. */
  readonly causes: readonly string[];
  readonly counts: BreakerCounts;
}

/** A field exists only where it means something. Instants are ms of the clock that the owner hands in. */
export type BreakerState =
  | (Shared & { readonly kind: "closed"; readonly failures: number })
  | (Shared & {
      readonly kind: "open";
      readonly sinceMs: number;
      readonly untilMs: number;
      /** How often in a row it opened without closing in between. */
      readonly openings: number;
    })
  | (Shared & {
      readonly kind: "half-open";
      readonly sinceMs: number;
      readonly openings: number;
      readonly successes: number;
      readonly probes: readonly Probe[];
      readonly nextProbe: number;
    });

/** `network-is-back`: somebody has seen that what failed can work again, so a probe may go before the time is up. */
export type BreakerEvent =
  | { readonly kind: "admit" }
  | { readonly kind: "network-is-back" }
  | {
      readonly kind: "report";
      readonly permit: Permit;
      readonly outcome: Outcome;
      /** What a failure said. */
      readonly cause?: string;
    };

/** `excluded`: the call says nothing about what the breaker guards. */
export type Outcome = "succeeded" | "failed" | "excluded";

/** Why a call may not be made. */
export interface Refusal {
  readonly reason: "open" | "probing";
  /** The earliest time at which asking again makes sense, from now. */
  readonly retryAfterMs: number;
  readonly causes: readonly string[];
}

/** The answer to `admit`. */
export type Decision =
  | { readonly admitted: true; readonly permit: Permit }
  | { readonly admitted: false; readonly refusal: Refusal };

/** A change of the kind of state: told once, and worth storing. */
export interface Transition {
  readonly to: BreakerState["kind"];
  /** How long it will refuse; 0 unless it opened. */
  readonly openForMs: number;
}

/** What a step came to. `decision` is there after `admit` and at no other time. */
export interface Step {
  readonly state: BreakerState;
  readonly decision: Decision | null;
  readonly effects: readonly Transition[];
}

/** Instant and chance, as the owner has them. */
export interface Moment {
  readonly nowMs: number;
  /** 0 up to but without 1. */
  readonly random: number;
}

/** As many causes as a person reads. */
const CAUSES_MAX = 3;

const NO_COUNTS: BreakerCounts = { admitted: 0, succeeded: 0, failed: 0, excluded: 0, lost: 0, rejected: 0 };

/** A breaker that has seen nothing. */
export const closedBreaker = (): BreakerState => ({
  kind: "closed",
  generation: 1,
  failures: 0,
  causes: [],
  counts: NO_COUNTS,
});

/** One step. Asking what the state is needs none: reading has no effect. */
export function stepBreaker(
  state: BreakerState,
  event: BreakerEvent,
  moment: Moment,
  settings: BreakerSettings,
): Step {
  if (event.kind === "admit") return admit(state, moment.nowMs, settings);
  if (event.kind === "report") return report(state, event, moment, settings);
  if (state.kind !== "open") return still(state);
  return still({ ...state, untilMs: Math.min(state.untilMs, moment.nowMs) });
}

/** How long until a call may be admitted; 0 when it would be now. */
export function untilAdmitted(state: BreakerState, nowMs: number, settings: BreakerSettings): number {
  if (state.kind === "closed") return 0;
  if (state.kind === "open") return Math.max(0, state.untilMs - nowMs);
  const running = state.probes.filter((probe) => probe.leaseEndMs > nowMs);
  if (running.length < settings.permits) return 0;
  return Math.min(...running.map((probe) => probe.leaseEndMs)) - nowMs;
}

function admit(state: BreakerState, nowMs: number, settings: BreakerSettings): Step {
  if (state.kind === "closed") {
    return admitted(count(state, "admitted"), { generation: state.generation, probe: null }, []);
  }
  if (state.kind === "open" && nowMs < state.untilMs) return refused(state, nowMs, settings);
  const ready = state.kind === "open" ? toHalfOpen(state, nowMs) : withoutLost(state, nowMs);
  if (ready.probes.length >= settings.permits) return refused(ready, nowMs, settings);
  const probe = { number: ready.nextProbe, leaseEndMs: nowMs + settings.leaseMs };
  const next = { ...ready, probes: [...ready.probes, probe], nextProbe: ready.nextProbe + 1 };
  const effects: Transition[] = state.kind === "open" ? [{ to: "half-open", openForMs: 0 }] : [];
  return admitted(count(next, "admitted"), { generation: next.generation, probe: probe.number }, effects);
}

const admitted = (state: BreakerState, permit: Permit, effects: readonly Transition[]): Step => ({
  state,
  decision: { admitted: true, permit },
  effects,
});

function refused(state: BreakerState, nowMs: number, settings: BreakerSettings): Step {
  const refusal: Refusal = {
    reason: state.kind === "open" ? "open" : "probing",
    retryAfterMs: untilAdmitted(state, nowMs, settings),
    causes: state.causes,
  };
  return { state: count(state, "rejected"), decision: { admitted: false, refusal }, effects: [] };
}

type Report = Extract<BreakerEvent, { kind: "report" }>;

function report(state: BreakerState, event: Report, moment: Moment, settings: BreakerSettings): Step {
  if (event.permit.probe === null) return reportCall(count(state, event.outcome), event, moment, settings);
  if (state.kind !== "half-open" || event.permit.generation !== state.generation) return still(state);
  return reportProbe(withoutLost(state, moment.nowMs), event, moment, settings);
}

function reportCall(
  state: BreakerState,
  { permit, outcome, cause = "" }: Report,
  moment: Moment,
  settings: BreakerSettings,
): Step {
  const isLate = state.kind !== "closed" || permit.generation !== state.generation;
  if (isLate || outcome === "excluded") return still(state);
  if (outcome === "succeeded") return still(state.failures === 0 ? state : { ...state, failures: 0 });
  const failed = { ...state, failures: state.failures + 1, causes: addCause(state.causes, cause) };
  return failed.failures < settings.failures ? still(failed) : open(failed, 1, moment, settings);
}

function reportProbe(
  state: HalfOpen,
  { permit, outcome, cause = "" }: Report,
  moment: Moment,
  settings: BreakerSettings,
): Step {
  const probes = state.probes.filter((probe) => probe.number !== permit.probe);
  // It was counted as lost when its lease ended, and its place may be taken.
  if (probes.length === state.probes.length) return still(state);
  const counted = { ...count(state, outcome), probes };
  if (outcome === "excluded") return still(counted);
  if (outcome === "failed") {
    const causes = addCause(counted.causes, cause);
    return open({ ...counted, causes }, counted.openings + 1, moment, settings);
  }
  const successes = counted.successes + 1;
  return successes < settings.successes ? still({ ...counted, successes }) : close(counted);
}

type HalfOpen = Extract<BreakerState, { kind: "half-open" }>;

function toHalfOpen(state: Extract<BreakerState, { kind: "open" }>, nowMs: number): HalfOpen {
  const { causes, counts, openings } = state;
  const generation = state.generation + 1;
  return {
    kind: "half-open",
    generation,
    causes,
    counts,
    openings,
    sinceMs: nowMs,
    successes: 0,
    probes: [],
    nextProbe: 1,
  };
}

function open(
  state: Exclude<BreakerState, { kind: "open" }>,
  openings: number,
  { nowMs, random }: Moment,
  settings: BreakerSettings,
): Step {
  const plainMs = Math.min(settings.openForMsMax, settings.openForMs * settings.growth ** (openings - 1));
  const openForMs = Math.round(plainMs * (1 + settings.jitter * (2 * random - 1)));
  const { causes } = state;
  const opened: BreakerState = {
    kind: "open",
    generation: state.generation + 1,
    causes,
    counts: losing(state),
    sinceMs: nowMs,
    untilMs: nowMs + openForMs,
    openings,
  };
  return { state: opened, decision: null, effects: [{ to: "open", openForMs }] };
}

function close(state: HalfOpen): Step {
  const closed: BreakerState = {
    kind: "closed",
    generation: state.generation + 1,
    failures: 0,
    causes: [],
    counts: losing(state),
  };
  return { state: closed, decision: null, effects: [{ to: "closed", openForMs: 0 }] };
}

/** Probes that still run when the state is left: nobody waits for them any more. */
const losing = (state: Exclude<BreakerState, { kind: "open" }>): BreakerCounts =>
  state.kind === "closed" ? state.counts : { ...state.counts, lost: state.counts.lost + state.probes.length };

function withoutLost(state: HalfOpen, nowMs: number): HalfOpen {
  const running = state.probes.filter((probe) => probe.leaseEndMs > nowMs);
  const lost = state.probes.length - running.length;
  if (lost === 0) return state;
  return { ...state, probes: running, counts: { ...state.counts, lost: state.counts.lost + lost } };
}

const still = (state: BreakerState): Step => ({ state, decision: null, effects: [] });

const addCause = (causes: readonly string[], cause: string): readonly string[] =>
  cause === "" ? causes : [...causes.filter((known) => known !== cause), cause].slice(-CAUSES_MAX);

function count<S extends BreakerState>(state: S, what: keyof BreakerCounts): S {
  return { ...state, counts: { ...state.counts, [what]: state.counts[what] + 1 } };
}
