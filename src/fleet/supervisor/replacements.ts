/**
 * Services replaced without a gap: a new run is started beside the one that is ready, and takes its place when it is
 * ready itself. At each step the notes say which of the two is to stay: the old one as long as it is wanted, then the
 * new one; so a daemon that dies in between leaves exactly one of them to the next one.
 */
import type { EndReason } from "./decide-restart.ts";
import type { Instance } from "./instance.ts";
import { replaceInstance, untilSettled } from "./replace-instance.ts";
import type { InstanceKey, NotedInstance, ServiceStore } from "./service-store.ts";
import { nameOf } from "./service-view.ts";

/** What replacements act through. */
export interface ReplacementsWorld {
  readonly store: ServiceStore;
  readonly instances: () => readonly Instance[];
  readonly addSuccessor: (old: Instance) => Instance;
  /** Forgets an instance; `isNoted`: with what is noted of it. */
  readonly remove: (instance: Instance, isNoted: boolean) => void;
  readonly until: (isTrue: () => boolean) => Promise<void>;
  readonly onChanged: () => void;
}

/** Of which instance a replacement failed, and why; the old one runs on. */
export interface FailedReplacement {
  readonly name: string;
  readonly detail: string;
}

/** See the head of this file. */
export class Replacements {
  readonly #world: ReplacementsWorld;
  /** Old ones that were given up: their successors stay. */
  readonly #leaving = new Set<Instance>();
  /** One replacement of an instance at a time. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(world: ReplacementsWorld) {
    this.#world = world;
  }

  /** Whether an instance is the one of its pair that stays: what is started, or started anew, is this one. */
  stays(instance: Instance): boolean {
    if (!instance.key.successor) return !this.#leaving.has(instance);
    const old = this.#oldOf(instance);
    return old === undefined || this.#leaving.has(old);
  }

  /** Replaces these one after the other, and starts those anew that are not ready. Resolves to what went wrong. */
  async replace(instances: readonly Instance[], why: EndReason): Promise<readonly FailedReplacement[]> {
    const failed: FailedReplacement[] = [];
    const staying = instances.filter((one) => this.stays(one));
    // At once, so that a stop that comes while others have their turn finds it started, and ends it.
    const still = new Set(staying.filter(({ state }) => !state.wanted));
    for (const instance of still) instance.apply({ kind: "start" });
    for (const instance of staying) {
      const begun = still.has(instance);
      const detail = await this.#inTurn(instance.key, () =>
        begun ? untilSettled(instance, this.#world.until) : this.#replaceOne(instance.key, why),
      );
      if (detail !== null) failed.push({ name: nameOf(instance), detail });
    }
    return failed;
  }

  /** Brings replacements to an end that their daemon did not live to finish. Called before anything is started. */
  settle(): void {
    for (const successor of this.#world.instances().filter(({ key }) => key.successor)) {
      const old = this.#oldOf(successor);
      const isOver = old === undefined || !old.state.wanted;
      if (isOver && old !== undefined) this.#leaving.add(old);
      void this.#inTurn(successor.key, () =>
        isOver ? this.#finish(successor, old ?? null) : this.#retire(successor),
      );
    }
  }

  #oldOf({ key }: Instance): Instance | undefined {
    return this.#world.instances().find((one) => !one.key.successor && isPair(one.key, key));
  }

  async #replaceOne(key: InstanceKey, why: EndReason): Promise<string | null> {
    const { instances, until } = this.#world;
    // An earlier turn may have put another one in its place.
    const old = instances().find((one) => isPair(one.key, key) && !one.key.successor && this.stays(one));
    if (old === undefined) return null;
    if (!old.state.wanted) return "it was stopped meanwhile";
    if (!old.isReady) {
      old.apply({ kind: "restart", why });
      return await untilSettled(old, until);
    }
    const { store, addSuccessor, remove } = this.#world;
    const detail = await replaceInstance(old, {
      store,
      until,
      addSuccessor: () => addSuccessor(old),
      remove: (one) => remove(one, true),
      giveUp: () => this.#leaving.add(old),
    });
    this.#leaving.delete(old);
    return detail;
  }

  async #finish(successor: Instance, old: Instance | null): Promise<null> {
    const { until, remove, store, onChanged } = this.#world;
    if (old !== null) {
      old.apply({ kind: "stop" });
      await until(() => old.state.phase.kind === "stopped");
      remove(old, false);
      this.#leaving.delete(old);
    }
    store.succeed(successor.key);
    successor.succeed();
    onChanged();
    return null;
  }

  async #retire(successor: Instance): Promise<null> {
    const { store, until, remove } = this.#world;
    store.noteUnwanted(successor.key);
    successor.apply({ kind: "stop" });
    await until(() => successor.state.phase.kind === "stopped");
    remove(successor, true);
    return null;
  }

  async #inTurn(key: InstanceKey, deed: () => Promise<string | null>): Promise<string | null> {
    const name = `${key.service}:${key.number}`;
    const before = this.#turns.get(name) ?? Promise.resolve();
    const turn = before.then(deed);
    // Who comes next waits for the end, whatever it is.
    const over = turn.catch(() => undefined);
    this.#turns.set(name, over);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(name) === over) this.#turns.delete(name);
    }
  }
}

/**
 * Of a pair that an earlier daemon left behind, the one that goes: it is never started, only ended. False for all that
 * has no counterpart.
 */
export function isLeftBehind(one: NotedInstance, noted: readonly NotedInstance[]): boolean {
  const other = noted.find(({ key }) => isPair(key, one.key) && key.successor !== one.key.successor);
  if (other === undefined) return false;
  return one.key.successor ? other.wanted : !one.wanted;
}

const isPair = (left: InstanceKey, right: InstanceKey): boolean =>
  left.service === right.service && left.number === right.number;
