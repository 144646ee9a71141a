import { readFileSync } from "node:fs";
import { liveProcesses } from "./process-table.ts";

/**
 * When the system says that process `pid` was started, as a text to be compared; null where it cannot be told. An id
 * is given away again, an id and its start are not.
 */
export function startOfProcess(pid: number): string | null {
  if (process.platform === "linux") {
    // Field 22 counts from the boot, so the boot belongs to it. The name in field 2 may hold anything but is in brackets.
    const fields = readOrNull(`/proc/${pid}/stat`)
      ?.replace(/^.*\) /s, "")
      .split(" ");
    const boot = readOrNull("/proc/sys/kernel/random/boot_id")?.trim();
    return fields?.[19] === undefined || boot === undefined ? null : `${boot}:${fields[19]}`;
  }
  if (process.platform === "win32") return null;
  const { stdout, exitCode } = Bun.spawnSync(["ps", "-o", "lstart=", "-p", String(pid)], {
    env: { PATH: "/bin:/usr/bin", LC_ALL: "C", TZ: "UTC" },
  });
  const text = stdout.toString().trim();
  return exitCode === 0 && text !== "" ? text : null;
}

/** Process groups with a living process that was started with the variable `name` set to `value`; Linux only. */
export function groupsWithVariable(name: string, value: string): number[] {
  const wanted = `${name}=${value}`;
  const groups = liveProcesses()
    .filter(({ pid }) => (readOrNull(`/proc/${pid}/environ`) ?? "").split("\0").includes(wanted))
    .map(({ group }) => group);
  return [...new Set(groups)];
}

/** Null for a process that ended meanwhile, or is somebody else's. */
function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return null;
  }
}
