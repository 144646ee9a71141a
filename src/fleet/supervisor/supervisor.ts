/**
 * The services of this machine: which there are, what is wanted of each, and how they depend on each other. One daemon
 * per machine has one of these, the one that holds the machine's lock; what it notes is found by the next one.
 *
 * Whatever is asked for is noted before it is done, so a daemon that dies in between leaves the wish to the next one.
 */
import { FleetError, requireOk } from "../../base/errors.ts";
import type { ProcessIdentity } from "../../base/ports/process-host.ts";
import { checkAdoption } from "./check-adoption.ts";
import { decideLoad } from "./decide-load.ts";
import type { EndReason } from "./decide-restart.ts";
import { restartsWith, waitsOf, withDependencies } from "./dependency-order.ts";
import { compareKeys, findInstances } from "./find-instances.ts";
import { Instance } from "./instance.ts";
import { rulesOf } from "./instance-facts.ts";
import type { InstanceWorld } from "./instance-world.ts";
import type { ServiceDefinition } from "./model.ts";
import { OrderedStops } from "./ordered-stops.ts";
import { untilSettledInOrder } from "./replace-instance.ts";
import { type FailedReplacement, isLeftBehind, Replacements } from "./replacements.ts";
import { Retirements } from "./retirements.ts";
import { awaitedBy, isDone, progressOf } from "./service-progress.ts";
import type { InstanceKey, NotedInstance } from "./service-store.ts";
import type { Awaited } from "./service-view.ts";

/** A definition with where it is from. `digest` is the same for equal ones. */
export interface KnownService {
  readonly definition: ServiceDefinition;
  readonly digest: string;
  readonly origin: "configured" | "given";
}

/** What a supervisor acts through. */
export type SupervisorWorld = Omit<InstanceWorld, "mayStart" | "onChanged"> & {
  /** Which start of the system this is; null where that cannot be told. */
  readonly boot: string | null;
  /** A definition of a service that nobody defines any more, for as long as it takes to end what is left of it. */
  readonly undefinedService: (name: string) => ServiceDefinition;
  /** Something that is shown is different now. */
  readonly onChanged: () => void;
};

/** See the head of this file. */
export class Supervisor {
  readonly #world: SupervisorWorld;
  readonly #instanceWorld: InstanceWorld;
  #services = new Map<string, KnownService>();
  readonly #instances = new Set<Instance>();
  /** The same in order, which they are asked for several times a second; null since one came or went. */
  #sorted: readonly Instance[] | null = null;
  readonly #waiters = new Set<() => void>();
  readonly #replacements: Replacements;
  readonly #stops: OrderedStops;
  /** Those that nobody defines any more, until nothing of them is left. */
  readonly #retirements: Retirements;
  #isSettling = false;

  constructor(world: SupervisorWorld) {
    this.#world = world;
    this.#instanceWorld = {
      ...world,
      mayStart: (definition) => waitsOf(definition, (name) => progressOf(this.#stayingOf(name))).length === 0,
      onChanged: () => this.#noteChange(),
    };
    const until = (isTrue: () => boolean): Promise<void> => this.#until(isTrue);
    this.#stops = new OrderedStops({ definitions: () => this.#definitions(), until });
    this.#retirements = new Retirements({
      store: world.store,
      until,
      remove: (instance) => this.#remove(instance),
    });
    this.#replacements = new Replacements({
      store: world.store,
      instances: () => this.instances,
      addSuccessor: (old) => this.#addSuccessor(old),
      remove: (instance, isNoted) => this.#remove(instance, isNoted),
      until,
      onChanged: () => this.#noteChange(),
    });
  }

  /** In the order of their names. */
  get instances(): readonly Instance[] {
    this.#sorted ??= [...this.#instances].sort((left, right) => compareKeys(left.key, right.key));
    return this.#sorted;
  }

  get services(): readonly KnownService[] {
    return [...this.#services.values()];
  }

  /** What a blocked instance waits for; empty for all others. */
  awaitedBy(instance: Instance): readonly Awaited[] {
    return awaitedBy(instance, (name) => this.#stayingOf(name));
  }

  /** Where the definition of an instance is from. */
  originOf({ key }: Instance): KnownService["origin"] {
    return this.#services.get(key.service)?.origin ?? "configured";
  }

  /**
   * Takes up what is noted, and starts what is wanted and does not run. Called once. `leftAlone`: services whose
   * definition cannot be read, so nobody knows what they should be.
   */
  begin(services: readonly KnownService[], leftAlone: ReadonlySet<string>): void {
    this.#services = byName(services);
    const { store, boot } = this.#world;
    const noted = store.instances().filter(({ key }) => !leftAlone.has(key.service));
    const takeUp: [Instance, NotedInstance][] = [];
    const toStart: Instance[] = [];
    for (const one of noted) {
      const service = this.#services.get(one.key.service);
      if (service === undefined || one.key.number > service.definition.instances) {
        takeUp.push([this.#addForgotten(one, service), { ...one, wanted: false }]);
        continue;
      }
      const instance = this.#add(one.key, service);
      const decision = decideLoad(one, rulesOf(service.definition), { isEnabled: false, boot });
      const isOver = isLeftBehind(one, noted);
      if (decision === "start" && !isOver) toStart.push(instance);
      // What a start of the system ended is not looked for.
      const wanted = one.wanted && !isOver;
      takeUp.push([instance, decision === "take" ? { ...one, wanted } : { ...one, wanted, run: null }]);
    }
    const wanted = new Set([...noted.filter((one) => one.wanted), ...toStart].map(({ key }) => key.service));
    for (const service of services) {
      toStart.push(...this.#addMissing(service, wanted.has(service.definition.name)));
    }
    for (const [instance, one] of takeUp) {
      instance.takeUp(one);
      if (!this.#isDefined(instance)) void this.#retirements.retire(instance);
    }
    this.#replacements.settle();
    this.#startThese(toStart);
  }

  /** Takes other definitions: what is new is started, what is gone is stopped and forgotten, what runs keeps its own. */
  redefine(services: readonly KnownService[], leftAlone: ReadonlySet<string>): void {
    this.#services = byName(services);
    const toStart: Instance[] = [];
    for (const service of services) {
      const known = this.#instancesOf(service.definition.name);
      for (const instance of known) instance.redefine(service.definition, service.digest);
      const isWanted = known.some(({ state }) => state.wanted);
      // Defined again before it was gone.
      const returning = known.filter((one) => this.#retirements.has(one) && this.#isDefined(one));
      for (const instance of returning) this.#retirements.takeBack(instance);
      if (isWanted || service.definition.enabled) toStart.push(...returning);
      toStart.push(...this.#addMissing(service, isWanted));
    }
    for (const instance of this.instances) {
      if (leftAlone.has(instance.key.service)) continue;
      if (this.#isDefined(instance) || this.#retirements.has(instance)) continue;
      void this.#retirements.retire(instance);
    }
    this.#startThese(toStart);
    this.#noteChange();
  }

  /**
   * The instances that are meant by the name of a service, of one of its instances, or of a group; all for none.
   * @throws FleetError BAD_INPUT naming what is not known, and what is
   */
  find(names: readonly string[]): readonly Instance[] {
    // What is on its way out is nobody's any more: a start would keep it.
    const staying = this.instances.filter((one) => !this.#retirements.has(one));
    return requireOk("BAD_INPUT", findInstances(names, staying, [...this.#services.keys()]));
  }

  /** Wants these to run, and what they depend on; answers all of them. */
  start(instances: readonly Instance[]): readonly Instance[] {
    const all = [...this.#dependenciesOf(instances), ...instances];
    this.#startThese(all);
    return all;
  }

  /** Makes a process that runs already the process of an instance that does not. @throws FleetError BAD_INPUT */
  adopt(instance: Instance, identity: ProcessIdentity): void {
    const { newRun } = this.#world;
    checkAdoption(instance, identity, this.instances, this.#world.host);
    this.#want([instance]);
    instance.adopt({ identity, run: newRun(), cgroup: null });
  }

  /** Wants these to be still: what depends on others first. Returns at once; `isKilled`: without the gentle part. */
  stop(instances: readonly Instance[], isKilled = false): void {
    this.#world.store.want(
      instances.map(({ key }) => key),
      false,
    );
    void this.#stops.stop(instances, isKilled);
  }

  /** Starts these anew, and those that do not run, and what they depend on; what runs and talks to them comes after them. */
  restart(instances: readonly Instance[]): void {
    const staying = instances.filter((one) => this.#replacements.stays(one));
    if (staying.length === 0) return;
    this.#startThese(this.#dependenciesOf(staying));
    this.#want(staying);
    for (const instance of staying) instance.apply({ kind: "restart", why: { kind: "person" } });
    for (const name of new Set(staying.map(({ key }) => key.service))) {
      const bound = restartsWith(name, this.#definitions()).filter((other) => other !== name);
      const why = { kind: "dependency", detail: `${name} was started anew` } as const;
      const running = this.instances.filter(
        (one) => bound.includes(one.key.service) && !instances.includes(one) && one.tree !== null,
      );
      for (const one of running) one.apply({ kind: "restart", why });
    }
  }

  /**
   * Starts these anew one after the other without a gap: a new one beside the old one, which goes when the new one is
   * ready. Resolves to what went wrong, by name; the old one then runs on.
   */
  async replace(instances: readonly Instance[]): Promise<readonly FailedReplacement[]> {
    const staying = instances.filter((one) => this.#replacements.stays(one));
    const missing = this.#dependenciesOf(staying).filter(({ tree }) => tree === null);
    this.#startThese(missing);
    this.#want(staying);
    await untilSettledInOrder(missing, (isTrue) => this.#until(isTrue));
    return await this.#replacements.replace(staying, { kind: "person" });
  }

  /** Starts those of a service anew that run, because of a change; without a gap where it asks for that. */
  async renew(service: string, why: EndReason): Promise<readonly FailedReplacement[]> {
    const running = this.#instancesOf(service).filter(
      (one) => this.#replacements.stays(one) && one.state.wanted && one.state.phase.kind !== "stopped",
    );
    const gapless = running.filter(({ definition }) => definition.zeroDowntime);
    for (const instance of running) {
      if (!gapless.includes(instance)) instance.apply({ kind: "restart", why });
    }
    return await this.#replacements.replace(gapless, why);
  }

  /** Stops what is left of services that were given by command, and forgets them. Noted when it returns. */
  forget(instances: readonly Instance[]): Promise<unknown> {
    const names = [...new Set(instances.map(({ key }) => key.service))];
    this.#world.store.takeBack(names);
    for (const name of names) this.#services.delete(name);
    return Promise.all(instances.map((instance) => this.#retirements.retire(instance)));
  }

  /** Resolves when nothing runs any more. */
  async stopAll(): Promise<void> {
    await this.#stops.stop(this.instances, false);
  }

  /** Lets go of everything without touching a process. */
  detach(): void {
    for (const instance of this.#instances) instance.detach();
  }

  #instancesOf(service: string): Instance[] {
    return this.instances.filter(({ key }) => key.service === service);
  }

  #add(key: InstanceKey, { definition, digest }: KnownService): Instance {
    const instance = new Instance(key, definition, digest, this.#instanceWorld);
    this.#instances.add(instance);
    this.#sorted = null;
    return instance;
  }

  /**
   * Makes the instances that a definition has and nobody knows; answers those that are to be started. One more of a
   * service that a person stopped is as still as the others: `areOthersWanted` says whether any of them is wanted.
   */
  #addMissing(service: KnownService, areOthersWanted: boolean): Instance[] {
    const { definition } = service;
    const known = new Set(this.#instancesOf(definition.name).map(({ key }) => key.number));
    const isWanted = known.size === 0 ? definition.enabled : areOthersWanted;
    const added: Instance[] = [];
    for (let number = 1; number <= definition.instances; number += 1) {
      if (known.has(number)) continue;
      added.push(this.#add({ service: definition.name, number, successor: false }, service));
    }
    return isWanted ? added : [];
  }

  #addSuccessor({ key }: Instance): Instance {
    const service = this.#services.get(key.service);
    if (service === undefined)
      throw new FleetError("BAD_INPUT", `Cannot replace "${key.service}": it is gone`);
    return this.#add({ ...key, successor: true }, service);
  }

  #want(instances: readonly Instance[]): void {
    this.#stops.withdraw(instances);
    this.#world.store.want(
      instances.map(({ key }) => key),
      true,
    );
  }

  #startThese(instances: readonly Instance[]): void {
    const staying = instances.filter((one) => this.#replacements.stays(one));
    if (staying.length === 0) return;
    this.#want(staying);
    for (const instance of staying) instance.apply({ kind: "start" });
  }

  /** Everything that these need; what has done what it was for is not done again. */
  #dependenciesOf(instances: readonly Instance[]): readonly Instance[] {
    const named = instances.map(({ key }) => key.service);
    const needed = withDependencies(named, this.#definitions());
    return this.instances.filter(
      (one) => needed.has(one.key.service) && !named.includes(one.key.service) && !isDone(one),
    );
  }

  #definitions(): readonly ServiceDefinition[] {
    return this.services.map(({ definition }) => definition);
  }

  #stayingOf(service: string): readonly Instance[] {
    return this.#instancesOf(service).filter((one) => this.#replacements.stays(one));
  }

  #isDefined({ key }: Instance): boolean {
    return key.number <= (this.#services.get(key.service)?.definition.instances ?? 0);
  }

  #remove(instance: Instance, isNoted = true): void {
    instance.detach();
    this.#instances.delete(instance);
    this.#sorted = null;
    if (isNoted) this.#world.store.forget(instance.key);
    this.#noteChange();
  }

  /** What is noted of an instance that nobody defines any more: it is stopped as its run was to be, and forgotten. */
  #addForgotten({ key, run }: NotedInstance, service: KnownService | undefined): Instance {
    const definition = service?.definition ?? this.#world.undefinedService(key.service);
    const stop = service === undefined ? { ...definition.stop, ...run?.stop } : definition.stop;
    return this.#add(key, { definition: { ...definition, stop }, digest: "", origin: "configured" });
  }

  #until(isTrue: () => boolean): Promise<void> {
    if (isTrue()) return Promise.resolve();
    return new Promise((resolve) => {
      const look = (): void => {
        if (!isTrue()) return;
        this.#waiters.delete(look);
        resolve();
      };
      this.#waiters.add(look);
    });
  }

  /** Whoever waits looks again, after the change that is under way: a change may lead to the next one. */
  #noteChange(): void {
    this.#world.onChanged();
    if (this.#isSettling) return;
    this.#isSettling = true;
    queueMicrotask(() => {
      this.#isSettling = false;
      for (const instance of this.#instances) instance.apply({ kind: "dependencies" });
      for (const look of [...this.#waiters]) look();
    });
  }
}

const byName = (services: readonly KnownService[]): Map<string, KnownService> =>
  new Map(services.map((service) => [service.definition.name, service]));
