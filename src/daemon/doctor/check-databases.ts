import { existsSync } from "node:fs";
import { join } from "node:path";
import { firstLineOf } from "../../base/errors.ts";
import { checkDatabase } from "../../platform/check-database.ts";
import { removeTree } from "../../platform/files.ts";
import type { ServerPaths } from "../../platform/paths.ts";
import { rebuildIndex } from "../rebuild-index.ts";
import { type Diagnosis, healthy, mendable, trouble } from "./diagnosis.ts";
import { whileStopped } from "./while-stopped.ts";

/** The databases, read page by page. To be called before anything opens the index: that would make it anew. */
export function checkDatabases(paths: ServerPaths, isRunning: boolean): Diagnosis[] {
  return [checkState(paths), checkIndex(paths), ...checkBreakers(paths, isRunning)];
}

function checkState(paths: ServerPaths): Diagnosis {
  const found = checkDatabase(paths.state);
  if (found === "whole") return healthy("state", `${paths.state} is whole`);
  const what = found === "missing" ? "is missing" : `is damaged: ${firstLineOf(found.problem)}`;
  return trouble("state", "critical", {
    evidence: `${paths.state} ${what}`,
    fix: `Stop the monitor, keep a copy of ${paths.folder}, put state.db back from a backup or recover it: sqlite3 state.db .recover | sqlite3 new.db`,
  });
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
