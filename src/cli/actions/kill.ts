import { FleetError } from "../../base/errors.ts";
import { killByPid } from "../../daemon/kill-process.ts";
import { commandSignal } from "../command-signal.ts";
import { exitCodeOfKill, killToJson, refusalOf, toDuration } from "../kill-view.ts";
import { printJson, printText } from "../output/print-answer.ts";

/** The arguments of `kill`, as typed. */
export interface KillArguments {
  readonly name: readonly string[];
  readonly pid: string | undefined;
  readonly signal: string;
  readonly force: boolean;
  readonly timeout: string;
  readonly dryRun: boolean;
  readonly json: boolean;
  readonly color: boolean | undefined;
  readonly server: string | undefined;
  readonly config: string | undefined;
}

/**
 * Ends a process, or sends a signal to services. Exit code 0 when it is gone or got the signal, 1: there was none, 2: of
 * some services there was none, 75: it is still there, 77: it may not be ended.
 */
export async function kill(args: KillArguments): Promise<number> {
  if (args.name.length > 0 && args.pid === undefined) {
    const { signalServices } = await import("./signal-services.ts");
    return await signalServices(args);
  }
  if (args.name.length === 0 && args.pid !== undefined) return await killPid(toPid(args.pid), args);
  throw new FleetError("USAGE", "Cannot tell what to end: need the name of a service, or --pid PID");
}

async function killPid(pid: number, args: KillArguments): Promise<number> {
  const termMs = toDuration(args.timeout);
  const { force, dryRun, json } = args;
  const answer = await killByPid(pid, { force, dryRun, termMs, signal: commandSignal() });
  if (json) {
    printJson("kill", { ...killToJson(answer), dry_run: dryRun });
    return exitCodeOfKill(answer.outcome);
  }
  if (answer.outcome !== "killed") throw refusalOf(answer);
  const how = answer.neededKill ? "; it ignored TERM and was killed" : "";
  printText(dryRun ? `Would end ${pid} (${answer.name})` : `Ended ${pid} (${answer.name})${how}`);
  return 0;
}

/** The id of a process as typed. @throws FleetError USAGE */
export function toPid(text: string): number {
  const pid = /^\d{1,10}$/.test(text) ? Number(text) : 0;
  if (pid >= 1) return pid;
  throw new FleetError("USAGE", `Cannot read "--pid ${text.slice(0, 80)}": need the id of a process`);
}
