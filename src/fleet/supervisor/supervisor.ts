/**
 * The services of this machine: which there are, what is wanted of each, and how they depend on each other. One daemon
 * per machine has one of these, the one that holds the machine's lock; what it notes is found by the next one.
 *
 * Whatever is asked for is noted before it is done, so a daemon that dies in between leaves the wish to the next one.
 */
import { requireOk } from "../../base/errors.ts";
import type { ProcessIdentity } from "../../base/ports/process-host.ts";
import { AwaitedConditions } from "./awaited-conditions.ts";
import { checkAdoption } from "./check-adoption.ts";
import { decideLoad } from "./decide-load.ts";
import type { EndReason } from "./decide-restart.ts";
import { restartsWith, waitsOf, withDependencies } from "./dependency-order.ts";
import { findInstances } from "./find-instances.ts";
import type { Instance } from "./instance.ts";
import { rulesOf } from "./instance-facts.ts";
import type { InstanceWorld } from "./instance-world.ts";
import { KnownInstances, type KnownService } from "./known-instances.ts";
import type { ServiceDefinition } from "./model.ts";
import { OrderedStops } from "./ordered-stops.ts";
import { untilSettledInOrder } from "./replace-instance.ts";
import { type FailedReplacement, isLeftBehind, Replacements } from "./replacements.ts";
import { Retirements } from "./retirements.ts";
import { awaitedBy, isDone, progressOf } from "./service-progress.ts";
import type { NotedInstance } from "./service-store.ts";
import type { Awaited } from "./service-view.ts";

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
  readonly #known: KnownInstances;
  readonly #conditions = new AwaitedConditions();
  readonly #replacements: Replacements;
  readonly #stops: OrderedStops;
  /** Those that nobody defines any more, until nothing of them is left. */
  readonly #retirements: Retirements;
  #isSettling = false;

  constructor(world: SupervisorWorld) {
    this.#world = world;
    const instanceWorld: InstanceWorld = {
      ...world,
      mayStart: (definition) => waitsOf(definition, (name) => progressOf(this.#stayingOf(name))).length === 0,
      onChanged: () => this.#noteChange(),
    };
    this.#known = new KnownInstances(instanceWorld, world.undefinedService);
    const until = (isTrue: () => boolean): Promise<void> => this.#conditions.until(isTrue);
    this.#stops = new OrderedStops({ definitions: () => this.#known.definitions, until });
    this.#retirements = new Retirements({
      store: world.store,
      until,
      remove: (instance) => this.#remove(instance),
    });
    this.#replacements = new Replacements({
      store: world.store,
      instances: () => this.instances,
      addSuccessor: (old) => this.#known.addSuccessor(old),
      remove: (instance, isNoted) => this.#remove(instance, isNoted),
      until,
      onChanged: () => this.#noteChange(),
    });
  }

  /** In the order of their names. */
  get instances(): readonly Instance[] {
    return this.#known.all;
  }

  get services(): readonly KnownService[] {
    return this.#known.services;
  }

  /** What a blocked instance waits for; empty for all others. */
  awaitedBy(instance: Instance): readonly Awaited[] {
    return awaitedBy(instance, (name) => this.#stayingOf(name));
  }

  /** Where the definition of an instance is from. */
  originOf({ key }: Instance): KnownService["origin"] {
    return this.#known.service(key.service)?.origin ?? "configured";
  }

  /**
   * Takes up what is noted, and starts what is wanted and does not run. Called once. `leftAlone`: services whose
   * definition cannot be read, so nobody knows what they should be.
   */
  begin(services: readonly KnownService[], leftAlone: ReadonlySet<string>): void {
    this.#known.define(services);
    const { store, boot } = this.#world;
    const noted = store.instances().filter(({ key }) => !leftAlone.has(key.service));
    const takeUp: [Instance, NotedInstance][] = [];
    const toStart: Instance[] = [];
    for (const one of noted) {
      const service = this.#known.service(one.key.service);
      if (service === undefined || !this.#known.isDefined(one)) {
        takeUp.push([this.#known.addForgotten(one), { ...one, wanted: false }]);
        continue;
      }
      const instance = this.#known.add(one.key, service);
      const decision = decideLoad(one, rulesOf(service.definition), { isEnabled: false, boot });
      const isOver = isLeftBehind(one, noted);
      if (decision === "start" && !isOver) toStart.push(instance);
      // What a start of the system ended is not looked for.
      const wanted = one.wanted && !isOver;
      takeUp.push([instance, decision === "take" ? { ...one, wanted } : { ...one, wanted, run: null }]);
    }
    const wanted = new Set([...noted.filter((one) => one.wanted), ...toStart].map(({ key }) => key.service));
    for (const service of services) {
      toStart.push(...this.#known.addMissing(service, wanted.has(service.definition.name)));
    }
    for (const [instance, one] of takeUp) {
      instance.takeUp(one);
      if (!this.#known.isDefined(instance)) void this.#retirements.retire(instance);
    }
    this.#replacements.settle();
    this.#startThese(toStart);
  }

  /** Takes other definitions: what is new is started, what is gone is stopped and forgotten, what runs keeps its own. */
  redefine(services: readonly KnownService[], leftAlone: ReadonlySet<string>): void {
    this.#known.define(services);
    const toStart: Instance[] = [];
    for (const service of services) {
      const known = this.#known.of(service.definition.name);
      for (const instance of known) instance.redefine(service.definition, service.digest);
      const isWanted = known.some(({ state }) => state.wanted);
      // Defined again before it was gone.
      const returning = known.filter((one) => this.#retirements.has(one) && this.#known.isDefined(one));
      for (const instance of returning) this.#retirements.takeBack(instance);
      if (isWanted || service.definition.enabled) toStart.push(...returning);
      toStart.push(...this.#known.addMissing(service, isWanted));
    }
    for (const instance of this.instances) {
      if (leftAlone.has(instance.key.service)) continue;
      if (this.#known.isDefined(instance) || this.#retirements.has(instance)) continue;
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
    return requireOk(
      "BAD_INPUT",
      findInstances(
        names,
        staying,
        this.#known.definitions.map(({ name }) => name),
      ),
    );
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
      const bound = restartsWith(name, this.#known.definitions).filter((other) => other !== name);
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
    await untilSettledInOrder(missing, (isTrue) => this.#conditions.until(isTrue));
    return await this.#replacements.replace(staying, { kind: "person" });
  }

  /** Starts those of a service anew that run, because of a change; without a gap where it asks for that. */
  async renew(service: string, why: EndReason): Promise<readonly FailedReplacement[]> {
    const running = this.#known
      .of(service)
      .filter(
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
    this.#known.undefine(names);
    return Promise.all(instances.map((instance) => this.#retirements.retire(instance)));
  }

  /** Resolves when nothing runs any more. */
  async stopAll(): Promise<void> {
    await this.#stops.stop(this.instances, false);
  }

  /** Lets go of everything without touching a process. */
  detach(): void {
    for (const instance of this.instances) instance.detach();
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
    const needed = withDependencies(named, this.#known.definitions);
    return this.instances.filter(
      (one) => needed.has(one.key.service) && !named.includes(one.key.service) && !isDone(one),
    );
  }

  #stayingOf(service: string): readonly Instance[] {
    return this.#known.of(service).filter((one) => this.#replacements.stays(one));
  }

  #remove(instance: Instance, isNoted = true): void {
    this.#known.remove(instance);
    if (isNoted) this.#world.store.forget(instance.key);
    this.#noteChange();
  }

  /** Whoever waits looks again, after the change that is under way: a change may lead to the next one. */
  #noteChange(): void {
    this.#world.onChanged();
    if (this.#isSettling) return;
    this.#isSettling = true;
    queueMicrotask(() => {
      this.#isSettling = false;
      for (const instance of this.instances) instance.apply({ kind: "dependencies" });
      this.#conditions.look();
    });
  }
}
