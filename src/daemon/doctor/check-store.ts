import { FleetError, firstLineOf } from "../../base/errors.ts";
import { exists } from "../../platform/files.ts";
import { checkObjects, type StoreDamage } from "../../platform/git/check-objects.ts";
import { findOldLocks, findStoreProblem } from "../../platform/git/inspect-store.ts";
import { removeAbandonedLock } from "../../platform/git/ref-locks.ts";
import { mendStore } from "../mend-store.ts";
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
  const evidence = `the store cannot be used: ${firstLineOf(problem)}`;
  const what = `put ${patient.paths.store} in order, or set it aside and fetch it again`;
  const run = () => whileQuiet(patient, () => mend(patient, mailbox));
  return mendable("store", "critical", { evidence, mend: { what, isSafe: false, run } });
}

function damaged(patient: Patient, mailbox: Mailbox, damage: StoreDamage): Diagnosis {
  const shown = damage.lines.slice(0, LINES_SHOWN).join("; ");
  const more = damage.lines.length > LINES_SHOWN ? `; and ${damage.lines.length - LINES_SHOWN} more` : "";
  const evidence = `objects in the store are missing or damaged: ${shown}${more}`;
  const what = "set damaged objects aside and fetch them again from the remote";
  return mendable("objects", "critical", {
    evidence,
    mend: { what, isSafe: false, run: () => mend(patient, mailbox) },
  });
}

/** A monitor that answers mends its own store by itself; one that does not may be at work on it. */
const whileQuiet = (patient: Patient, run: () => Promise<string>): Promise<unknown> =>
  patient.daemon === null ? whileStopped(patient.paths, async () => void (await run())) : run();

async function mend(patient: Patient, mailbox: Mailbox): Promise<string> {
  const { outcome, notices } = await mendStore(mailbox, patient.ask);
  if (outcome === "busy")
    throw new FleetError("UNAVAILABLE", "Cannot mend the store: somebody pushes right now");
  return notices.join("; ");
}
