import { FleetError } from "../../base/errors.ts";
import { killByPort } from "../../daemon/kill-process.ts";
import type { FreePortAnswer } from "../../fleet/supervisor/end-process.ts";
import { commandSignal } from "../command-signal.ts";
import { exitCodeOfKill, killToJson, refusalOf, toDuration } from "../kill-view.ts";
import { listenerToJson, toPort } from "../listener-view.ts";
import { printJson, printText } from "../output/print-answer.ts";
import type { PortArguments } from "./port.ts";

/** The arguments of `port free`, as typed. */
export interface PortFreeArguments extends PortArguments {
  readonly force: boolean;
  readonly timeout: string;
  readonly dryRun: boolean;
  readonly yes: boolean;
}

/** Frees a port. Exit code 0 when it is free, 75: it is not yet, 77: somebody has it who may not be ended. */
export async function freeThePort(args: PortFreeArguments): Promise<number> {
  const port = toPort(args.port);
  const question = { port, protocol: args.protocol ?? null };
  const options = { force: args.force, termMs: toDuration(args.timeout), signal: commandSignal() };
  // Who would be ended is told before anything is, and all there is to tell without --yes.
  const planned = await killByPort(question, { ...options, dryRun: true });
  const isRefused = planned.outcome !== "killed";
  if (args.dryRun || isRefused) return report(port, planned, args);
  if (!args.yes) {
    const who = planned.owners.map(({ pid, name }) => `${pid} (${name})`).join(", ");
    const hint = "See who with --dry-run";
    throw new FleetError("USAGE", `Cannot free port ${port}: ${who} would be ended, need --yes`, { hint });
  }
  return report(port, await killByPort(question, { ...options, dryRun: false }), args);
}

function report(port: number, answer: FreePortAnswer, args: PortFreeArguments): number {
  const wasFree = answer.outcome === "not-found";
  if (args.json) {
    printJson("port.free", {
      port,
      outcome: answer.outcome,
      owners: answer.owners.map(killToJson),
      left: answer.left.map((one) => listenerToJson(one)),
      dry_run: args.dryRun,
    });
    return wasFree ? 0 : exitCodeOfKill(answer.outcome);
  }
  if (wasFree) printText(`Nobody listens on port ${port}`);
  else if (answer.outcome === "killed") printEnded(port, answer, args);
  else throw failureOf(port, answer);
  return 0;
}

function printEnded(port: number, { owners }: FreePortAnswer, { dryRun }: PortFreeArguments): void {
  for (const { pid, name, neededKill } of owners) {
    const how = neededKill ? "; it ignored TERM and was killed" : "";
    printText(dryRun ? `Would end ${pid} (${name})` : `Ended ${pid} (${name})${how}`);
  }
  if (!dryRun) printText(`Port ${port} is free`);
}

function failureOf(port: number, { outcome, owners, left }: FreePortAnswer): FleetError {
  const refused = owners.find((owner) => owner.outcome === outcome);
  if (refused !== undefined) return refusalOf(refused);
  if (outcome === "forbidden") {
    return new FleetError(
      "NOT_AUTHORISED",
      `Cannot free port ${port}: somebody listens on it whom this user may not see`,
      { hint: "Run it as root, or as the user the process belongs to" },
    );
  }
  const who = left.flatMap((one) => one.owners?.map(({ pid, name }) => `${pid} (${name})`) ?? ["unknown"]);
  const now = who.length === 0 ? "somebody" : [...new Set(who)].join(", ");
  return new FleetError("NOT_YET", `Cannot free port ${port}: ${now} listens on it now`, {
    hint: "Something may start it anew: stop that first",
  });
}
