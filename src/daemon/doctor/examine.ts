/**
 * The doctor: every known trouble of a server, each with its evidence and what to do. The order matters in one place:
 * the databases are read before anything opens the index, since that would make a damaged one anew.
 */
import { FleetError, messageOf } from "../../base/errors.ts";
import { ok } from "../../base/result.ts";
import { judgeHealth } from "../../fleet/health/judge-health.ts";
import type { Check, CheckId } from "../../fleet/health/model.ts";
import { type AccessProblem, findAccessProblem } from "../../platform/access.ts";
import { systemClock } from "../../platform/clock.ts";
import { exists } from "../../platform/files.ts";
import { gatherHealth } from "../health-facts.ts";
import { checkDatabases } from "./check-databases.ts";
import { checkFiles } from "./check-files.ts";
import { checkMail } from "./check-mail.ts";
import { checkMonitor } from "./check-monitor.ts";
import { checkPause } from "./check-pause.ts";
import { checkRemote } from "./check-remote.ts";
import { checkStore } from "./check-store.ts";
import { checkTrust } from "./check-trust.ts";
import { type Diagnosis, type Patient, trouble } from "./diagnosis.ts";

/** What health judges and the doctor does not look at more closely. */
const FROM_HEALTH: readonly CheckId[] = ["monitor", "breaker", "queue", "git", "disk", "memory", "clock"];

/** Examines one server. Never throws: an examination that fails is a finding of its own. */
export async function examine(patient: Patient): Promise<Diagnosis[]> {
  const { paths } = patient;
  const access = findAccessProblem(paths.state);
  if (access !== null) return await examineClosed(patient, access);
  const nowWallMs = systemClock.wallMs();
  const databases = checkDatabases(patient);
  const mailbox = databases.some(({ id, verdict }) => id === "index" && verdict !== "ok")
    ? withoutIndex(patient.mailbox)
    : patient.mailbox;
  const parts: Part[] = [
    () => checkFiles(patient),
    () => databases,
    () => checkMonitor(patient),
    () => fromHealth({ ...patient, mailbox }),
  ];
  if (mailbox.ok) {
    const { value } = mailbox;
    parts.push(
      () => checkStore(patient, value, nowWallMs),
      () => (exists(paths.store) ? checkRemote(patient, value, nowWallMs) : []),
      () => checkMail(value, patient.settings),
      () => checkTrust(value),
      () => [checkPause(value)],
    );
  }
  return await examineParts(parts);
}

type Part = () => Diagnosis[] | Promise<Diagnosis[]>;

async function examineParts(parts: readonly Part[]): Promise<Diagnosis[]> {
  const found: Diagnosis[] = [];
  for (const part of parts) found.push(...(await attempt(part)));
  return found;
}

/** What this user may not read or write is not damaged by that, and nothing here can mend it. */
async function examineClosed(patient: Patient, access: AccessProblem): Promise<Diagnosis[]> {
  return await examineParts([() => [trouble("state", "critical", access)], () => fromHealth(patient)]);
}

/** Opening a damaged index would put an empty one in its place, and nobody would hear of it. */
function withoutIndex(mailbox: Patient["mailbox"]): Patient["mailbox"] {
  if (!mailbox.ok) return mailbox;
  const index = (): never => {
    throw new FleetError("IO", "Cannot read the index: it has to be made anew first");
  };
  return ok({ ...mailbox.value, index });
}

async function attempt(part: Part): Promise<Diagnosis[]> {
  try {
    return await part();
  } catch (thrown) {
    const fix = "Mend what else is found, then run fleetd doctor again";
    return [trouble("examination", "unknown", { evidence: messageOf(thrown), fix })];
  }
}

async function fromHealth({ paths, mailbox, daemon, settings }: Patient): Promise<Diagnosis[]> {
  const facts = await gatherHealth({ paths, mailbox, daemon, ask: null });
  const { checks } = judgeHealth(facts, settings.health, systemClock.wallMs());
  return checks.filter((check) => FROM_HEALTH.includes(check.id)).map(toDiagnosis);
}

/** A check as a finding; the doctor does not send people to the doctor. */
const toDiagnosis = ({ id, verdict, evidence, fix }: Check): Diagnosis => ({
  id,
  verdict,
  evidence,
  fix: fix?.startsWith("fleetd doctor") === true ? "See the other findings" : fix,
  mend: null,
});
