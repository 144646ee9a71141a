/**
 * Putting the private store in order again. Own batches that were not confirmed stand in `state.db` as bytes, and what is on the
 * remote can be fetched again. What was taken off the remote since is here alone: logs as they were accepted, former logs,
 * a former life that was seen. All refs below `refs/kept/` are carried into a new store, but for those of which something is gone.
 *
 * Three steps, each only where the one before did not do: what git needs to open it (HEAD, configuration, refs); damaged
 * objects, fetched again; the whole store, fetched again, with the old one kept beside it.
 */
import { readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { causedBy, FleetError, firstLineOf, messageOf } from "../base/errors.ts";
import type { RemoteOptions } from "../base/ports/git-remote.ts";
import { readRefusedAgain } from "../fleet/messaging/index-troubles.ts";
import { TRACKING } from "../fleet/messaging/mailbox-ports.ts";
import { listProgress } from "../fleet/messaging/message-index.ts";
import { loadHead } from "../fleet/messaging/outbox.ts";
import { restoreObjects } from "../fleet/messaging/restore-objects.ts";
import { exists, removeTree } from "../platform/files.ts";
import { checkObjects, moveObjects, type StoreDamage, setAside } from "../platform/git/check-objects.ts";
import { systemGitEnvironment } from "../platform/git/git-environment.ts";
import { openGitRemote } from "../platform/git/git-remote.ts";
import { findStoreProblem } from "../platform/git/inspect-store.ts";
import { createGitStore, openGitStore, restoreStoreSkeleton } from "../platform/git/local-git-store.ts";
import { removeDamagedRefs } from "../platform/git/mend-refs.ts";
import { readRefFiles } from "../platform/git/ref-files.ts";
import { tryLock } from "../platform/process-lock.ts";
import type { Mailbox } from "./open-mailbox.ts";

/** `whole`: nothing was wrong. `mended`: something was, and is not any more. `busy`: somebody pushes right now. */
export interface MendReport {
  readonly outcome: "whole" | "mended" | "busy";
  readonly notices: readonly string[];
}

/**
 * Examines the store, every object of it, and mends what is wrong, under the flush lock.
 * @throws FleetError UNAVAILABLE where the remote is needed for it and does not answer, IO where it does not help
 */
export async function mendStore(mailbox: Mailbox, ask: RemoteOptions): Promise<MendReport> {
  const lock = tryLock(mailbox.paths.flushLock);
  if (lock === null) return { outcome: "busy", notices: [] };
  try {
    return await mendLocked(mailbox, ask);
  } finally {
    lock.release();
  }
}

/** As `mendStore`; the caller holds the flush lock. */
export async function mendLocked(mailbox: Mailbox, ask: RemoteOptions): Promise<MendReport> {
  const { store } = mailbox.paths;
  const { format } = mailbox.identity;
  const notices: string[] = [];
  if (!isFolderThere(store)) {
    await makeAgain(mailbox, ask);
    forgetRefused(mailbox);
    return { outcome: "mended", notices: [`the store was missing and was fetched again: ${store}`] };
  }
  const written = restoreStoreSkeleton(store, format);
  const removed = removeDamagedRefs(store, format);
  const names = [...written, ...removed];
  if (names.length > 0) notices.push(`damaged in the store and set again: ${names.slice(0, 5).join(", ")}`);
  const problem = findStoreProblem(store, format);
  if (problem !== null) {
    await makeAgain(mailbox, ask);
    forgetRefused(mailbox);
    return {
      outcome: "mended",
      notices: [...notices, `the store was fetched again: ${firstLineOf(problem)}`],
    };
  }
  if (names.length > 0) await putRefsBack(mailbox);
  const found = await requireChecked(store, ask);
  if (found === null) return { outcome: names.length > 0 ? "mended" : "whole", notices };
  notices.push(`objects in the store were damaged and fetched again: ${found.lines[0] ?? ""}`);
  await fetchObjects(mailbox, ask, found);
  forgetRefused(mailbox);
  return { outcome: "mended", notices };
}

async function requireChecked(store: string, ask: RemoteOptions): Promise<StoreDamage | null> {
  const found = await checkObjects(store, ask.signal);
  if (!found.ok) throw new FleetError("IO", `Cannot examine the store: ${found.error}`);
  return found.value;
}

/** What was built here and not yet synced is in the state, everything else is on the remote. */
async function fetchObjects(mailbox: Mailbox, ask: RemoteOptions, damage: StoreDamage): Promise<void> {
  const { store, folder } = mailbox.paths;
  const { format } = mailbox.identity;
  const whole = join(folder, `.again-${process.pid}`);
  try {
    await fetchInto(whole, mailbox, ask);
    const fetched = readRefFiles(whole, "refs/fleet/", format);
    setAside(store, damage.ids, join(folder, "damaged"));
    moveObjects(whole, store);
    await mailbox.store().close();
    // A card that was replaced since is nowhere any more; what names it names the newer one, as after any fetch.
    for (const [ref, id] of fetched) mailbox.store().writeRef(ref, id);
  } finally {
    removeTree(whole);
  }
  await putRefsBack(mailbox);
  const left = await requireChecked(store, ask);
  // What a stranger pushed and is no commit is as broken on the remote.
  if (left === null || left.lines.every((line) => line.includes("not a commit"))) return;
  await makeAgain(mailbox, ask);
}

/** The refs that the remote does not have: the own log as built, and logs as they were accepted. */
async function putRefsBack(mailbox: Mailbox): Promise<void> {
  restoreObjects(await mailbox.sendPorts());
  const store = mailbox.store();
  for (const [ref, id] of store.readRefs("refs/own/")) {
    // The card is only looked at when it was fetched a moment ago.
    if (ref !== TRACKING.own && !(await store.verifyObject(id))) store.writeRef(ref, null);
  }
  const kept = store.readRefs(TRACKING.kept);
  const fetched = store.readRefs(TRACKING.log);
  const read = new Map([...readProgress(mailbox)].map(([server, { tip }]) => [TRACKING.kept + server, tip]));
  read.delete(TRACKING.kept + mailbox.identity.server);
  for (const ref of new Set([...read.keys(), ...kept.keys()])) {
    const wanted = [kept.get(ref), read.get(ref), fetched.get(ref.replace(TRACKING.kept, TRACKING.log))];
    const tip = await firstThere(mailbox, wanted);
    if (tip !== kept.get(ref)) store.writeRef(ref, tip);
  }
}

async function firstThere(mailbox: Mailbox, ids: readonly (string | undefined)[]): Promise<string | null> {
  for (const id of ids) if (id !== undefined && (await isThere(mailbox, id))) return id;
  return null;
}

/** Whether a commit is there with everything behind it. */
async function isThere(mailbox: Mailbox, id: string): Promise<boolean> {
  try {
    await mailbox.store().listCommits(id, null, 1);
    return true;
  } catch {
    // Missing or damaged: which of both makes no difference here.
    return false;
  }
}

/** How far logs were read; an index that cannot tell is made anew anyway. */
function readProgress(mailbox: Mailbox): ReturnType<typeof listProgress> {
  try {
    return listProgress(mailbox.index());
  } catch {
    return new Map();
  }
}

/** What was refused while the store was damaged is judged anew; an index that cannot tell is made anew anyway. */
function forgetRefused(mailbox: Mailbox): void {
  try {
    readRefusedAgain(mailbox.index());
  } catch (thrown) {
    if (!(thrown instanceof FleetError)) throw thrown;
  }
}

/** Puts a freshly fetched store in the place of the old one, which is kept beside it until the next time. */
async function makeAgain(mailbox: Mailbox, ask: RemoteOptions): Promise<void> {
  const { store, folder } = mailbox.paths;
  const { identity, state } = mailbox;
  const whole = join(folder, `.again-${process.pid}`);
  const aside = `${store}.damaged-${Date.now()}`;
  try {
    await fetchInto(whole, mailbox, ask);
    await takeKept(store, whole, mailbox, ask);
    const made = openGitStore(whole, identity.format);
    const tip = loadHead(state)?.tip ?? null;
    if (tip !== null && (await made.verifyObject(tip))) made.writeRef(TRACKING.own, tip);
    await made.close();
    for (const name of readdirSync(folder))
      if (name.startsWith("fleet.git.damaged-")) removeTree(join(folder, name));
    if (exists(store)) renameSync(store, aside);
    renameSync(whole, store);
  } catch (thrown) {
    if (thrown instanceof FleetError) throw thrown;
    throw causedBy("IO", `Cannot make the store "${store}" again: ${messageOf(thrown)}`, thrown);
  } finally {
    removeTree(whole);
  }
  await mailbox.closeStore();
  restoreObjects(await mailbox.sendPorts());
}

/** What is kept whatever the remote does: from what was fetched, or else from the old store where that still has it whole. */
async function takeKept(
  old: string,
  whole: string,
  { identity }: Mailbox,
  ask: RemoteOptions,
): Promise<void> {
  const made = openGitStore(whole, identity.format);
  const environment = systemGitEnvironment();
  try {
    const fetched = made.readRefs(TRACKING.log);
    for (const [ref, id] of readOldRefs(old, identity.format)) {
      const onRemote = fetched.get(ref.replace(TRACKING.kept, TRACKING.log)) ?? null;
      if (await made.verifyObject(id)) made.writeRef(ref, id);
      else {
        const taken = await openGitRemote({ url: old, storeFolder: whole, environment }).fetch(
          [`+${ref}:${ref}`],
          ask,
        );
        if (!taken.ok && onRemote !== null) made.writeRef(ref, onRemote);
      }
    }
  } finally {
    await made.close();
  }
}

function readOldRefs(old: string, format: Mailbox["identity"]["format"]): Map<string, string> {
  try {
    return readRefFiles(old, "refs/kept/", format);
  } catch {
    // They are part of what is damaged.
    return new Map();
  }
}

async function fetchInto(folder: string, { identity }: Mailbox, ask: RemoteOptions): Promise<void> {
  removeTree(folder);
  await createGitStore(folder, identity.format).close();
  const environment = systemGitEnvironment();
  const remote = openGitRemote({ url: identity.remoteUrl, storeFolder: folder, environment });
  const fetched = await remote.fetch([`+${identity.namespace}*:refs/fleet/*`], ask);
  if (fetched.ok) return;
  throw new FleetError(
    "UNAVAILABLE",
    `Cannot fetch from "${remote.displayUrl}": ${fetched.error.kind}: ${firstLineOf(fetched.error.detail)}`,
  );
}

const isFolderThere = (path: string): boolean => {
  try {
    readdirSync(path);
    return true;
  } catch {
    return false;
  }
};
