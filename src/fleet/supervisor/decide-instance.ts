/**
 * One instance of a service as a state machine: an event goes in, the next state and what is to be done come out. All
 * that may happen to a process is decided here, without one: `instance.ts` carries the deeds out and brings their
 * results back as events.
 *
 * The one idea: whatever ends a run, it ends in `ending`, where its whole tree is emptied; only the event `emptied`
 * leads out of it, so nothing is ever started beside what is left of its forerunner.
 */
import type { ProcessTree } from "../../base/ports/process-host.ts";
import { decideRestart, type EndReason, FRESH_HISTORY, settleStable } from "./decide-restart.ts";
import type {
  InstanceDeed,
  InstanceEvent,
  InstanceFacts,
  InstanceReport,
  InstanceState,
  InstanceStep,
  Phase,
} from "./instance-model.ts";
import type { RunEnding } from "./service-store.ts";

/** See the head of this file. An event that means nothing in a state changes nothing. */
export function decideInstance(
  state: InstanceState,
  event: InstanceEvent,
  facts: InstanceFacts,
): InstanceStep {
  switch (event.kind) {
    case "start":
      return onStart(state, facts);
    case "stop":
      return onStop(state);
    case "restart":
      return onRestart(state, event.why, facts);
    case "dependencies":
      return state.phase.kind === "blocked" && facts.mayStart ? begin(state, facts) : same(state);
    case "spawned":
      return onSpawned(state, event, facts);
    case "spawn-failed":
      if (state.phase.kind !== "spawning") return same(state);
      return settle({ ...state, lastEnd: { kind: "spawn", detail: event.detail } }, facts);
    case "given-up":
      return onGivenUp(state, facts);
    case "adopted":
      return onAdopted(state, event, facts);
    case "lost":
      return ending(state, event.tree, event.ending ?? UNKNOWN_END, false);
    case "exited":
      return onExited(state, event.why);
    case "ready":
      return onReady(state, event.ready, facts);
    case "unwell":
      return onUnwell(state, event.why);
    case "emptied":
      return onEmptied(state, facts);
    case "timer":
      return onTimer(state, facts);
  }
}

const same = (state: InstanceState): InstanceStep => ({ state, deeds: [] });

function onStart(state: InstanceState, facts: InstanceFacts): InstanceStep {
  const wanted = { ...state, wanted: true };
  switch (state.phase.kind) {
    case "stopped":
    case "waiting":
      return begin({ ...wanted, history: FRESH_HISTORY, restarts: 0 }, facts);
    case "ending":
      return same({ ...wanted, phase: { ...state.phase, next: "start" } });
    default:
      return same(wanted);
  }
}

/** A person's stop wins over everything that was about to happen. */
function onStop(state: InstanceState): InstanceStep {
  const unwanted = { ...state, wanted: false, history: FRESH_HISTORY };
  const { phase } = state;
  switch (phase.kind) {
    case "running":
      return ending(unwanted, phase.tree, STOPPED_BY_PERSON);
    case "ending":
      return same({ ...unwanted, phase: { ...phase, next: "stay" } });
    case "spawning":
      // The process may be there already: "spawned" ends it.
      return { state: unwanted, deeds: [{ kind: "give-up" }] };
    case "stopped":
      // That was told when it was.
      return same(unwanted);
    default:
      return { state: { ...unwanted, phase: { kind: "stopped" } }, deeds: [told({ kind: "stopped" })] };
  }
}

function onRestart(state: InstanceState, why: EndReason, facts: InstanceFacts): InstanceStep {
  const { phase } = state;
  const wanted = { ...state, wanted: true };
  const isPerson = why.kind === "person";
  // Only a person takes back what a person wanted.
  if (!(isPerson || state.wanted)) return same(state);
  if (phase.kind === "running") return ending(wanted, phase.tree, { next: "start", why });
  if (phase.kind === "ending") return same({ ...wanted, phase: { ...phase, next: "start" } });
  if (isPerson || phase.kind === "waiting") return onStart(state, facts);
  return same(state);
}

function begin(state: InstanceState, facts: InstanceFacts): InstanceStep {
  if (!facts.mayStart) return { state: { ...state, phase: { kind: "blocked" } }, deeds: [] };
  return { state: { ...state, phase: { kind: "spawning" } }, deeds: [{ kind: "spawn" }] };
}

function onSpawned(
  state: InstanceState,
  { tree, needsProbe }: Extract<InstanceEvent, { kind: "spawned" }>,
  facts: InstanceFacts,
): InstanceStep {
  if (state.phase.kind !== "spawning") return same(state);
  if (!state.wanted) return ending(state, tree, STOPPED_BY_PERSON);
  const readyMonoMs = needsProbe ? null : facts.nowMonoMs;
  const phase: Phase = {
    kind: "running",
    tree,
    ready: !needsProbe,
    sinceMonoMs: facts.nowMonoMs,
    readyMonoMs,
  };
  return {
    state: { ...state, phase },
    deeds: [
      told({ kind: "started", pid: tree.identity.pid }),
      { kind: "follow", tree, progress: needsProbe ? "begun" : "ready" },
      { kind: "timer", afterMs: needsProbe ? facts.startTimeoutMs : facts.rules.stableMs },
    ],
  };
}

/** No failure: a person stopped it, and may want it again meanwhile. */
function onGivenUp(state: InstanceState, facts: InstanceFacts): InstanceStep {
  if (state.phase.kind !== "spawning") return same(state);
  const stopped: InstanceState = { ...state, phase: { kind: "stopped" }, lastEnd: { kind: "person" } };
  return state.wanted ? begin(stopped, facts) : { state: stopped, deeds: [told({ kind: "stopped" })] };
}

function onAdopted(
  state: InstanceState,
  { tree, progress, ending: unfinished }: Extract<InstanceEvent, { kind: "adopted" }>,
  facts: InstanceFacts,
): InstanceStep {
  const ready = progress === "ready";
  // The time for a start is over for what was ready once.
  const readyMonoMs = ready || progress === "unready" ? facts.nowMonoMs : null;
  const phase: Phase = { kind: "running", tree, ready, sinceMonoMs: facts.nowMonoMs, readyMonoMs };
  const running = { ...state, phase };
  const deeds: InstanceDeed[] = [
    told({ kind: "adopted", pid: tree.identity.pid }),
    { kind: "follow", tree, progress },
    { kind: "timer", afterMs: readyMonoMs === null ? facts.startTimeoutMs : facts.rules.stableMs },
  ];
  const rest = state.wanted ? unfinished : STOPPED_BY_PERSON;
  if (rest === null) return { state: running, deeds };
  const end = ending(running, tree, rest);
  return { ...end, deeds: [...deeds, ...end.deeds] };
}

function onExited(state: InstanceState, why: EndReason): InstanceStep {
  const { phase } = state;
  if (phase.kind === "running") return ending(state, phase.tree, { next: "decide", why }, false);
  return same(state);
}

function onUnwell(state: InstanceState, why: EndReason): InstanceStep {
  const { phase } = state;
  if (phase.kind !== "running") return same(state);
  return ending(state, phase.tree, { next: "decide", why });
}

function onReady(state: InstanceState, ready: boolean, facts: InstanceFacts): InstanceStep {
  const { phase } = state;
  if (phase.kind !== "running" || phase.ready === ready) return same(state);
  if (!ready) {
    // A start that is not ready has a deadline; one that was ready once has its liveness probe.
    return { state: { ...state, phase: { ...phase, ready } }, deeds: [told({ kind: "unready" })] };
  }
  return {
    state: { ...state, phase: { ...phase, ready, readyMonoMs: facts.nowMonoMs } },
    deeds: [
      told({ kind: "ready", afterMs: facts.nowMonoMs - phase.sinceMonoMs }),
      { kind: "timer", afterMs: facts.rules.stableMs },
    ],
  };
}

function onTimer(state: InstanceState, facts: InstanceFacts): InstanceStep {
  const { phase } = state;
  if (phase.kind === "waiting") return begin({ ...state, restarts: state.restarts + 1 }, facts);
  if (phase.kind !== "running") return same(state);
  if (phase.readyMonoMs === null) {
    const seconds = Math.round(facts.startTimeoutMs / 100) / 10;
    return onUnwell(state, { kind: "probe", detail: `not ready within ${seconds} s` });
  }
  // Ready and stable, unless it lost its readiness meanwhile: then it has to be stable anew.
  if (phase.ready) return same({ ...state, history: settleStable(state.history) });
  return { state, deeds: [{ kind: "timer", afterMs: facts.rules.stableMs }] };
}

function ending(state: InstanceState, tree: ProcessTree, how: RunEnding, gently = true): InstanceStep {
  const phase: Phase = { kind: "ending", tree, ...how };
  return { state: { ...state, phase, lastEnd: how.why }, deeds: [{ kind: "end", tree, gently }] };
}

const STOPPED_BY_PERSON: RunEnding = { next: "stay", why: { kind: "person" } };
const UNKNOWN_END: RunEnding = { next: "decide", why: { kind: "unknown" } };

function onEmptied(state: InstanceState, facts: InstanceFacts): InstanceStep {
  const { phase } = state;
  if (phase.kind !== "ending") return same(state);
  if (!state.wanted || phase.next === "stay") {
    return { state: { ...state, phase: { kind: "stopped" } }, deeds: [told({ kind: "stopped" })] };
  }
  if (phase.next === "decide") return settle(state, facts);
  const isPerson = phase.why.kind === "person";
  const again = isPerson
    ? { ...state, restarts: 0, history: FRESH_HISTORY }
    : { ...state, restarts: state.restarts + 1 };
  const step = begin(again, facts);
  return { ...step, deeds: [told({ kind: "ended", why: phase.why, againMs: 0 }), ...step.deeds] };
}

/** Nothing of the run is left, and `lastEnd` says why: what now? */
function settle(state: InstanceState, facts: InstanceFacts): InstanceStep {
  const why = state.lastEnd ?? { kind: "unknown" };
  if (!state.wanted) {
    return { state: { ...state, phase: { kind: "stopped" } }, deeds: [told({ kind: "stopped" })] };
  }
  const decision = decideRestart(facts.rules, state.history, why, facts);
  if (decision.kind === "stay") {
    const phase = { kind: "stopped" } as const;
    return { state: { ...state, phase }, deeds: [told({ kind: "ended", why, againMs: null })] };
  }
  const { history, delayMs, alarm } = decision;
  const deeds: InstanceDeed[] = [told({ kind: "ended", why, againMs: delayMs })];
  if (alarm) deeds.push(told({ kind: "looping", why, failures: history.failedMonoMs.length }));
  const phase: Phase = { kind: "waiting", untilMonoMs: facts.nowMonoMs + delayMs };
  return { state: { ...state, history, phase }, deeds: [...deeds, { kind: "timer", afterMs: delayMs }] };
}

const told = (report: InstanceReport): InstanceDeed => ({ kind: "report", report });
