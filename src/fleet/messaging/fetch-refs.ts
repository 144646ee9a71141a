import type { RemoteFailure, RemoteOptions } from "../../base/ports/git-remote.ts";
import type { Result } from "../../base/result.ts";
import { fetchMoved, isAboutRefs, type MovedRef } from "./fetch-moved.ts";
import type { Identity } from "./identity.ts";
import { addQuarantine } from "./index-troubles.ts";
import { type ReceivePorts, TRACKING } from "./mailbox-ports.ts";
import { parseServerId } from "./model.ts";

type Fetched = Result<unknown, RemoteFailure>;

/** A poll is one `git fetch`; where listing costs no process it tells which refs moved, and only those are fetched. */
export async function fetchRefs(ports: ReceivePorts, options: RemoteOptions): Promise<Fetched> {
  const { remote, identity } = ports;
  if (await remote.listsCheaply()) return await fetchListed(ports, options, { pruned: false });
  const fetched = await remote.fetch(allRefs(identity), options);
  if (fetched.ok || !isAboutRefs(fetched.error)) return fetched;
  // What git could not store may be one ref of a stranger, named as no file here can be. It must not silence the rest.
  return await fetchListed(ports, options, { pruned: true });
}

/** The refs of everybody, whose fleet the remote is, and who else tried to use the own id. */
const allRefs = ({ namespace, server }: Identity): string[] => [
  ...["log", "state"].map((kind) => `+${namespace}${kind}/*:refs/fleet/${kind}/*`),
  // Of a ref that is named in full git would say that it cannot find it, and fetch nothing.
  `+${namespace}met*:${TRACKING.meta.slice(0, -1)}*`,
  `+${namespace}conflict/${server}/*:${TRACKING.conflict}*`,
];

/** What `allRefs` takes: the name here of a ref of the remote, and null for one that is nobody's. */
function localName(name: string, { namespace, server }: Identity): string | null {
  const rest = name.slice(namespace.length);
  if (rest === "meta") return TRACKING.meta;
  const conflict = `conflict/${server}/`;
  if (rest.startsWith(conflict)) return TRACKING.conflict + rest.slice(conflict.length);
  return rest.startsWith("log/") || rest.startsWith("state/") ? `refs/fleet/${rest}` : null;
}

/** Fetches by name the refs of servers that moved. `pruned`: what vanished from the remote was dealt with already. */
async function fetchListed(
  ports: ReceivePorts,
  options: RemoteOptions,
  { pruned }: { readonly pruned: boolean },
): Promise<Fetched> {
  const { remote, store, identity } = ports;
  const { namespace, server } = identity;
  const prefixes = ["log/", "state/", "meta", `conflict/${server}/`].map((one) => namespace + one);
  const listed = await remote.listRefs(prefixes, options);
  if (!listed.ok) return listed;
  const found = [...listed.value.refs].flatMap(([source, id]) => {
    const name = localName(source, identity);
    return name === null ? [] : [{ source, name, id }];
  });
  const onRemote = new Set(found.map(({ name }) => name));
  const tracked = [TRACKING.log, TRACKING.state, "refs/remote/"];
  const known = new Map(tracked.flatMap((prefix) => [...store.readRefs(prefix)]));
  if (!pruned && [...known.keys()].some((name) => !onRemote.has(name))) {
    const fetched = await remote.fetch(allRefs(identity), options);
    if (fetched.ok || !isAboutRefs(fetched.error)) return fetched;
  }
  noteOddRefs(
    ports,
    found.map(({ name, id }) => [name, id] as const),
  );
  const moved = found.filter(({ name, id }) => isReadable(name) && known.get(name) !== id);
  if (moved.length === 0) return listed;
  const refs = moved.map(({ source, name, id }): MovedRef => {
    const whose = isPeerRef(name) ? serverOf(name) : server;
    return { server: whose, kind: kindOf(name), source, target: name, id };
  });
  return await fetchMoved(ports, refs, options);
}

const isPeerRef = (name: string): boolean => name.startsWith(TRACKING.log) || name.startsWith(TRACKING.state);

function kindOf(name: string): MovedRef["kind"] {
  if (!isPeerRef(name)) return "other";
  return name.startsWith(TRACKING.log) ? "log" : "state";
}

const isReadable = (name: string): boolean => !isPeerRef(name) || isServerRef(name);

const serverOf = (name: string): string =>
  name.slice((name.startsWith(TRACKING.log) ? TRACKING.log : TRACKING.state).length);

const isServerRef = (name: string): boolean => parseServerId(serverOf(name)).ok;

/** Shows refs below our namespace that are named like no server; they are never read. Names are local ones. */
export function noteOddRefs(ports: ReceivePorts, refs: Iterable<readonly [string, string]>): void {
  for (const [name, place] of refs) {
    if (isReadable(name)) continue;
    const reason = `the ref "${name.slice(0, 200)}" is named like no server`;
    addQuarantine(ports.index, { server: serverOf(name).slice(0, 80), place, reason }, ports.clock.wallMs());
  }
}
