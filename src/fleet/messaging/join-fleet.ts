/**
 * Joining: find the fleet on a remote or found it, take the server's id, and tell what was found.
 */
import { fromUtf8, toUtf8 } from "../../base/bytes.ts";
import { FleetError, firstLineOf } from "../../base/errors.ts";
import { toInstant } from "../../base/instant.ts";
import type { GitRemote, RemoteFailure, RemoteOptions } from "../../base/ports/git-remote.ts";
import { parseStrictJson } from "../../base/strict-json.ts";
import { toObjects } from "./build-batch.ts";
import { type Identity, JOINING, saveIdentity, writeSetting } from "./identity.ts";
import type { SendPorts } from "./mailbox-ports.ts";
import { FORMAT, LIMITS } from "./model.ts";
import { enqueue } from "./outbox.ts";
import { renewRun } from "./publish-card.ts";
import { toOpenSsh } from "./ssh-signature.ts";

/** Where refs may live on a remote: the second where a host refuses refs of its users' own making. */
export const NAMESPACES = ["refs/fleet/", "refs/heads/fleet/"] as const;

/** What joining found out about the remote. */
export interface JoinReport {
  readonly identity: Identity;
  /** True when this server founded the fleet. */
  readonly founded: boolean;
  readonly customRefs: boolean;
}

interface Meta {
  readonly fleet: string;
  readonly namespace: string;
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
  const { meta, founded } =
    present === null ? await foundFleet(ports, wanted.server, options) : { meta: present, founded: false };
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
    renewRun(ports);
    const { fleet, epoch, publicKey } = identity;
    const body = { type: "key", fleet, epoch, public_key: publicKey, format: FORMAT } as const;
    enqueue(ports.state, { id: ports.cryptography.uuidV7(nowMs), at: toInstant(nowMs), body }, nowMs);
  });
  return { identity, founded, customRefs: meta.namespace === NAMESPACES[0] };
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

async function findMeta(ports: JoinPorts, options: RemoteOptions): Promise<Meta | null> {
  const refs = NAMESPACES.map((namespace) => `${namespace}meta`);
  const listed = await ports.remote.listRefs(refs, options);
  if (!listed.ok) throw toRemoteError("read", ports.remote, listed.error);
  const ref = refs.find((name) => listed.value.refs.has(name));
  const commit = ref === undefined ? undefined : listed.value.refs.get(ref);
  if (ref === undefined || commit === undefined) return null;
  const fetched = await ports.remote.fetch([`+${ref}:refs/fleet/meta`], options);
  if (!fetched.ok) throw toRemoteError("read", ports.remote, fetched.error);
  const [json] = await ports.store.readObjects([`${commit}:meta.json`], LIMITS.cardBytesMax);
  const meta = json?.status === "found" ? parseMeta(json.content) : null;
  if (meta !== null) return meta;
  throw new FleetError(
    "BAD_INPUT",
    `Cannot join the fleet on "${ports.remote.displayUrl}": "${ref}" is not of format ${FORMAT}`,
  );
}

/** The fleet and the namespace that `meta.json` names, `null` where it is not of this format. */
export function parseMeta(bytes: Uint8Array): Meta | null {
  const text = fromUtf8(bytes);
  const json = text === null ? null : parseStrictJson(text, LIMITS.jsonDepthMax);
  if (json?.ok !== true || typeof json.value !== "object" || json.value === null) return null;
  const value: Partial<Record<string, unknown>> = { ...json.value };
  const { v, format, fleet, namespace } = value as {
    v: unknown;
    format: unknown;
    fleet: unknown;
    namespace: unknown;
  };
  if (v !== FORMAT || format !== FORMAT || typeof fleet !== "string" || !/^[0-9a-f-]{36}$/.test(fleet))
    return null;
  const known = NAMESPACES.find((one) => one === namespace);
  return known === undefined ? null : { fleet, namespace: known };
}

/** Pauses while somebody else has `meta` locked: whoever it is, he is founding the fleet that we shall join. */
const LOCKED_PAUSES_MS = [20, 40, 80, 160, 320, 640];

/** Creates `meta` where the host lets us; whoever creates it first decides, so a lost race means joining. */
async function foundFleet(
  ports: JoinPorts,
  server: string,
  options: RemoteOptions,
): Promise<{ readonly meta: Meta; readonly founded: boolean }> {
  const nowMs = ports.clock.wallMs();
  const fleet = ports.cryptography.uuidV7(nowMs);
  let refusal = "";
  for (const namespace of NAMESPACES) {
    const meta = { fleet, namespace };
    const outcome = await createMeta(ports, { meta, server, nowMs }, options);
    if (outcome === "created") return { meta, founded: true };
    if ("fleet" in outcome) return { meta: outcome, founded: false };
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
): Promise<"created" | Meta | { readonly refusal: string }> {
  const { meta, server, nowMs } = wanted;
  const { fleet, namespace } = meta;
  const json = toUtf8(`${JSON.stringify({ v: FORMAT, fleet, format: FORMAT, namespace })}\n`);
  const tools = { format: ports.store.format, cryptography: ports.cryptography };
  const describe = (tree: string) => {
    return { tree, parent: null, server, committedMs: nowMs, message: `fleet ${fleet}` };
  };
  const commit = toObjects({ "meta.json": json }, tools, describe);
  ports.store.writeObjects(commit.all, true);
  const update = { ref: `${namespace}meta`, id: commit.commitId, expected: null };
  for (const pauseMs of LOCKED_PAUSES_MS) {
    const pushed = await ports.remote.push([update], { ...options, atomic: false });
    if (!pushed.ok) throw toRemoteError("write to", ports.remote, pushed.error);
    const [report] = pushed.value;
    if (report?.status === "pushed" || report?.status === "up-to-date") return "created";
    const other = await findMeta(ports, options);
    if (other !== null) return other;
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
