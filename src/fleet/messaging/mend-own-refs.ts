/**
 * Own refs on the remote that name what is not there, or no log at all. Nothing can be put on such a ref: git refuses
 * every push that would move it, often also those of others. So it is deleted, with a lease on what it names, and
 * pushed again as a new ref: a push to a new ref carries everything that the other refs do not reach.
 *
 * That forces nothing: what is deleted is an object that is missing, or one that never was a log. Refs of others are
 * never touched; their owners do the same.
 */
import type { Database } from "../../base/ports/database.ts";
import type { RemoteFailure, RemoteOptions } from "../../base/ports/git-remote.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import { readSetting, writeSetting } from "./identity.ts";
import type { SendPorts } from "./mailbox-ports.ts";
import { unpushedBatches } from "./outbox.ts";
import { judgeKnownTip } from "./own-place.ts";
import { confirmedBatch } from "./take-back.ts";

type MendPorts = Pick<SendPorts, "identity" | "state" | "store" | "remote">;

/** The refs among `own` that the remote's git could not use, by its own words. */
export function namedAsBroken(detail: string, own: readonly string[]): string[] {
  const named = new Set([...detail.matchAll(/bad object (refs\/[^\s'":]+)/g)].map(([, ref]) => ref));
  return own.filter((ref) => named.has(ref));
}

/**
 * Deletes own refs as they stand now, or as `expected` says; true when one was there and is gone. What stands
 * elsewhere by then stays.
 */
export async function dropOwnRefs(
  { remote }: Pick<MendPorts, "remote">,
  { refs, expected }: { readonly refs: readonly string[]; readonly expected?: string },
  options: RemoteOptions,
): Promise<Result<boolean, RemoteFailure>> {
  const listed = await remote.listRefs(refs, options);
  if (!listed.ok) return listed;
  let isGone = false;
  for (const ref of refs) {
    const tip = listed.value.refs.get(ref);
    if (tip === undefined || (expected !== undefined && tip !== expected)) continue;
    const dropped = await remote.push([{ ref, id: null, expected: tip }], { ...options, atomic: false });
    if (!dropped.ok) return dropped;
    const [report] = dropped.value;
    if (report?.status === "refused") {
      const detail = `${ref} on the remote is damaged and may not be deleted: ${report.reason}`;
      return fail({ kind: "failed", detail });
    }
    isGone ||= report?.status === "pushed";
  }
  return ok(isGone);
}

const BROKEN_LOG = "broken_log";

/** Remembers that the remote cannot send the own log as it stands there, at `tip`. Inside the caller's transaction. */
export const noteBrokenLog = (state: Database, tip: string): void => writeSetting(state, BROKEN_LOG, tip);

/** Deletes the own log where it still stands at a tip of ours that the remote was found unable to send; true when it did. */
export async function dropBrokenLog(
  ports: MendPorts,
  log: string,
  options: RemoteOptions,
): Promise<Result<boolean, RemoteFailure>> {
  const tip = readSetting(ports.state, BROKEN_LOG);
  if (tip === null) return ok(false);
  const isOurs = judgeKnownTip(ports.state, tip) !== null;
  const dropped = isOurs ? await dropOwnRefs(ports, { refs: [log], expected: tip }, options) : ok(false);
  if (!dropped.ok) return dropped;
  ports.state.transaction(() => ports.state.run("DELETE FROM settings WHERE key = ?", BROKEN_LOG));
  return dropped;
}

/** No object that hosts take is larger. */
const OBJECT_BYTES_MAX = 128 * 1024 * 1024;

/** Whether the fetched tip of the own log is an object that can be no log: a file, a folder, a tag. */
export async function isNoCommit({ store }: Pick<MendPorts, "store">, tip: string): Promise<boolean> {
  const [found] = await store.readObjects([tip], OBJECT_BYTES_MAX);
  return found?.status === "found" && found.kind !== "commit";
}

/**
 * What this server's own store lacks of what is to be pushed, or null: somebody tidied it with no grace, or took a file
 * away. git words that as if the remote had refused the push, or as if its ref had moved.
 */
export async function findVanished(
  { state, store }: Pick<MendPorts, "state" | "store">,
  more: readonly string[],
): Promise<string | null> {
  const built = unpushedBatches(state).flatMap(({ objects }) => objects.map(({ id }) => id));
  const confirmed = confirmedBatch(state)?.tip;
  for (const id of [...built, ...more, ...(confirmed === undefined ? [] : [confirmed])]) {
    if (!(await store.verifyObject(id))) return id;
  }
  return null;
}
