/** Which process may be ended: whoever kills the wrong one loses the machine, or the hand that typed the command. */
import type { ProcessIdentity } from "../../base/ports/process-host.ts";
import { fail, ok, type Result } from "../../base/result.ts";

/** Why a process must not be ended. Only `not-ours` gives way to force. */
export type KillRefusal = "init" | "self" | "ancestor" | "not-ours";

/** What the rules look at. */
export interface KillQuestion {
  readonly target: ProcessIdentity;
  /** The process that would send the signal. */
  readonly selfPid: number;
  /** Every process with its parent, as of the same moment. */
  readonly parents: readonly { readonly pid: number; readonly parent: number }[];
  /** What fleetd started, and what came of it. */
  readonly ours: readonly ProcessIdentity[];
  /** Whether the operator said that it need not be ours. */
  readonly force: boolean;
}

/** Pid 1: when it ends, the machine or the container does. */
const INIT_PID = 1;

/** Whether it may be ended. Never pid 1, this process or one that it came of; what is not ours only with force. */
export function judgeKill({
  target,
  selfPid,
  parents,
  ours,
  force,
}: KillQuestion): Result<null, KillRefusal> {
  // Zero and negative ids are whole groups to the system, the caller's own among them.
  if (target.pid <= INIT_PID) return fail("init");
  if (target.pid === selfPid) return fail("self");
  if (ancestorsOf(selfPid, parents).has(target.pid)) return fail("ancestor");
  const isOurs = ours.some(({ pid, start }) => pid === target.pid && start === target.start);
  return isOurs || force ? ok(null) : fail("not-ours");
}

/** The processes that `pid` came of, up to the first. */
export function ancestorsOf(
  pid: number,
  parents: readonly { readonly pid: number; readonly parent: number }[],
): ReadonlySet<number> {
  const parentOf = new Map(parents.map((row) => [row.pid, row.parent]));
  const ancestors = new Set<number>();
  for (let next = parentOf.get(pid); next !== undefined && next > 0; next = parentOf.get(next)) {
    // A table that is not of one moment may have a circle: ids are given away again.
    if (ancestors.has(next)) break;
    ancestors.add(next);
  }
  return ancestors;
}
