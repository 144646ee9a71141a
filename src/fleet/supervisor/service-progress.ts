/** How far services have come, for those that depend on them. */
import { type Progress, waitsOf } from "./dependency-order.ts";
import type { Instance } from "./instance.ts";
import { type Awaited, stateOf } from "./service-view.ts";

/** How far all instances of a service have come together; without any it will not come. */
export function progressOf(instances: readonly Instance[]): Progress {
  if (instances.length === 0) return "failed";
  if (instances.every(isDone)) return "completed";
  if (instances.every(({ isReady }) => isReady)) return "ready";
  return instances.every(({ state }) => state.phase.kind === "running") ? "started" : "idle";
}

/** What a blocked instance waits for, and what that does; empty for all others. `instancesOf`: those of a service. */
export function awaitedBy(
  { state, definition }: Instance,
  instancesOf: (service: string) => readonly Instance[],
): readonly Awaited[] {
  if (state.phase.kind !== "blocked") return [];
  return waitsOf(definition, (name) => progressOf(instancesOf(name))).map(({ name, condition }) => ({
    name,
    condition,
    states: [...new Set(instancesOf(name).map(stateOf))],
  }));
}

/** Whether it has done what it was for. */
export const isDone = ({ state }: Pick<Instance, "state">): boolean =>
  state.phase.kind === "stopped" && state.lastEnd?.kind === "code" && state.lastEnd.code === 0;
