import type { ProcessHost } from "../../base/ports/process-host.ts";
import type { Instance } from "../../fleet/supervisor/instance.ts";
import { nameOf } from "../../fleet/supervisor/service-view.ts";
import type { ReachedInstance } from "../../http/service-protocol.ts";

/** Sends a signal to everything of these instances, or only looks who would get it; answers those that something is there of. */
export function signalInstances(
  host: Pick<ProcessHost, "members" | "signal">,
  instances: readonly Instance[],
  { signal, dryRun }: { readonly signal: string; readonly dryRun: boolean },
): readonly ReachedInstance[] {
  return instances.flatMap((instance) => {
    const { tree } = instance;
    if (tree === null) return [];
    const first = tree.identity.pid;
    const found = host.members(tree).map(({ pid }) => pid);
    // Its first process stands before what came of it.
    const pids = found.sort(
      (left, right) => Number(right === first) - Number(left === first) || left - right,
    );
    const isReached = dryRun ? pids.length > 0 : host.signal(tree, signal, "all");
    return isReached ? [{ name: nameOf(instance), pids }] : [];
  });
}
