/** Which instances somebody means, and their order. */
import { fail, ok, type Result } from "../../base/result.ts";
import type { Instance } from "./instance.ts";
import type { InstanceKey } from "./service-store.ts";
import { nameOf } from "./service-view.ts";

/** What is needed of an instance to be meant. */
type Named = Pick<Instance, "key" | "definition">;

/**
 * The instances that the name of a service, of one of its instances, or of a group means, each once; all for no name.
 * A service goes before a group of its name: else what bears it could not be named alone. Fails with the first name that
 * means none. `services`: all names that could be meant, for people.
 */
export function findInstances<T extends Named>(
  names: readonly string[],
  instances: readonly T[],
  services: readonly string[],
): Result<readonly T[]> {
  if (names.length === 0) return ok(instances);
  const found = new Set<T>();
  for (const name of names) {
    const named = instances.filter((instance) => instance.key.service === name || nameOf(instance) === name);
    const meant =
      named.length > 0 ? named : instances.filter(({ definition }) => definition.groups.includes(name));
    if (meant.length === 0) {
      const known = services.length === 0 ? "none is defined" : `there are ${services.toSorted().join(", ")}`;
      return fail(`Cannot find service "${name}": ${known}`);
    }
    for (const instance of meant) found.add(instance);
  }
  return ok([...found]);
}

/** By service, then number; a successor comes after the one that it is to follow. */
export function compareKeys(left: InstanceKey, right: InstanceKey): number {
  if (left.service !== right.service) return left.service < right.service ? -1 : 1;
  return left.number - right.number || Number(left.successor) - Number(right.successor);
}
