import { requireOk } from "../base/errors.ts";
import { parsePort } from "../base/port-number.ts";
import type { Listener, SocketProtocol } from "../base/ports/process-table.ts";
import type { OwningContainer } from "../platform/containers/container-owners.ts";

/** A typed port. @throws FleetError USAGE */
export const toPort = (text: string): number => requireOk("USAGE", parsePort(text));

/** Those of one protocol; all without one. */
export const ofProtocol = (
  listeners: readonly Listener[],
  protocol: SocketProtocol | undefined,
): readonly Listener[] => listeners.filter((one) => protocol === undefined || one.protocol === protocol);

/** Containers by the pid of who listens. */
export type ContainersByPid = ReadonlyMap<number, OwningContainer>;

/** One listener in the words of JSON. */
export const listenerToJson = (
  { protocol, address, port, user, owners }: Listener,
  containers: ContainersByPid = new Map(),
): Record<string, unknown> => ({
  protocol,
  address,
  port,
  user,
  owners:
    owners?.map((owner) => ({
      pid: owner.pid,
      name: owner.name,
      user: owner.user,
      container: containers.get(owner.pid) ?? null,
    })) ?? null,
});
