import { spawnSync } from "node:child_process";
import { readStat } from "./processes/linux-stat.ts";
import { liveProcesses, startOf, variablesOf } from "./processes/linux-table.ts";
import { PS_ENVIRONMENT } from "./processes/ps-output.ts";

/**
 * When the system says that process `pid` was started, as a text to be compared; null where it cannot be told. An id
 * is given away again, an id and its start are not.
 */
export function startOfProcess(pid: number): string | null {
  if (process.platform === "linux") {
    const stat = readStat(pid);
    return stat === null ? null : startOf(stat);
  }
  if (process.platform === "win32") return null;
  const { stdout, status } = spawnSync("ps", ["-o", "lstart=", "-p", String(pid)], {
    env: PS_ENVIRONMENT,
    encoding: "utf8",
  });
  const text = stdout?.trim() ?? "";
  return status === 0 && text !== "" ? text : null;
}

/** Process groups with a living process that was started with the variable `name` set to `value`; Linux only. */
export function groupsWithVariable(name: string, value: string): number[] {
  const wanted = `${name}=${value}`;
  const groups = liveProcesses()
    .filter(({ pid }) => variablesOf(pid).includes(wanted))
    .map(({ group }) => group);
  return [...new Set(groups)];
}
