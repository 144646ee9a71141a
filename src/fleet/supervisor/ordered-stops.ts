/**
 * Stops what is asked for in the order of dependencies: what needs others first. Whoever wants an instance to run takes it
 * out of every stop that did not come to it yet, so a stop that had to wait ends nothing that is wanted again.
 */
import { mayStop } from "./dependency-order.ts";
import type { Instance } from "./instance.ts";
import type { ServiceDefinition } from "./model.ts";

/** What stops act through. */
export interface StopsWorld {
  readonly definitions: () => readonly ServiceDefinition[];
  readonly until: (isTrue: () => boolean) => Promise<void>;
}

/** See the head of this file. */
export class OrderedStops {
  readonly #world: StopsWorld;
  /** Those that no stop has come to yet, and whether they are killed. */
  readonly #pending = new Map<Instance, boolean>();

  constructor(world: StopsWorld) {
    this.#world = world;
  }

  /** Somebody wants these to run. */
  withdraw(instances: readonly Instance[]): void {
    for (const instance of instances) this.#pending.delete(instance);
  }

  /** Resolves when each is still, or is wanted again. `isKilled`: without the gentle part. */
  async stop(instances: readonly Instance[], isKilled: boolean): Promise<void> {
    for (const one of instances) this.#pending.set(one, isKilled || this.#pending.get(one) === true);
    const { until } = this.#world;
    let left = instances;
    for (;;) {
      left = left.filter((one) => this.#pending.has(one));
      if (left.length === 0) break;
      const now = this.#nextOf(left);
      for (const instance of now) this.#end(instance);
      await until(() => now.every(isDealtWith));
    }
    await until(() => instances.every(isDealtWith));
  }

  /** Those that nothing needs which is still to be stopped. */
  #nextOf(left: readonly Instance[]): readonly Instance[] {
    const asked = new Set(left.map(({ key }) => key.service));
    const free = new Set(mayStop(asked, this.#world.definitions(), () => true));
    // Definitions that were changed meanwhile may have made a ring.
    return free.size === 0 ? left : left.filter(({ key }) => free.has(key.service));
  }

  #end(instance: Instance): void {
    const isKilled = this.#pending.get(instance) === true;
    this.#pending.delete(instance);
    instance.apply({ kind: "stop" });
    if (isKilled) instance.hurry();
  }
}

const isDealtWith = ({ state }: Instance): boolean => state.wanted || state.phase.kind === "stopped";
