import type { Listener } from "../../base/ports/process-table.ts";

/** Several sockets may share one address (SO_REUSEPORT): one entry with all of their owners, in the order of ports. */
export function joinEqual(listeners: readonly Listener[]): Listener[] {
  const joined = new Map<string, Listener>();
  for (const one of listeners) {
    // What has no known owner stays by itself: it must not hide behind one that has.
    const key = `${one.port} ${one.protocol} ${one.address} ${one.owners === null}`;
    const other = joined.get(key);
    joined.set(key, other === undefined ? one : { ...one, owners: joinOwners(other.owners, one.owners) });
  }
  return [...joined.values()].toSorted((one, other) => one.port - other.port);
}

function joinOwners(one: Listener["owners"], other: Listener["owners"]): Listener["owners"] {
  if (one === null || other === null) return null;
  const known = new Set(one.map(({ pid }) => pid));
  return [...one, ...other.filter(({ pid }) => !known.has(pid))];
}
