import type { RemoteOptions } from "../../base/ports/git-remote.ts";
import { toRemoteError } from "./join-fleet.ts";
import type { SendPorts } from "./mailbox-ports.ts";

type PurgePorts = Pick<SendPorts, "identity" | "remote">;

/** The refs of a server on the remote, and what each holds. @throws FleetError UNAVAILABLE, NOT_AUTHORISED */
export async function findRefsOf(
  { identity: { namespace }, remote }: PurgePorts,
  server: string,
  options: RemoteOptions,
): Promise<ReadonlyMap<string, string>> {
  const whole = ["log", "state", "files"].map((kind) => `${namespace}${kind}/${server}`);
  const below = `${namespace}conflict/${server}/`;
  const listed = await remote.listRefs([...whole, below], options);
  if (!listed.ok) throw toRemoteError("read", remote, listed.error);
  // Prefixes: a server's id may be the beginning of another one's.
  return new Map([...listed.value.refs].filter(([ref]) => whole.includes(ref) || ref.startsWith(below)));
}

/**
 * Deletes refs that still hold what was seen there, all or none of them; answers which were not deleted and why.
 * @throws FleetError UNAVAILABLE, NOT_AUTHORISED
 */
export async function deleteRefs(
  { remote }: PurgePorts,
  refs: ReadonlyMap<string, string>,
  options: RemoteOptions,
): Promise<ReadonlyMap<string, string>> {
  const updates = [...refs].map(([ref, expected]) => ({ ref, id: null, expected }));
  const pushed = await remote.push(updates, { ...options, atomic: true });
  if (!pushed.ok) throw toRemoteError("write to", remote, pushed.error);
  return new Map(
    pushed.value.flatMap(({ ref, status, reason }) =>
      status === "pushed" || status === "up-to-date" ? [] : [[ref, reason || status]],
    ),
  );
}
