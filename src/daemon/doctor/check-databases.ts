import { existsSync } from "node:fs";
import { join } from "node:path";
import { firstLineOf, messageOf } from "../../base/errors.ts";
import { loadHead, unconfirmedDrafts, unstoredBatches } from "../../fleet/messaging/outbox.ts";
import { confirmedBatch } from "../../fleet/messaging/take-back.ts";
import { checkDatabase, findSilentDamage, MISSING } from "../../platform/check-database.ts";
import { removeTree } from "../../platform/files.ts";
import type { ServerPaths } from "../../platform/paths.ts";
import { rebuildIndex } from "../rebuild-index.ts";
import { type Diagnosis, healthy, mendable, type Patient, trouble } from "./diagnosis.ts";
import { salvageState } from "./salvage-state.ts";
import { whileStopped } from "./while-stopped.ts";

/** The databases, read page by page. To be called before anything opens the index: that would make it anew. */
export function checkDatabases(patient: Patient): Diagnosis[] {
  const { paths } = patient;
  return [checkState(patient), checkIndex(paths), ...checkBreakers(paths, patient.daemon !== null)];
}

/** `mailbox`: the state as it was opened, since what stands in its rows may make no sense in a file that is whole. */
function checkState({ paths, mailbox, settings, ask }: Patient): Diagnosis {
  const problem = findSilentDamage(paths.state) ?? problemOf(paths.state) ?? rowProblem(mailbox);
  if (problem === null) return healthy("state", `${paths.state} is whole`);
  const isMissing = problem === MISSING;
  const what = isMissing
    ? "make a new one of what the remote has"
    : "set it aside, and make a new one of what can be read of it and of what the remote has";
  const run = () => salvageState(paths, { ask, trust: settings.trust });
  return mendable("state", "critical", {
    evidence: `${paths.state} is ${isMissing ? "missing" : `damaged: ${firstLineOf(problem)}`}`,
    mend: { what, isSafe: false, run },
  });
}

function problemOf(path: string): string | null {
  const found = checkDatabase(path);
  return typeof found === "string" ? null : found.problem;
}

function rowProblem(mailbox: Patient["mailbox"]): string | null {
  if (!mailbox.ok) return /^Cannot read .* in state\.db/.test(mailbox.error) ? mailbox.error : null;
  const { state } = mailbox.value;
  try {
    // Each of them reads what it stored.
    unconfirmedDrafts(state);
    unstoredBatches(state);
    confirmedBatch(state);
    loadHead(state);
    return null;
  } catch (thrown) {
    return messageOf(thrown);
  }
}

function checkIndex(paths: ServerPaths): Diagnosis {
  const found = checkDatabase(paths.index);
  if (found === "whole") return healthy("index", `${paths.index} is whole`);
  const what = found === "missing" ? "is missing" : `is damaged: ${firstLineOf(found.problem)}`;
  const evidence = `${paths.index} ${what}; it can be made anew from the store`;
  const mend = { what: "fleetd rebuild-index", isSafe: true, run: () => rebuildIndex(paths) };
  return mendable("index", "warn", { evidence, mend });
}

/** The breakers are kept for convenience: without them the remote is simply tried. */
function checkBreakers(paths: ServerPaths, isRunning: boolean): Diagnosis[] {
  const path = join(paths.folder, "breakers.db");
  if (!existsSync(path)) return [];
  const found = checkDatabase(path);
  if (typeof found === "string") return [healthy("breakers", `${path} is whole`)];
  const evidence = `${path} is damaged: ${firstLineOf(found.problem)}`;
  if (isRunning) {
    return [trouble("breakers", "warn", { evidence, fix: `Stop the monitor, then: fleetd doctor --fix` })];
  }
  const remove = (): void => {
    for (const suffix of ["", "-wal", "-shm"]) removeTree(path + suffix);
  };
  const run = () => whileStopped(paths, remove);
  return [mendable("breakers", "warn", { evidence, mend: { what: `remove ${path}`, isSafe: true, run } })];
}
