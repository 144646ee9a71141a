/** When an instance did what, as it is shown to people. */
import type { EndReason } from "./decide-restart.ts";
import { isOtherPhase } from "./instance-facts.ts";
import type { InstanceEnd, InstanceEvent } from "./instance-model.ts";
import { isEndOfRun, type NotedStep } from "./note-step.ts";

/** So many ends are shown; the log has all. */
const ENDS_MAX = 5;

/** See the head of this file. */
export class InstanceRecord {
  #endedWallMs: number | null = null;
  #changedWallMs: number | null = null;
  #ends: readonly InstanceEnd[] = [];

  /** When nothing was left of the last run. */
  get endedWallMs(): number | null {
    return this.#endedWallMs;
  }

  /** Since when it does what it does; null: since an earlier daemon. */
  get changedWallMs(): number | null {
    return this.#changedWallMs;
  }

  /** The last ends, newest first. */
  get ends(): readonly InstanceEnd[] {
    return this.#ends;
  }

  /** What happened, and what it made of the instance. */
  note(event: InstanceEvent, step: Pick<NotedStep, "before" | "after">, nowWallMs: number): void {
    // What was found running has been doing so for longer than this daemon knows of it.
    if (event.kind === "adopted") this.#changedWallMs = null;
    else if (isOtherPhase(step.before, step.after)) this.#changedWallMs = nowWallMs;
    if (isEndOfRun(step)) this.noteEnd(step.after.lastEnd);
  }

  /** Nothing is left of a run; null: as it was noted, of none. */
  noteGone(atWallMs: number | null): void {
    this.#endedWallMs = atWallMs;
  }

  /** Why the run ended of which nothing is left: one more end, if it is one that is not told of yet. */
  noteEnd(why: EndReason | null): void {
    const atWallMs = this.#endedWallMs;
    if (why === null || atWallMs === null || this.#ends[0]?.atWallMs === atWallMs) return;
    this.#ends = [{ why, atWallMs }, ...this.#ends].slice(0, ENDS_MAX);
  }
}
