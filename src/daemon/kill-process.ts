/** Ends processes, by id and by the port they listen on, for whoever asks. */
import {
  endProcess,
  type FreePortAnswer,
  freePort,
  type KillAnswer,
  type KillOptions,
  type KillPorts,
  type PortQuestion,
} from "../fleet/supervisor/end-process.ts";
import { systemClock } from "../platform/clock.ts";
import { openProcessTable } from "../platform/processes/process-table.ts";

/** What is usual; whoever asks says what is not. */
export const KILL_DEFAULTS = { force: false, dryRun: false, termMs: 10_000, killMs: 5_000 } as const;

type Asked = Partial<KillOptions> & Pick<KillOptions, "signal">;

/** Ends one process under the rules of killing. */
export const killByPid = async (pid: number, options: Asked): Promise<KillAnswer> =>
  endProcess({ pid, start: null }, await openKillPorts(), { ...KILL_DEFAULTS, ...options });

/** Ends who listens on a port, under the same rules, and makes sure that nobody does any more. */
export const killByPort = async (question: PortQuestion, options: Asked): Promise<FreePortAnswer> =>
  freePort(question, await openKillPorts(), { ...KILL_DEFAULTS, ...options });

async function openKillPorts(): Promise<KillPorts> {
  return { table: await openProcessTable(), clock: systemClock, selfPid: process.pid };
}
