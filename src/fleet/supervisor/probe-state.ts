/**
 * What the answers of probes come to, for one run of one instance. The startup probe holds the other two back until it
 * succeeds and is then never asked again; liveness is first asked once the service was ready; readiness may come and go.
 * Time and chance are handed in, and whoever asks does so elsewhere.
 */
import { jitteredMs } from "../../resilience/backoff.ts";
import type { Probe, Probes } from "./model.ts";
import type { RunProgress } from "./service-store.ts";

export type ProbeName = keyof Probes;

/** One probe at work. */
interface Track {
  /** When it is asked next (monotonic). */
  readonly dueMonoMs: number;
  readonly isAsked: boolean;
  /** Answers of one kind in a row. */
  readonly successes: number;
  readonly failures: number;
  /** What the last answer said. */
  readonly detail: string | null;
}

/** See the head of this file. */
export interface ProbeState {
  readonly tracks: Readonly<Record<ProbeName, Track | null>>;
  readonly isStarted: boolean;
  readonly isReady: boolean;
}

/** What an answer changed. `unwell`: the service has to be started anew, for `detail`. */
export type ProbeEvent =
  /** The startup probe succeeded; another one says when it is ready. */
  | { readonly kind: "started" }
  | { readonly kind: "ready" }
  | { readonly kind: "not-ready"; readonly detail: string }
  | { readonly kind: "unwell"; readonly detail: string };

/** What a moment is: when, and a random number in [0, 1). */
export interface Moment {
  readonly nowMonoMs: number;
  readonly random: number;
}

/** One answer to one question. */
export interface GivenAnswer {
  readonly name: ProbeName;
  readonly isWell: boolean;
  readonly detail: string;
}

const NAMES = ["startup", "readiness", "liveness"] as const;

/** The state at the start of a run, or where an earlier daemon left it: `progress` says how far the run had come. */
export function openProbes(probes: Probes, moment: Moment, progress: RunProgress): ProbeState {
  const isStarted = progress !== "begun" || probes.startup === null;
  const isReady = progress === "ready" || (isStarted && probes.readiness === null);
  const wasReady = isReady || progress === "unready";
  return {
    tracks: {
      startup: isStarted ? null : firstTrack(probes.startup, moment),
      readiness: isStarted ? firstTrack(probes.readiness, moment) : null,
      liveness: wasReady ? firstTrack(probes.liveness, moment) : null,
    },
    isStarted,
    isReady,
  };
}

/** Which probes are to be asked now; each is asked once until its answer is there. */
export const dueProbes = (state: ProbeState, nowMonoMs: number): readonly ProbeName[] =>
  NAMES.filter((name) => {
    const track = state.tracks[name];
    return track !== null && !track.isAsked && track.dueMonoMs <= nowMonoMs;
  });

/** What a probe said last; null where it has not, or is not asked any more. */
export function lastAnswer(
  { tracks, isStarted }: ProbeState,
  name: ProbeName,
): { readonly isWell: boolean; readonly detail: string } | null {
  const track = tracks[name];
  // A startup probe that succeeded is over.
  if (track === null)
    return name === "startup" && isStarted ? { isWell: true, detail: "it has started" } : null;
  return track.detail === null ? null : { isWell: track.failures === 0, detail: track.detail };
}

/** When the next probe is to be asked; null while all are asked or none is there. */
export function nextProbeMonoMs(state: ProbeState): number | null {
  const due = NAMES.flatMap((name) => {
    const track = state.tracks[name];
    return track === null || track.isAsked ? [] : [track.dueMonoMs];
  });
  return due.length === 0 ? null : Math.min(...due);
}

/** The state while the answers of `names` are waited for. */
export function withAsked(state: ProbeState, names: readonly ProbeName[]): ProbeState {
  const tracks = { ...state.tracks };
  for (const name of names) {
    const track = tracks[name];
    if (track !== null) tracks[name] = { ...track, isAsked: true };
  }
  return { ...state, tracks };
}

/** The state when a probe is worth asking at once: something was heard that it waits for. */
export function withHurry(state: ProbeState, name: ProbeName, nowMonoMs: number): ProbeState {
  const track = state.tracks[name];
  if (track === null || track.dueMonoMs <= nowMonoMs) return state;
  return { ...state, tracks: { ...state.tracks, [name]: { ...track, dueMonoMs: nowMonoMs } } };
}

/** What an answer makes of the state. One to a question that is not open any more changes nothing. */
export function settleProbe(
  state: ProbeState,
  probes: Probes,
  answer: GivenAnswer,
  moment: Moment,
): { readonly state: ProbeState; readonly event: ProbeEvent | null } {
  const [probe, track] = [probes[answer.name], state.tracks[answer.name]];
  if (probe === null || track === null || !track.isAsked) return { state, event: null };
  const settled: Track = {
    dueMonoMs: moment.nowMonoMs + jitteredMs(probe.intervalMs, moment.random),
    isAsked: false,
    successes: answer.isWell ? track.successes + 1 : 0,
    failures: answer.isWell ? 0 : track.failures + 1,
    detail: answer.detail,
  };
  const next = { ...state, tracks: { ...state.tracks, [answer.name]: settled } };
  if (settled.successes >= probe.successes) return onSuccess(next, probes, answer.name, moment);
  if (settled.failures >= probe.failures) return onFailure(next, answer);
  return { state: next, event: null };
}

type Step = ReturnType<typeof settleProbe>;

function onSuccess(state: ProbeState, probes: Probes, name: ProbeName, moment: Moment): Step {
  if (name === "liveness" || (name === "readiness" && state.isReady)) return { state, event: null };
  if (name === "startup") {
    const tracks = { ...state.tracks, startup: null, readiness: firstTrack(probes.readiness, moment) };
    const started = { ...state, tracks, isStarted: true };
    if (probes.readiness === null) return becomeReady(started, probes, moment);
    return { state: started, event: { kind: "started" } };
  }
  return becomeReady(state, probes, moment);
}

function becomeReady(state: ProbeState, probes: Probes, moment: Moment): Step {
  // Once it began, liveness goes on whether the service is ready or not.
  const liveness = state.tracks.liveness ?? firstTrack(probes.liveness, moment);
  return {
    state: { ...state, isReady: true, tracks: { ...state.tracks, liveness } },
    event: { kind: "ready" },
  };
}

function onFailure(state: ProbeState, { name, detail }: GivenAnswer): Step {
  if (name !== "readiness") return { state, event: { kind: "unwell", detail: `${name}: ${detail}` } };
  // Before it is ready for the first time the time for its start decides.
  if (!state.isReady) return { state, event: null };
  return { state: { ...state, isReady: false }, event: { kind: "not-ready", detail } };
}

/** The first question of a probe: all instances of a machine start together, so a tenth of an interval apart. */
const firstTrack = (probe: Probe | null, { nowMonoMs, random }: Moment): Track | null =>
  probe === null
    ? null
    : {
        dueMonoMs: nowMonoMs + probe.delayMs + (probe.intervalMs / 10) * random,
        isAsked: false,
        successes: 0,
        failures: 0,
        detail: null,
      };
