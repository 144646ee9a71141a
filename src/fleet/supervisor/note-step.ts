import type { InstanceState } from "./instance-model.ts";
import type { InstanceKey, ServiceStore } from "./service-store.ts";

/** What a step of an instance is noted with. */
export interface NotedStep {
  readonly before: InstanceState;
  readonly after: InstanceState;
  /** When its last run ended. */
  readonly endedWallMs: number;
}

/** Whether a step was the last one of a run, or of an attempt at one. */
export function isEndOfRun(step: Pick<NotedStep, "before" | "after">): boolean {
  const [before, after] = [step.before.phase, step.after.phase];
  const isOver = after.kind === "stopped" || after.kind === "waiting" || after.kind === "blocked";
  return isOver && before.kind !== after.kind;
}

/** Notes what of a step has to outlive this daemon. */
export function noteStep(store: ServiceStore, key: InstanceKey, step: NotedStep): void {
  const { before, after, endedWallMs } = step;
  const { phase, lastEnd, restarts, history } = after;
  if (phase.kind === "running") {
    const wasReady = before.phase.kind === "running" && before.phase.ready;
    if (wasReady !== phase.ready) store.noteProgress(key, phase.ready ? "ready" : "unready");
  } else if (phase.kind === "ending") {
    const { next, why } = phase;
    const isNoted = before.phase.kind === "ending" && before.phase.next === next;
    if (!isNoted) store.noteEnding(key, { next, why });
  } else if (isEndOfRun(step)) store.noteEnd(key, { lastEnd, restarts, history, endedWallMs });
}
