import { FleetError } from "../../base/errors.ts";
import type { ProcessTable, UsageSource } from "../../base/ports/process-table.ts";

/** The table of this system's processes. @throws FleetError FAILED where fleetd knows none */
export async function openProcessTable(): Promise<ProcessTable> {
  switch (process.platform) {
    case "linux":
      return (await import("./linux.ts")).linuxTable;
    case "darwin":
      return (await import("./darwin.ts")).darwinTable;
    case "win32":
      return (await import("./windows.ts")).openWindowsTable();
    default:
      throw new FleetError(
        "FAILED",
        `Cannot look at processes: found "${process.platform}", need Linux, macOS or Windows`,
      );
  }
}

/** The same for whoever asks each second what processes use. Close it. */
export async function openUsageSource(): Promise<UsageSource> {
  if (process.platform === "linux") return await openLinuxUsage();
  const { list, pick } = await openProcessTable();
  return { list, pick, follow: list, close: () => undefined };
}

async function openLinuxUsage(): Promise<UsageSource> {
  const [{ StatFiles }, { openProcessorClock }] = await Promise.all([
    import("./stat-files.ts"),
    import("./processor-clock.ts"),
  ]);
  return new StatFiles(await openProcessorClock());
}
