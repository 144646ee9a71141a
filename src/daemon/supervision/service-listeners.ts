/**
 * The sockets that services accept from: opened here, and handed to each of their processes. One stays open for as long as
 * its service is not stopped, so nobody is refused while it is started anew; a daemon that follows another one gets the
 * same socket from the process that runs.
 */
import { FleetError } from "../../base/errors.ts";
import { formatHostPort, type HostPort } from "../../base/host-port.ts";
import type { ListeningSockets } from "../../base/ports/listening-sockets.ts";
import type { ProcessHost } from "../../base/ports/process-host.ts";
import type { Listener } from "../../base/ports/process-table.ts";
import type { Instance } from "../../fleet/supervisor/instance.ts";
import type { ServiceDefinition } from "../../fleet/supervisor/model.ts";
import type { InstanceKey } from "../../fleet/supervisor/service-store.ts";
import { nameOf } from "../../fleet/supervisor/service-view.ts";

/** What this is made with. */
export interface ServiceListenersOptions {
  readonly sockets: ListeningSockets;
  readonly members: ProcessHost["members"];
  readonly listeners: (port: number) => Promise<readonly Listener[]>;
  readonly instances: () => readonly Instance[];
  readonly notice: (text: string) => void;
}

interface Held {
  readonly service: string;
  readonly descriptor: number;
}

/** A socket beside the one of a process that may not be taken: it is given away whole, to the start it was opened for. */
interface Lent {
  readonly key: InstanceKey;
  readonly descriptor: number;
}

/** See the head of this file. */
export class ServiceListeners {
  readonly #options: ServiceListenersOptions;
  /** By address, as it is written. */
  readonly #held = new Map<string, Held>();
  #lent: readonly Lent[] = [];

  constructor(options: ServiceListenersOptions) {
    this.#options = options;
  }

  /** Takes back what processes of an earlier daemon have. Called once, when they are adopted. */
  takeBack(): void {
    for (const instance of this.#options.instances()) {
      if (instance.tree === null) continue;
      for (const address of addressesOf(instance)) {
        if (this.#held.has(formatHostPort(address))) continue;
        if (this.#take(instance, address) !== "forbidden") continue;
        this.#options.notice(
          `${nameOf(instance)}: may not take its socket on ${formatHostPort(address)} back from it; ` +
            "it serves on, and connections may be refused while it is started anew",
        );
      }
    }
  }

  /** The sockets of a service, for a process of it that is about to be started. @throws FleetError naming who has one */
  async of(definition: ServiceDefinition, key: InstanceKey): Promise<readonly number[]> {
    const descriptors: number[] = [];
    for (const address of definition.listen) descriptors.push(await this.#ensure(definition, key, address));
    return descriptors;
  }

  /** Closes what no service needs any more. Called with every change. */
  release(): void {
    const { instances, sockets } = this.#options;
    const needed = new Set(
      instances()
        .filter(({ state }) => state.phase.kind !== "stopped")
        .flatMap((instance) => addressesOf(instance).map(formatHostPort)),
    );
    for (const [address, { descriptor }] of this.#held) {
      if (needed.has(address)) continue;
      sockets.close(descriptor);
      this.#held.delete(address);
    }
    const isStarting = ({ key }: Lent): boolean =>
      instances().some((one) => isSameKey(one.key, key) && one.state.phase.kind === "spawning");
    for (const lent of this.#lent) if (!isStarting(lent)) sockets.close(lent.descriptor);
    this.#lent = this.#lent.filter(isStarting);
  }

  close(): void {
    for (const { descriptor } of [...this.#held.values(), ...this.#lent])
      this.#options.sockets.close(descriptor);
    this.#held.clear();
    this.#lent = [];
  }

  async #ensure({ name }: ServiceDefinition, key: InstanceKey, address: HostPort): Promise<number> {
    const text = formatHostPort(address);
    const held = this.#held.get(text);
    if (held?.service === name) return held.descriptor;
    if (held !== undefined) {
      throw new FleetError("CONFIG", `Cannot listen on ${text}: the service "${held.service}" has it`);
    }
    const running = this.#options
      .instances()
      .filter(({ key: other, tree }) => other.service === name && tree !== null);
    const taken = running.map((instance) => this.#take(instance, address));
    const found = taken.find((one) => typeof one === "number");
    if (found !== undefined) return found;
    const { sockets } = this.#options;
    const descriptor = taken.includes("forbidden") ? sockets.openBeside(address) : sockets.open(address);
    if (descriptor === null) throw await this.#takenError(address);
    if (taken.includes("forbidden")) this.#lent = [...this.#lent, { key, descriptor }];
    else this.#held.set(text, { service: name, descriptor });
    return descriptor;
  }

  #take(instance: Instance, address: HostPort): number | "forbidden" | null {
    const { sockets, members } = this.#options;
    if (instance.tree === null) return null;
    let isForbidden = false;
    for (const { pid } of members(instance.tree)) {
      const descriptor = sockets.takeFrom(pid, address);
      if (descriptor === "forbidden") isForbidden = true;
      else if (descriptor !== null) {
        this.#held.set(formatHostPort(address), { service: instance.key.service, descriptor });
        return descriptor;
      }
    }
    return isForbidden ? "forbidden" : null;
  }

  async #takenError(address: HostPort): Promise<FleetError> {
    const text = formatHostPort(address);
    const listeners = (await this.#options.listeners(address.port)).filter(
      ({ protocol }) => protocol === "tcp",
    );
    const owners = listeners.flatMap((one) => one.owners ?? []);
    const who = owners.map(
      ({ pid, name, user }) => `pid ${pid} (${name}${user === null ? "" : `, ${user}`})`,
    );
    const unseen = listeners.length > 0 ? "somebody whom this user may not see" : "somebody";
    return new FleetError(
      "CONFIG",
      `Cannot listen on ${text}: ${who.length === 0 ? unseen : [...new Set(who)].join(", ")} listens there`,
    );
  }
}

/** A container opens its own. */
const addressesOf = ({ definition }: Instance): readonly HostPort[] =>
  definition.container === null ? definition.listen : [];

const isSameKey = (left: InstanceKey, right: InstanceKey): boolean =>
  left.service === right.service && left.number === right.number && left.successor === right.successor;
