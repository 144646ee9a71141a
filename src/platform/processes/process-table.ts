import { FleetError } from "../../base/errors.ts";
import type { ProcessTable } from "../../base/ports/process-table.ts";

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
