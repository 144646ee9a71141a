import type { ProcessTable } from "../../base/ports/process-table.ts";
import { detailsOf } from "./linux-details.ts";
import { findLinuxListeners } from "./linux-listeners.ts";
import { readListening } from "./linux-sockets.ts";
import { listRows, readRow, variablesOf } from "./linux-table.ts";
import { sendSignal } from "./send-signal.ts";
import { SERVICE_RUN_VARIABLE } from "./service-run.ts";

/** Everything straight from /proc: no other program is run. */
export const linuxTable: ProcessTable = {
  list: () => Promise.resolve(listRows()),
  pick: (pids) => Promise.resolve(pids.flatMap((pid) => readRow(pid) ?? [])),
  details: (pid) => Promise.resolve(detailsOf(pid)),
  listeners: findLinuxListeners,
  isListened: async (port, protocol) => (await readListening(port, protocol)).length > 0,
  isOurs: (pid) => Promise.resolve(hasServiceRun(pid)),
  signal: (identity, signal) =>
    Promise.resolve(sendSignal(identity, signal, (pid) => readRow(pid)?.start ?? null)),
};

/** Everything a start of fleetd came to carries its token, however far it detached itself. */
const hasServiceRun = (pid: number): boolean =>
  variablesOf(pid).some((variable) => variable.startsWith(`${SERVICE_RUN_VARIABLE}=`));
