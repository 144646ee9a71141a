/**
 * Which services and instances there are: what is defined, and what is known of by having been made or noted. The
 * supervisor says what is to become of them.
 */
import { FleetError } from "../../base/errors.ts";
import { compareKeys } from "./find-instances.ts";
import { Instance } from "./instance.ts";
import type { InstanceWorld } from "./instance-world.ts";
import type { ServiceDefinition } from "./model.ts";
import type { InstanceKey, NotedInstance } from "./service-store.ts";

/** A definition with where it is from. `digest` is the same for equal ones. */
export interface KnownService {
  readonly definition: ServiceDefinition;
  readonly digest: string;
  readonly origin: "configured" | "given";
}

/** See the head of this file. */
export class KnownInstances {
  readonly #world: InstanceWorld;
  readonly #undefinedService: (name: string) => ServiceDefinition;
  #services: ReadonlyMap<string, KnownService> = new Map();
  readonly #instances = new Set<Instance>();
  /** The same in order, which they are asked for several times a second; null since one came or went. */
  #sorted: readonly Instance[] | null = null;

  /** `undefinedService`: a definition of one that nobody defines any more, to end what is left of it. */
  constructor(world: InstanceWorld, undefinedService: (name: string) => ServiceDefinition) {
    this.#world = world;
    this.#undefinedService = undefinedService;
  }

  /** In the order of their names. */
  get all(): readonly Instance[] {
    this.#sorted ??= [...this.#instances].sort((left, right) => compareKeys(left.key, right.key));
    return this.#sorted;
  }

  get services(): readonly KnownService[] {
    return [...this.#services.values()];
  }

  get definitions(): readonly ServiceDefinition[] {
    return this.services.map(({ definition }) => definition);
  }

  service(name: string): KnownService | undefined {
    return this.#services.get(name);
  }

  /** Those of one service. */
  of(service: string): readonly Instance[] {
    return this.all.filter(({ key }) => key.service === service);
  }

  /** Whether a service of today has an instance of this number. */
  isDefined({ key }: Pick<Instance, "key">): boolean {
    return key.number <= (this.#services.get(key.service)?.definition.instances ?? 0);
  }

  /** These services hold from now on. Instances stay until they are removed. */
  define(services: readonly KnownService[]): void {
    this.#services = new Map(services.map((service) => [service.definition.name, service]));
  }

  /** These hold no longer. */
  undefine(names: readonly string[]): void {
    this.define(this.services.filter(({ definition }) => !names.includes(definition.name)));
  }

  add(key: InstanceKey, { definition, digest }: KnownService): Instance {
    const instance = new Instance(key, definition, digest, this.#world);
    this.#instances.add(instance);
    this.#sorted = null;
    return instance;
  }

  /**
   * Makes the instances that a definition has and nobody knows; answers those that are to be started. One more of a
   * service that a person stopped is as still as the others: `areOthersWanted` says whether any of them is wanted.
   */
  addMissing(service: KnownService, areOthersWanted: boolean): readonly Instance[] {
    const { definition } = service;
    const known = new Set(this.of(definition.name).map(({ key }) => key.number));
    const isWanted = known.size === 0 ? definition.enabled : areOthersWanted;
    const added: Instance[] = [];
    for (let number = 1; number <= definition.instances; number += 1) {
      if (known.has(number)) continue;
      added.push(this.add({ service: definition.name, number, successor: false }, service));
    }
    return isWanted ? added : [];
  }

  /** One that is to take the place of another. @throws FleetError BAD_INPUT when the service is gone */
  addSuccessor({ key }: Instance): Instance {
    const service = this.#services.get(key.service);
    if (service === undefined) {
      throw new FleetError("BAD_INPUT", `Cannot replace "${key.service}": it is gone`);
    }
    return this.add({ ...key, successor: true }, service);
  }

  /** What is noted of an instance that nobody defines any more: it is stopped as its run was to be, and forgotten. */
  addForgotten({ key, run }: NotedInstance): Instance {
    const service = this.#services.get(key.service);
    const definition = service?.definition ?? this.#undefinedService(key.service);
    const stop = service === undefined ? { ...definition.stop, ...run?.stop } : definition.stop;
    return this.add(key, { definition: { ...definition, stop }, digest: "", origin: "configured" });
  }

  /** Lets go of it. */
  remove(instance: Instance): void {
    instance.detach();
    this.#instances.delete(instance);
    this.#sorted = null;
  }
}
