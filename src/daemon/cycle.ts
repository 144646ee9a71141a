import type { RemoteFailure, RemoteOptions } from "../base/ports/git-remote.ts";
import type { Result } from "../base/result.ts";
import type { Outcome } from "../resilience/breaker.ts";

/** One try; null when it was not made, since somebody else is at it. */
export type Try<T> = (options: RemoteOptions) => Promise<Result<T, RemoteFailure> | null>;

/** What ends a cycle. `stop` ends pauses, `work` ends a try under way. */
export interface CycleSignals {
  readonly stop: AbortSignal;
  readonly work: AbortSignal;
}

/** What a cycle came to: `waiting` says after how long the next one makes sense. */
export type Cycle<T> =
  | { readonly status: "done"; readonly value: T }
  | { readonly status: "waiting"; readonly pauseMs: number };

/** Why the remote cannot be reached, and since when (wall ms, for people). */
export interface Down {
  readonly why: string;
  readonly sinceWallMs: number;
  /** Whether the remote answers, and does not let this server push. */
  readonly unauthorised: boolean;
}

/** What a permit brought: a value, or how long to wait and what the breaker is told. */
export type Ending<T> = { readonly cycle: Cycle<T>; readonly outcome: Outcome; readonly cause: string };

/** What is known of one of the two loops. */
export interface LoopState {
  /** No cycle before this instant, unless it is woken; monotonic ms. */
  notBeforeMonoMs: number;
  /** Failed tries in a row. */
  failures: number;
  /** Whether a success of the other loop would be news. */
  hasNews: boolean;
  /** Ends its pause between two tries. */
  wake: (() => void) | null;
}

/** A loop of which nothing is known. */
export const calm = (): LoopState => ({ notBeforeMonoMs: 0, failures: 0, hasNews: false, wake: null });

/** A cycle that ended because the daemon does: it says nothing about the remote. */
export const STOPPED = { cycle: { status: "waiting", pauseMs: 0 }, outcome: "excluded", cause: "" } as const;

/** A cycle that came to nothing. */
export const waiting = (pauseMs: number): { status: "waiting"; pauseMs: number } => ({
  status: "waiting",
  pauseMs,
});
