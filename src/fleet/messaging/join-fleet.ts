/**
 * Joining: find the fleet on a remote or found it, take the server's id, and tell what was found.
 */
import { FleetError, firstLineOf } from "../../base/errors.ts";
import { toInstant } from "../../base/instant.ts";
import type { GitRemote, RemoteFailure, RemoteOptions } from "../../base/ports/git-remote.ts";
import { encodeMeta, type Meta, NAMESPACES, noteMeta, parseMeta } from "./fleet-meta.ts";
import { type Identity, JOINING, saveIdentity, writeSetting } from "./identity.ts";
import { type SendPorts, TRACKING } from "./mailbox-ports.ts";
import { FORMAT, LIMITS } from "./model.ts";
import { enqueue } from "./outbox.ts";
import { renewRun } from "./publish-card.ts";
import { toOpenSsh } from "./ssh-signature.ts";

/** What joining found out about the remote. */
export interface JoinReport {
  readonly identity: Identity;
  /** True when this server founded the fleet. */
  readonly founded: boolean;
  readonly customRefs: boolean;
}

/** A fleet with the commit of its `meta`. */
interface FoundMeta extends Meta {
  readonly commit: string;
}

interface Founded extends FoundMeta {
  readonly founded: boolean;
}

type JoinPorts = Omit<SendPorts, "identity">;

/**
 * Finds or founds the fleet and stores this server's identity with its first entry, the key.
 * @throws FleetError UNAVAILABLE, NOT_AUTHORISED, BAD_INPUT
 */
export async function joinFleet(
  ports: JoinPorts,
  wanted: { readonly server: string; readonly remoteUrl: string },
  options: RemoteOptions,
): Promise<JoinReport> {
  const present = await findMeta(ports, options);
  const meta: Founded =
    present === null ? await foundFleet(ports, wanted.server, options) : { ...present, founded: false };
  await requireFreeId(ports, { server: wanted.server, namespace: meta.namespace }, options);
  const nowMs = ports.clock.wallMs();
  const identity: Identity = {
    server: wanted.server,
    fleet: meta.fleet,
    namespace: meta.namespace,
    format: ports.store.format,
    remoteUrl: wanted.remoteUrl,
    publicKey: toOpenSsh(ports.key.publicKey),
    epoch: ports.cryptography.randomBytes(8).toHex(),
    createdWallMs: nowMs,
  };
  ports.state.transaction(() => {
    saveIdentity(ports.state, identity);
    writeSetting(ports.state, JOINING, "1");
    noteMeta(ports.state, meta.commit);
    renewRun(ports);
    const { fleet, epoch, publicKey } = identity;
    const body = { type: "key", fleet, epoch, public_key: publicKey, format: FORMAT } as const;
    enqueue(ports.state, { id: ports.cryptography.uuidV7(nowMs), at: toInstant(nowMs), body }, nowMs);
  });
  return { identity, founded: meta.founded, customRefs: meta.namespace === NAMESPACES[0] };
}

/** The failure of a remote operation as the error of a command that cannot go on without it. */
export function toRemoteError(
  action: string,
  remote: Pick<GitRemote, "displayUrl">,
  failure: RemoteFailure,
): FleetError {
  const code = failure.kind === "unauthorised" ? "NOT_AUTHORISED" : "UNAVAILABLE";
  const state = failure.kind === "failed" ? "git failed" : failure.kind;
  return new FleetError(
    code,
    `Cannot ${action} "${remote.displayUrl}": ${state}: ${firstLineOf(failure.detail)}`,
  );
}

async function findMeta(ports: JoinPorts, options: RemoteOptions): Promise<FoundMeta | null> {
  const refs = NAMESPACES.map((namespace) => `${namespace}meta`);
  const listed = await ports.remote.listRefs(refs, options);
  if (!listed.ok) throw toRemoteError("read", ports.remote, listed.error);
  const ref = refs.find((name) => listed.value.refs.has(name));
  const commit = ref === undefined ? undefined : listed.value.refs.get(ref);
  if (ref === undefined || commit === undefined) return null;
  const fetched = await ports.remote.fetch([`+${ref}:${TRACKING.meta}`], options);
  if (!fetched.ok) throw toRemoteError("read", ports.remote, fetched.error);
  const [json] = await ports.store.readObjects([`${commit}:meta.json`], LIMITS.cardBytesMax);
  const meta = json?.status === "found" ? parseMeta(json.content) : null;
  if (meta !== null) return { ...meta, commit };
  throw new FleetError(
    "BAD_INPUT",
    `Cannot join the fleet on "${ports.remote.displayUrl}": "${ref}" is not of format ${FORMAT}`,
  );
}

/** Pauses while somebody else has `meta` locked: whoever it is, he is founding the fleet that we shall join. */
const LOCKED_PAUSES_MS = [20, 40, 80, 160, 320, 640];

/** Creates `meta` where the host lets us; whoever creates it first decides, so a lost race means joining. */
async function foundFleet(ports: JoinPorts, server: string, options: RemoteOptions): Promise<Founded> {
  const nowMs = ports.clock.wallMs();
  const fleet = ports.cryptography.uuidV7(nowMs);
  let refusal = "";
  for (const namespace of NAMESPACES) {
    const meta = { fleet, namespace };
    const outcome = await createMeta(ports, { meta, server, nowMs }, options);
    if ("fleet" in outcome) return outcome;
    // Only a refusal sends us elsewhere: in another namespace we would found a second fleet beside the first.
    refusal = outcome.refusal;
  }
  const message = `Cannot found a fleet on "${ports.remote.displayUrl}": it refuses our refs: ${refusal}`;
  throw new FleetError("NOT_AUTHORISED", message);
}

/** Creates the `meta` ref, or finds the fleet of somebody faster, or that the host refuses. @throws FleetError UNAVAILABLE while it stays locked */
async function createMeta(
  ports: JoinPorts,
  wanted: { readonly meta: Meta; readonly server: string; readonly nowMs: number },
  options: RemoteOptions,
): Promise<Founded | { readonly refusal: string }> {
  const commit = encodeMeta(ports, wanted);
  ports.store.writeObjects(commit.all, true);
  const update = { ref: `${wanted.meta.namespace}meta`, id: commit.commitId, expected: null };
  for (const pauseMs of LOCKED_PAUSES_MS) {
    const pushed = await ports.remote.push([update], { ...options, atomic: false });
    if (!pushed.ok) throw toRemoteError("write to", ports.remote, pushed.error);
    const [report] = pushed.value;
    if (report?.status === "pushed" || report?.status === "up-to-date") {
      return { ...wanted.meta, commit: commit.commitId, founded: true };
    }
    const other = await findMeta(ports, options);
    if (other !== null) return { ...other, founded: false };
    if (report?.status === "refused") return { refusal: report.reason };
    // A fleet that was never founded has no server whose lock it could be but a founder that was killed.
    ports.remote.clearStaleLock(update.ref, ports.clock.wallMs());
    await ports.clock.sleep(pauseMs, options.signal);
  }
  const message = `Cannot found a fleet on "${ports.remote.displayUrl}": "${update.ref}" is locked, need it free`;
  throw new FleetError("UNAVAILABLE", message, {
    hint: "A push that was killed may have left the lock: once it is a minute old, init removes it",
  });
}

async function requireFreeId(
  ports: JoinPorts,
  wanted: { server: string; namespace: string },
  options: RemoteOptions,
): Promise<void> {
  const ref = `${wanted.namespace}log/${wanted.server}`;
  const listed = await ports.remote.listRefs([ref], options);
  if (!listed.ok) throw toRemoteError("read", ports.remote, listed.error);
  if (!listed.value.refs.has(ref)) return;
  throw new FleetError(
    "NOT_AUTHORISED",
    `Cannot join as "${wanted.server}": the fleet on "${ports.remote.displayUrl}" has a server of that id`,
    { hint: "Choose another id with --server ID, or restore that server's state directory" },
  );
}
