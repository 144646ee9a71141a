/** The words of the state machine in `decide-instance.ts`: what an instance does, what happens to it, what follows. */
import type { ProcessTree } from "../../base/ports/process-host.ts";
import { type EndReason, FRESH_HISTORY, type RestartHistory, type RestartRules } from "./decide-restart.ts";
import type { RunEnding, RunProgress } from "./service-store.ts";

/** What an instance is doing. Instants are monotonic ms. */
export type Phase =
  /** Nothing runs, and nothing will by itself. */
  | { readonly kind: "stopped" }
  /** It waits for what it depends on. */
  | { readonly kind: "blocked" }
  | { readonly kind: "spawning" }
  /** Its process runs; `ready` once every probe that has to says so. */
  | {
      readonly kind: "running";
      readonly tree: ProcessTree;
      readonly ready: boolean;
      readonly sinceMonoMs: number;
      readonly readyMonoMs: number | null;
    }
  /** Its tree is being emptied. `next`: what follows; `why`: what began it. */
  | ({ readonly kind: "ending"; readonly tree: ProcessTree } & RunEnding)
  /** It is started again at `untilMonoMs`. */
  | { readonly kind: "waiting"; readonly untilMonoMs: number };

/** An instance: what is wanted of it, what it does, what was. */
export interface InstanceState {
  /** Whether a person, or the configuration, wants it to run. */
  readonly wanted: boolean;
  readonly phase: Phase;
  readonly history: RestartHistory;
  /** Starts by itself since a person started it last. */
  readonly restarts: number;
  readonly lastEnd: EndReason | null;
}

/** A new one. */
export const NEW_INSTANCE: InstanceState = {
  wanted: false,
  phase: { kind: "stopped" },
  history: FRESH_HISTORY,
  restarts: 0,
  lastEnd: null,
};

/** What is known of the process that runs now. */
export interface CurrentRun {
  readonly run: string;
  readonly startedWallMs: number;
  /** Of the definition that it was started with. */
  readonly digest: string;
}

/** How a run ended, and when. */
export interface InstanceEnd {
  readonly why: EndReason;
  readonly atWallMs: number;
}

/** What happens to an instance. */
export type InstanceEvent =
  | { readonly kind: "start" }
  | { readonly kind: "stop" }
  /** Starts it anew: asked for by a person, or for a reason of its own. */
  | { readonly kind: "restart"; readonly why: EndReason }
  /** Whether what it depends on is there changed, or may have. */
  | { readonly kind: "dependencies" }
  | { readonly kind: "spawned"; readonly tree: ProcessTree; readonly needsProbe: boolean }
  | { readonly kind: "spawn-failed"; readonly detail: string }
  /** The start that was to be given up came to nothing. */
  | { readonly kind: "given-up" }
  /** A run of an earlier daemon was found. */
  | {
      readonly kind: "adopted";
      readonly tree: ProcessTree;
      readonly progress: RunProgress;
      /** What its daemon did not live to finish. */
      readonly ending: RunEnding | null;
    }
  /** A run of an earlier daemon has ended; what is left of its tree goes first. */
  | { readonly kind: "lost"; readonly tree: ProcessTree; readonly ending: RunEnding | null }
  | { readonly kind: "exited"; readonly why: EndReason }
  | { readonly kind: "ready"; readonly ready: boolean }
  /** Something of its own is wrong: a probe, its memory, the time its start takes. */
  | { readonly kind: "unwell"; readonly why: EndReason }
  | { readonly kind: "emptied" }
  /** The timer that was set last has rung. */
  | { readonly kind: "timer" };

/** What is to be done, in this order. */
export type InstanceDeed =
  | { readonly kind: "spawn" }
  /** The start that is under way is not wanted any more. */
  | { readonly kind: "give-up" }
  /** Follow the process and run its probes. */
  | { readonly kind: "follow"; readonly tree: ProcessTree; readonly progress: RunProgress }
  /** Stop command, signal, wait for the tree to empty, kill, verify. `gently` false: what is left of an ended one. */
  | { readonly kind: "end"; readonly tree: ProcessTree; readonly gently: boolean }
  /** One timer per instance: setting it replaces the one before. */
  | { readonly kind: "timer"; readonly afterMs: number }
  | { readonly kind: "report"; readonly report: InstanceReport };

/** What is worth telling. */
export type InstanceReport =
  | { readonly kind: "started"; readonly pid: number }
  | { readonly kind: "adopted"; readonly pid: number }
  | { readonly kind: "ready"; readonly afterMs: number }
  | { readonly kind: "unready" }
  | { readonly kind: "ended"; readonly why: EndReason; readonly againMs: number | null }
  | { readonly kind: "looping"; readonly why: EndReason; readonly failures: number }
  | { readonly kind: "stopped" };

/** What a decision needs to know beside state and event. */
export interface InstanceFacts {
  readonly nowMonoMs: number;
  /** In [0, 1). */
  readonly random: number;
  readonly rules: RestartRules;
  /** A start that takes longer has failed. */
  readonly startTimeoutMs: number;
  /** Whether everything it depends on is there. */
  readonly mayStart: boolean;
}

/** The next state and the deeds that lead there. */
export interface InstanceStep {
  readonly state: InstanceState;
  readonly deeds: readonly InstanceDeed[];
}
