/**
 * Who waits for whom. A service starts when all that it needs has come far enough, and stops before what it needs;
 * what stands in no relation to each other starts and stops at once.
 */
import { findCycle } from "../../base/find-cycle.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import type { Dependency, DependencyCondition, ServiceDefinition } from "./model.ts";

/** What there is to know of a service for others to be ordered by. */
export type Ordered = Pick<ServiceDefinition, "name" | "dependsOn">;

/** How far a service has come; all its instances together. `failed`: it ended badly and is not coming back by itself. */
export type Progress = "idle" | "started" | "ready" | "completed" | "failed";

/** What a service waits for, and how far that is. */
export interface Wait {
  readonly name: string;
  readonly condition: DependencyCondition;
  readonly progress: Progress;
}

/** Whether something that has come to `progress` is enough for who waits for `condition`. */
export function isFulfilled(condition: DependencyCondition, progress: Progress): boolean {
  if (progress === "completed") return true;
  if (condition === "completed") return false;
  return progress === "ready" || (condition === "started" && progress === "started");
}

/** What `service` still waits for; empty: it may start. A service that nobody knows is `failed`. */
export function waitsOf(service: Ordered, progressOf: (name: string) => Progress): readonly Wait[] {
  return service.dependsOn
    .map(({ name, condition }) => ({ name, condition, progress: progressOf(name) }))
    .filter(({ condition, progress }) => !isFulfilled(condition, progress));
}

/** Whether what a service waits for will not come by itself any more. */
export const isHopeless = (waits: readonly Wait[]): boolean =>
  waits.some(({ progress }) => progress === "failed");

/** What is wrong between services: an unknown name, or a circle, named. */
export function checkDependencies(services: readonly Ordered[]): Result<void> {
  const known = new Set(services.map(({ name }) => name));
  for (const { name, dependsOn } of services) {
    const missing = dependsOn.find((one) => !known.has(one.name));
    if (missing !== undefined) {
      return fail(`Cannot order "${name}": it needs "${missing.name}", and there is no such service`);
    }
  }
  const cycle = findCycle(new Map(services.map(({ name, dependsOn }) => [name, namesOf(dependsOn)])));
  if (cycle === null) return ok(undefined);
  return fail(`Cannot order "${cycle[0]}": each waits for the next one: ${cycle.join(" -> ")}`);
}

/** The named services and everything that they need, whatever it takes to reach it. */
export function withDependencies(
  names: readonly string[],
  services: readonly Ordered[],
): ReadonlySet<string> {
  const needs = new Map(services.map(({ name, dependsOn }) => [name, namesOf(dependsOn)]));
  return reach(names, needs);
}

/** The named services and everything that needs them. */
export function withDependents(names: readonly string[], services: readonly Ordered[]): ReadonlySet<string> {
  const neededBy = new Map<string, string[]>();
  for (const { name, dependsOn } of services) {
    for (const one of dependsOn) neededBy.set(one.name, [...(neededBy.get(one.name) ?? []), name]);
  }
  return reach(names, neededBy);
}

/** Names in steps: what stands in one step may start at once, and needs only what stands before it. */
export function startOrder(services: readonly Ordered[]): readonly (readonly string[])[] {
  const open = new Map(services.map(({ name, dependsOn }) => [name, namesOf(dependsOn)]));
  const steps: string[][] = [];
  while (open.size > 0) {
    const step = [...open].filter(([, needs]) => !needs.some((name) => open.has(name))).map(([name]) => name);
    if (step.length === 0) throw new Error("Broken invariant: services wait for each other in a circle");
    for (const name of step) open.delete(name);
    steps.push(step);
  }
  return steps;
}

/** The same the other way round: what is needed stops after who needs it. */
export const stopOrder = (services: readonly Ordered[]): readonly (readonly string[])[] =>
  startOrder(services).toReversed();

/** Who may be told to stop now: nobody who still runs needs them. */
export function mayStop(
  asked: ReadonlySet<string>,
  services: readonly Ordered[],
  isRunning: (name: string) => boolean,
): readonly string[] {
  const needed = new Set(
    services
      .filter(({ name }) => asked.has(name) && isRunning(name))
      .flatMap(({ dependsOn }) => namesOf(dependsOn)),
  );
  return [...asked].filter((name) => isRunning(name) && !needed.has(name));
}

/**
 * Who is started again together with `name`, in the order of their starts, itself first: who waited until it was
 * started or ready talks to a process that is gone. Who only waited for its end has what it wanted.
 */
export function restartsWith(name: string, services: readonly Ordered[]): readonly string[] {
  const bound = services.map((service) => ({
    name: service.name,
    dependsOn: service.dependsOn.filter(({ condition }) => condition !== "completed"),
  }));
  const touched = withDependents([name], bound);
  return startOrder(bound.filter((service) => touched.has(service.name))).flat();
}

const namesOf = (dependencies: readonly Dependency[]): string[] => dependencies.map(({ name }) => name);

function reach(names: readonly string[], edges: ReadonlyMap<string, readonly string[]>): ReadonlySet<string> {
  const reached = new Set<string>();
  const open = [...names];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (reached.has(name)) continue;
    reached.add(name);
    open.push(...(edges.get(name) ?? []));
  }
  return reached;
}
