import type { ProcessHost } from "../../base/ports/process-host.ts";
import type { Listener, ProcessRow, ProcessTable } from "../../base/ports/process-table.ts";
import type { Instance } from "../../fleet/supervisor/instance.ts";
import { detailOf, type ServiceDetail, type ShownListener } from "../../fleet/supervisor/service-detail.ts";
import type { ServiceView } from "../../fleet/supervisor/service-view.ts";

/** Where the facts come from that an instance does not hold itself. */
export interface DetailSources {
  readonly host: ProcessHost;
  readonly table: ProcessTable;
  readonly viewOf: (instance: Instance) => ServiceView;
}

/** Everything there is to know of these instances, as of one look at processes and sockets. */
export async function detailsOf(
  instances: readonly Instance[],
  { host, table, viewOf }: DetailSources,
): Promise<readonly ServiceDetail[]> {
  const membersOf = new Map(
    instances.map((instance) => [
      instance,
      instance.tree === null ? [] : host.members(instance.tree).map(({ pid }) => pid),
    ]),
  );
  const pids = [...membersOf.values()].flat();
  const rows = await table.pick(pids);
  const listeners = pids.length === 0 ? [] : await table.listeners(null);
  return instances.map((instance) => {
    const own = new Set(membersOf.get(instance));
    return detailOf(instance, {
      view: viewOf(instance),
      processes: rows.filter(({ pid, state }) => own.has(pid) && state !== "dead").map(toShown),
      listeners: listeners.flatMap((listener) => listenersOf(listener, own)),
    });
  });
}

const toShown = ({ pid, parent, name, cpuMs, residentBytes }: ProcessRow) => ({
  pid,
  parent,
  name,
  cpuMs,
  residentBytes,
});

function listenersOf(listener: Listener, own: ReadonlySet<number>): ShownListener[] {
  const owner = listener.owners?.find(({ pid }) => own.has(pid));
  const { protocol, address, port } = listener;
  return owner === undefined ? [] : [{ protocol, address, port, pid: owner.pid }];
}
