import type { RemoteFailure, RemoteOptions } from "../../base/ports/git-remote.ts";
import type { Result } from "../../base/result.ts";
import { type ReceivePorts, TRACKING } from "./mailbox-ports.ts";
import { addQuarantine } from "./message-index.ts";
import { parseServerId } from "./model.ts";

type Fetched = Result<unknown, RemoteFailure>;

/** A poll is one `git fetch`; where listing costs no process it tells which refs moved, and only those are fetched. */
export async function fetchRefs(ports: ReceivePorts, options: RemoteOptions): Promise<Fetched> {
  const { remote, identity } = ports;
  if (await remote.listsCheaply()) return await fetchListed(ports, options, { pruned: false });
  const fetched = await remote.fetch(allRefs(identity.namespace), options);
  if (fetched.ok || fetched.error.kind !== "failed") return fetched;
  // What git could not store may be one ref of a stranger, named as no file here can be. It must not silence the rest.
  return await fetchListed(ports, options, { pruned: true });
}

const allRefs = (namespace: string): string[] =>
  ["log", "state"].map((kind) => `+${namespace}${kind}/*:refs/fleet/${kind}/*`);

/** Fetches by name the refs of servers that moved. `pruned`: what vanished from the remote was dealt with already. */
async function fetchListed(
  ports: ReceivePorts,
  options: RemoteOptions,
  { pruned }: { readonly pruned: boolean },
): Promise<Fetched> {
  const { remote, store } = ports;
  const { namespace } = ports.identity;
  const listed = await remote.listRefs([`${namespace}log/`, `${namespace}state/`], options);
  if (!listed.ok) return listed;
  const found = [...listed.value.refs].map(
    ([name, id]) => [name.replace(namespace, "refs/fleet/"), id] as const,
  );
  const onRemote = new Set(found.map(([name]) => name));
  const known = new Map([...store.readRefs(TRACKING.log), ...store.readRefs(TRACKING.state)]);
  if (!pruned && [...known.keys()].some((name) => !onRemote.has(name))) {
    const fetched = await remote.fetch(allRefs(namespace), options);
    if (fetched.ok || fetched.error.kind !== "failed") return fetched;
  }
  noteOddRefs(ports, found);
  const moved = found.filter(([name, id]) => isServerRef(name) && known.get(name) !== id);
  if (moved.length === 0) return listed;
  const refspecs = moved.map(([name]) => `+${name.replace("refs/fleet/", namespace)}:${name}`);
  return await remote.fetch(refspecs, options);
}

const serverOf = (name: string): string =>
  name.slice((name.startsWith(TRACKING.log) ? TRACKING.log : TRACKING.state).length);

const isServerRef = (name: string): boolean => parseServerId(serverOf(name)).ok;

/** Shows refs below our namespace that are named like no server; they are never read. Names are local ones. */
export function noteOddRefs(ports: ReceivePorts, refs: Iterable<readonly [string, string]>): void {
  for (const [name, place] of refs) {
    if (isServerRef(name)) continue;
    const reason = `the ref "${name.slice(0, 200)}" is named like no server`;
    addQuarantine(ports.index, { server: serverOf(name).slice(0, 80), place, reason }, ports.clock.wallMs());
  }
}
