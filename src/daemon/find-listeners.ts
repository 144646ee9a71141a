/** Who listens on this machine. Apart from what ends processes: whoever only asks is to begin quickly. */
import type { Listener } from "../base/ports/process-table.ts";
import { openProcessTable } from "../platform/processes/process-table.ts";

/** Who listens on exactly `port`, TCP and UDP, IPv4 and IPv6, on whichever address of this machine. */
export const findListeners = async (port: number): Promise<readonly Listener[]> =>
  (await openProcessTable()).listeners(port);

/** Who listens anywhere, in the order of ports. */
export const listListeners = async (): Promise<readonly Listener[]> =>
  (await openProcessTable()).listeners(null);
