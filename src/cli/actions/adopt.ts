import { FleetError } from "../../base/errors.ts";
import { openProcessTable } from "../../platform/processes/process-table.ts";
import { printJson, printText } from "../output/print-answer.ts";
import type { SettingFlags } from "../setting-sources.ts";
import { openSupervisor } from "../supervisor-client.ts";
import { toPid } from "./kill.ts";

/** The arguments of `adopt`, as typed. */
export interface AdoptArguments extends SettingFlags {
  readonly name: string;
  readonly pid: string;
  readonly json: boolean;
}

/** Makes a running process the one of a service; what it writes stays where it goes. */
export async function adopt(args: AdoptArguments): Promise<void> {
  const pid = toPid(args.pid);
  const [row] = await (await openProcessTable()).pick([pid]);
  if (row?.start === null || row === undefined || row.state === "dead") {
    throw new FleetError("BAD_INPUT", `Cannot adopt process ${pid}: there is none`);
  }
  const client = await openSupervisor(args);
  const process = { pid, start: row.start };
  const { instances } = await client.ask((daemon) => daemon.services.adopt({ name: args.name, process }));
  if (args.json) printJson("adopt", { pid, instances });
  else printText(`${instances.join()} is process ${pid} (${row.name}) now`);
}
