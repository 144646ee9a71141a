import { FleetError } from "../base/errors.ts";
import type { ProcessTable } from "../base/ports/process-table.ts";
import { openProcessTable } from "./processes/process-table.ts";

/** The table of processes in whatever runtime this is. @throws FleetError UNAVAILABLE for Node on Windows: it takes calls of foreign code */
export async function openTable(): Promise<ProcessTable> {
  if (process.platform === "win32" && process.versions["bun"] === undefined) {
    throw new FleetError("UNAVAILABLE", "Cannot look at processes: found Node on Windows, need Bun");
  }
  return await openProcessTable();
}
