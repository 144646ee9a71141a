/**
 * `meta`: which fleet a remote is. Every push names it as it has to be, so that nothing of this server ever goes into
 * another fleet's repository; in one that was emptied whoever notices first writes it again.
 */
import { fromUtf8, toUtf8 } from "../../base/bytes.ts";
import type { RefUpdate, RemoteFailure, RemoteOptions } from "../../base/ports/git-remote.ts";
import type { GitObject } from "../../base/ports/git-store.ts";
import { ok, type Result } from "../../base/result.ts";
import { parseStrictJson } from "../../base/strict-json.ts";
import { toObjects } from "./build-batch.ts";
import { readSetting, writeSetting } from "./identity.ts";
import { type SendPorts, TRACKING } from "./mailbox-ports.ts";
import { FORMAT, LIMITS } from "./model.ts";

/** Where refs may live on a remote: the second where a host refuses refs of its users' own making. */
export const NAMESPACES = ["refs/fleet/", "refs/heads/fleet/"] as const;

/** What `meta.json` says. */
export interface Meta {
  readonly fleet: string;
  readonly namespace: string;
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

/** The commit of a `meta` ref. */
export function encodeMeta(
  tools: {
    readonly store: Pick<SendPorts["store"], "format">;
    readonly cryptography: SendPorts["cryptography"];
  },
  wanted: { readonly meta: Meta; readonly server: string; readonly nowMs: number },
): { readonly all: readonly GitObject[]; readonly commitId: string } {
  const { meta, server, nowMs } = wanted;
  const { fleet, namespace } = meta;
  const json = toUtf8(`${JSON.stringify({ v: FORMAT, fleet, format: FORMAT, namespace })}\n`);
  const { cryptography, store } = tools;
  return toObjects({ "meta.json": json }, { format: store.format, cryptography }, (tree) => ({
    tree,
    parent: null,
    server,
    committedMs: nowMs,
    message: `fleet ${fleet}`,
  }));
}

const SETTING = "meta";

/** The commit of `meta` that was found to be this fleet's, or null while nobody looked. */
export const knownMeta = (state: SendPorts["state"]): string | null => readSetting(state, SETTING);

/** Remembers a commit of `meta` that is this fleet's. Inside the caller's transaction. */
export const noteMeta = (state: SendPorts["state"], commit: string): void =>
  writeSetting(state, SETTING, commit);

type MetaPorts = Pick<SendPorts, "identity" | "state" | "store">;

/** `gone`: there is none. `unread`: there is one, and it is not here yet. */
export type RemoteFleet = "ours" | "gone" | "unread" | { readonly other: string };

/** Whose fleet the commit of a `meta` ref names; what is found to be ours is remembered. */
export async function judgeMeta(ports: MetaPorts, commit: string | null): Promise<RemoteFleet> {
  const { identity, state, store } = ports;
  if (commit === null) return "gone";
  if (commit === knownMeta(state)) return "ours";
  const [json] = await store.readObjects([`${commit}:meta.json`], LIMITS.cardBytesMax);
  if (json?.status === "missing" && !(await store.verifyObject(commit))) return "unread";
  const meta = json?.status === "found" ? parseMeta(json.content) : null;
  if (meta?.fleet !== identity.fleet) return { other: meta?.fleet ?? "of another format" };
  state.relaxedTransaction(() => noteMeta(state, commit));
  return "ours";
}

/** What has to stand on the remote for a push to be made at all; nothing while it is not known. */
export function metaLease({ identity, state }: Pick<SendPorts, "identity" | "state">): RefUpdate[] {
  const id = knownMeta(state);
  return id === null ? [] : [{ ref: `${identity.namespace}meta`, id, expected: id }];
}

/** Fetches `meta` and judges it. */
export async function fetchMeta(
  ports: SendPorts,
  commit: string | null,
  options: RemoteOptions,
): Promise<Result<RemoteFleet, RemoteFailure>> {
  const known = await judgeMeta(ports, commit);
  if (known !== "unread") return ok(known);
  const fetched = await ports.remote.fetch([`+${ports.identity.namespace}meta:${TRACKING.meta}`], options);
  return fetched.ok ? ok(await judgeMeta(ports, commit)) : fetched;
}

/** Writes `meta` where it vanished; whoever is faster wins, which the next look tells. */
export async function restoreMeta(
  ports: SendPorts,
  options: RemoteOptions,
): Promise<Result<null, RemoteFailure>> {
  const { identity, state, store, remote, clock } = ports;
  const known = knownMeta(state);
  const isHere = known !== null && (await store.verifyObject(known));
  const meta = encodeMeta(ports, { meta: identity, server: identity.server, nowMs: clock.wallMs() });
  if (!isHere) store.writeObjects(meta.all, true);
  const id = isHere ? known : meta.commitId;
  const update = { ref: `${identity.namespace}meta`, id, expected: null };
  const pushed = await remote.push([update], { ...options, atomic: false });
  if (!pushed.ok) return pushed;
  const status = pushed.value[0]?.status;
  if (status === "pushed" || status === "up-to-date") state.relaxedTransaction(() => noteMeta(state, id));
  return ok(null);
}
