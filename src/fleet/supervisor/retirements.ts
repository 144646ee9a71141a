/** Ends instances that nobody defines any more, and forgets them, unless they are defined again before they are gone. */
import type { Instance } from "./instance.ts";
import type { ServiceStore } from "./service-store.ts";

/** What retirements act through. */
export interface RetirementsWorld {
  readonly store: Pick<ServiceStore, "noteUnwanted">;
  readonly until: (isTrue: () => boolean) => Promise<void>;
  readonly remove: (instance: Instance) => void;
}

/** See the head of this file. */
export class Retirements {
  readonly #world: RetirementsWorld;
  /** Each by a sign of its own: one that was taken back and ends again is another one. */
  readonly #retiring = new Map<Instance, symbol>();

  constructor(world: RetirementsWorld) {
    this.#world = world;
  }

  has(instance: Instance): boolean {
    return this.#retiring.has(instance);
  }

  /** It is defined again: it stays, whatever becomes of its run. */
  takeBack(instance: Instance): void {
    this.#retiring.delete(instance);
  }

  /** Resolves when it is gone, or was taken back. */
  async retire(instance: Instance): Promise<void> {
    const { store, until, remove } = this.#world;
    const sign = Symbol(instance.key.service);
    this.#retiring.set(instance, sign);
    store.noteUnwanted(instance.key);
    instance.apply({ kind: "stop" });
    const isOwn = (): boolean => this.#retiring.get(instance) === sign;
    await until(() => !isOwn() || instance.state.phase.kind === "stopped");
    if (!isOwn()) return;
    this.#retiring.delete(instance);
    remove(instance);
  }
}
