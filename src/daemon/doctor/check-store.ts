import { renameSync } from "node:fs";
import { join } from "node:path";
import { FleetError, firstLineOf } from "../../base/errors.ts";
import { TRACKING } from "../../fleet/messaging/mailbox-ports.ts";
import { loadHead } from "../../fleet/messaging/outbox.ts";
import { restoreObjects } from "../../fleet/messaging/restore-objects.ts";
import { exists, removeTree } from "../../platform/files.ts";
import { checkObjects, moveObjects, type StoreDamage, setAside } from "../../platform/git/check-objects.ts";
import { systemGitEnvironment } from "../../platform/git/git-environment.ts";
import { openGitRemote } from "../../platform/git/git-remote.ts";
import { findOldLocks, findStoreProblem } from "../../platform/git/inspect-store.ts";
import { createGitStore, openGitStore } from "../../platform/git/local-git-store.ts";
import { readRefFiles } from "../../platform/git/ref-files.ts";
import { removeAbandonedLock } from "../../platform/git/ref-locks.ts";
import { tryLock } from "../../platform/process-lock.ts";
import type { Mailbox } from "../open-mailbox.ts";
import { type Diagnosis, healthy, mendable, type Patient, trouble } from "./diagnosis.ts";
import { whileStopped } from "./while-stopped.ts";

/** Lines of git that are shown; the rest say the same of other objects. */
const LINES_SHOWN = 3;

/** The private store: whether it is there, every object in it, and locks that were left. */
export async function checkStore(
  patient: Patient,
  mailbox: Mailbox,
  nowWallMs: number,
): Promise<Diagnosis[]> {
  const { store } = patient.paths;
  const locks = checkLocks(store, nowWallMs);
  const problem = findStoreProblem(store, mailbox.identity.format);
  if (problem !== null) return [...locks, checkBroken(patient, mailbox, problem)];
  const damage = await checkObjects(store, patient.ask.signal);
  if (!damage.ok) {
    const fix = `git --git-dir="${store}" fsck --full`;
    return [...locks, trouble("objects", "unknown", { evidence: damage.error, fix })];
  }
  const { value } = damage;
  return [
    ...locks,
    value === null
      ? healthy("objects", `every object in ${store} is whole`)
      : damaged(patient, mailbox, value),
  ];
}

function checkLocks(store: string, nowWallMs: number): Diagnosis[] {
  const locks = findOldLocks(store, nowWallMs);
  if (locks.length === 0) return [healthy("store-locks", "no lock was left in the store")];
  return locks.map(({ path }) =>
    mendable("store-locks", "warn", {
      evidence: `${path} was left by a git that was killed`,
      mend: {
        what: `remove ${path} if no process can be holding it`,
        isSafe: true,
        run: () => {
          if (removeAbandonedLock(store, path, nowWallMs) || !exists(path)) return;
          throw new FleetError("IO", `Cannot remove "${path}": a process may be holding it`);
        },
      },
    }),
  );
}

function checkBroken(patient: Patient, mailbox: Mailbox, problem: string): Diagnosis {
  const { store } = patient.paths;
  const evidence = `the store cannot be used: ${firstLineOf(problem)}`;
  if (patient.daemon !== null) {
    return trouble("store", "critical", {
      evidence,
      fix: "Stop the monitor, then: fleetd doctor --fix --yes",
    });
  }
  const what = `set ${store} aside and fetch it again`;
  const run = () =>
    whileStopped(patient.paths, () => withFlushLock(patient, () => makeStoreAgain(patient, mailbox)));
  return mendable("store", "critical", { evidence, mend: { what, isSafe: false, run } });
}

function damaged(patient: Patient, mailbox: Mailbox, damage: StoreDamage): Diagnosis {
  const shown = damage.lines.slice(0, LINES_SHOWN).join("; ");
  const more = damage.lines.length > LINES_SHOWN ? `; and ${damage.lines.length - LINES_SHOWN} more` : "";
  const evidence = `objects in the store are missing or damaged: ${shown}${more}`;
  const what = "set damaged objects aside and fetch them again from the remote";
  const run = () => withFlushLock(patient, () => fetchAgain(patient, mailbox, damage));
  return mendable("objects", "critical", { evidence, mend: { what, isSafe: false, run } });
}

async function withFlushLock(patient: Patient, mend: () => Promise<void>): Promise<void> {
  const lock = tryLock(patient.paths.flushLock);
  if (lock === null) throw new FleetError("UNAVAILABLE", "Cannot mend the store: somebody pushes right now");
  try {
    await mend();
  } finally {
    lock.release();
  }
}

/** What was built here and not yet synced is in the state, everything else is on the remote. */
async function fetchAgain(patient: Patient, mailbox: Mailbox, damage: StoreDamage): Promise<void> {
  const { store, folder } = patient.paths;
  const whole = join(folder, `.again-${process.pid}`);
  try {
    await fetchInto(whole, patient, mailbox);
    const fetched = readRefFiles(whole, "refs/fleet/", mailbox.identity.format);
    setAside(store, damage.ids, join(folder, "damaged"));
    moveObjects(whole, store);
    // A card that was replaced since is nowhere any more; what names it names the newer one, as after any fetch.
    for (const [ref, id] of fetched) mailbox.store().writeRef(ref, id);
  } finally {
    removeTree(whole);
  }
  restoreObjects(await mailbox.sendPorts());
  const left = await checkObjects(store, patient.ask.signal);
  if (left.ok && left.value === null) return;
  const line = left.ok ? left.value?.lines[0] : left.error;
  throw new FleetError("IO", `Cannot mend the store: ${line ?? "unknown"}, and the remote does not have it`);
}

async function makeStoreAgain(patient: Patient, mailbox: Mailbox): Promise<void> {
  const { store, folder } = patient.paths;
  const { identity, state } = mailbox;
  const whole = join(folder, `.again-${process.pid}`);
  try {
    await fetchInto(whole, patient, mailbox);
    const made = openGitStore(whole, identity.format);
    const tip = loadHead(state)?.tip ?? null;
    if (tip !== null && (await made.verifyObject(tip))) made.writeRef(TRACKING.own, tip);
    await made.close();
    if (exists(store)) renameSync(store, `${store}.damaged-${Date.now()}`);
    renameSync(whole, store);
  } finally {
    removeTree(whole);
  }
}

async function fetchInto(folder: string, patient: Patient, { identity }: Mailbox): Promise<void> {
  await createGitStore(folder, identity.format).close();
  const environment = systemGitEnvironment();
  const remote = openGitRemote({ url: identity.remoteUrl, storeFolder: folder, environment });
  const fetched = await remote.fetch([`+${identity.namespace}*:refs/fleet/*`], patient.ask);
  if (fetched.ok) return;
  throw new FleetError(
    "UNAVAILABLE",
    `Cannot fetch from "${remote.displayUrl}": ${fetched.error.kind}: ${firstLineOf(fetched.error.detail)}`,
  );
}
