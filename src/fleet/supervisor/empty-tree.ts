import type { Clock } from "../../base/ports/clock.ts";
import type { ProcessHost, ProcessTree } from "../../base/ports/process-host.ts";

/** How a tree is ended. */
export interface EmptyPlan {
  /** Such as "SIGTERM". */
  readonly signal: string;
  /** Everything of the tree, or its first process alone. */
  readonly to: "group" | "main";
  /** After so long it is killed. */
  readonly timeoutMs: number;
  /** What is run before anything is signalled; null: nothing. */
  readonly before: ((signal: AbortSignal) => Promise<void>) | null;
}

interface EmptyPorts {
  readonly host: Pick<ProcessHost, "members" | "signal" | "kill" | "forget">;
  readonly clock: Clock;
  readonly onTrouble: (detail: string) => void;
}

/** Pauses between two looks at a tree that is ending: short at first, since most end at once. Chosen, not measured. */
const LOOK_MS_MIN = 10;
const LOOK_MS_MAX = 250;
/** How long a kill may take before it is told that something cannot be ended. */
const KILL_WITHIN_MS = 5_000;

/**
 * Ends everything of a tree, and resolves when nothing of it is left: stop command, signal, a wait, then KILL, again and
 * again. `hurry` ends the waiting, not the killing: a process that is stuck in the kernel is told of and waited for.
 */
export async function emptyTree(
  { host, clock, onTrouble }: EmptyPorts,
  tree: ProcessTree,
  plan: EmptyPlan,
  hurry: AbortSignal,
): Promise<void> {
  const deadlineMs = clock.monotonicMs() + plan.timeoutMs;
  const isDue = (): boolean => hurry.aborted || clock.monotonicMs() >= deadlineMs;
  if (plan.before !== null) {
    const enough = AbortSignal.any([hurry, timeoutOf(clock, plan.timeoutMs)]);
    await plan.before(enough);
  }
  if (!isDue()) host.signal(tree, plan.signal, plan.to === "main" ? "main" : "all");
  // Many that are stopped together are all asked before the first look, which is then one for all of them.
  await Promise.resolve();
  let pauseMs = LOOK_MS_MIN;
  while (!isDue() && host.members(tree).length > 0) {
    const leftMs = Math.max(0, deadlineMs - clock.monotonicMs());
    // Being told to hurry ends the wait, and the loop.
    await clock.sleep(Math.min(pauseMs, leftMs), hurry).catch(() => undefined);
    pauseMs = Math.min(LOOK_MS_MAX, pauseMs * 2);
  }
  let isTold = false;
  for (;;) {
    const left = await host.kill(tree, KILL_WITHIN_MS);
    if (left.length === 0) break;
    const pids = left.map(({ pid }) => pid).join(", ");
    if (!isTold)
      onTrouble(`cannot be ended: pid ${pids} is not gone ${KILL_WITHIN_MS / 1000} s after SIGKILL`);
    isTold = true;
  }
  host.forget(tree);
}

function timeoutOf(clock: Clock, durationMs: number): AbortSignal {
  const timeout = new AbortController();
  const never = new AbortController().signal;
  void clock.sleep(durationMs, never).then(() => timeout.abort());
  return timeout.signal;
}
