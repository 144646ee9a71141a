import { messageOf } from "../../base/errors.ts";
import type { Clock } from "../../base/ports/clock.ts";
import type { ProcessHost, ProcessTree } from "../../base/ports/process-host.ts";

/** How a tree is ended. */
export interface EmptyPlan {
  /** Such as "SIGTERM". */
  readonly signal: string;
  /** Everything of the tree, or its first process alone. */
  readonly to: "group" | "main";
  /** So long after the signal it is killed; what is run before may take as long, too. */
  readonly timeoutMs: number;
  /** What is run before anything is signalled, to its end or to the signal's; null: nothing. */
  readonly before: ((signal: AbortSignal) => Promise<void>) | null;
}

/** What ending acts through. */
export interface EmptyPorts {
  readonly host: Pick<ProcessHost, "members" | "signal" | "kill" | "forget">;
  readonly clock: Clock;
  readonly onTrouble: (detail: string) => void;
  /** Ends all of it where it stands: whoever supervises next goes on. */
  readonly letGo: AbortSignal;
}

/** Pauses between two looks at a tree that is ending: short at first, since most end at once. Chosen, not measured. */
const LOOK_MS_MIN = 10;
const LOOK_MS_MAX = 250;
/** How long a kill may take before it is told that something cannot be ended. */
const KILL_WITHIN_MS = 5_000;
/** Pauses before it is killed again: each is twice the one before. Chosen, not measured. */
const AGAIN_MS_MIN = 1_000;
const AGAIN_MS_MAX = 60_000;

/**
 * Ends everything of a tree, and resolves when nothing of it is left: stop command, signal, a wait, then KILL, again and
 * again. `hurry` ends the waiting, not the killing. What cannot be ended, since it is stuck in the kernel or belongs to
 * somebody else, is told of and tried again, and what the system refuses on the way is told and goes on. Never rejects.
 */
export async function emptyTree(
  ports: EmptyPorts,
  tree: ProcessTree,
  plan: EmptyPlan,
  hurry: AbortSignal,
): Promise<void> {
  const enough = AbortSignal.any([hurry, ports.letGo]);
  const { before, timeoutMs } = plan;
  if (before !== null) await ended({ before, timeoutMs }, ports, enough);
  if (!enough.aborted) {
    const deadlineMs = ports.clock.monotonicMs() + timeoutMs;
    attempt(ports, () => ports.host.signal(tree, plan.signal, plan.to === "main" ? "main" : "all"));
    // Many that are stopped together are all asked before the first look, which is then one for all of them.
    await Promise.resolve();
    await waited(ports, tree, deadlineMs, enough);
  }
  if (!ports.letGo.aborted) await killed(ports, tree);
  if (!ports.letGo.aborted) attempt(ports, () => ports.host.forget(tree));
}

/** Runs what is to be run before the signal; whatever becomes of it, the signal follows. */
async function ended(
  { before, timeoutMs }: { before: NonNullable<EmptyPlan["before"]>; timeoutMs: number },
  ports: EmptyPorts,
  enough: AbortSignal,
): Promise<void> {
  const over = new AbortController();
  const late = new AbortController();
  void ports.clock.sleep(timeoutMs, over.signal).then(
    () => late.abort(),
    // It ended in time.
    () => undefined,
  );
  try {
    await before(AbortSignal.any([enough, late.signal]));
  } catch (thrown) {
    ports.onTrouble(messageOf(thrown));
  }
  over.abort();
}

/** Waits until nothing is left, or it was enough. */
async function waited(
  ports: EmptyPorts,
  tree: ProcessTree,
  deadlineMs: number,
  enough: AbortSignal,
): Promise<void> {
  const { host, clock } = ports;
  let pauseMs = LOOK_MS_MIN;
  while (!enough.aborted && !isEmpty(host, tree)) {
    const leftMs = deadlineMs - clock.monotonicMs();
    if (leftMs <= 0) return;
    // Being told that it is enough ends the wait, and the loop.
    await clock.sleep(Math.min(pauseMs, leftMs), enough).catch(() => undefined);
    pauseMs = Math.min(LOOK_MS_MAX, pauseMs * 2);
  }
}

function isEmpty(host: EmptyPorts["host"], tree: ProcessTree): boolean {
  try {
    return host.members(tree).length === 0;
  } catch {
    // Nobody can tell now: it is killed when its time is up, and what is in the way is told there.
    return false;
  }
}

/** Kills until nothing is left. */
async function killed({ host, clock, onTrouble, letGo }: EmptyPorts, tree: ProcessTree): Promise<void> {
  let isTold = false;
  for (let pauseMs = AGAIN_MS_MIN; ; pauseMs = Math.min(AGAIN_MS_MAX, pauseMs * 2)) {
    let detail: string;
    try {
      const left = await host.kill(tree, KILL_WITHIN_MS);
      if (left.length === 0) return;
      const pids = left.map(({ pid }) => pid).join(", ");
      detail = `pid ${pids} is not gone ${KILL_WITHIN_MS / 1000} s after SIGKILL`;
    } catch (thrown) {
      detail = messageOf(thrown);
    }
    if (letGo.aborted) return;
    if (!isTold) onTrouble(`cannot be ended, and is tried again: ${detail}`);
    isTold = true;
    await clock.sleep(pauseMs, letGo).catch(() => undefined);
    if (letGo.aborted) return;
  }
}

/** What the system refuses is told. */
function attempt({ onTrouble }: EmptyPorts, deed: () => void): void {
  try {
    deed();
  } catch (thrown) {
    onTrouble(messageOf(thrown));
  }
}
