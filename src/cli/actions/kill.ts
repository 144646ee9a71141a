import { FleetError } from "../../base/errors.ts";
import { killByPid } from "../../daemon/kill-process.ts";
import { commandSignal } from "../command-signal.ts";
import { exitCodeOfKill, killToJson, refusalOf, toDuration } from "../kill-view.ts";
import { printJson, printText } from "../output/print-answer.ts";

/** The arguments of `kill`, as typed. */
export interface KillArguments {
  readonly pid: string;
  readonly force: boolean;
  readonly timeout: string;
  readonly dryRun: boolean;
  readonly json: boolean;
}

/** Ends what was named. Exit code 0 when it is gone, 1: there was none, 75: it is still there, 77: it may not be ended. */
export function kill(args: KillArguments): Promise<number> {
  return killPid(toPid(args.pid), args);
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

function toPid(text: string): number {
  const pid = /^\d{1,10}$/.test(text) ? Number(text) : 0;
  if (pid >= 1) return pid;
  throw new FleetError("USAGE", `Cannot read "--pid ${text.slice(0, 80)}": need the id of a process`);
}
