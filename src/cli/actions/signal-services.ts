import { EXIT_CODES, FleetError } from "../../base/errors.ts";
import type { ReachedInstance } from "../../http/service-protocol.ts";
import { signalName, signalNumber } from "../../platform/supervision/exits.ts";
import { printJson, printNotice, printText } from "../output/print-answer.ts";
import { safe } from "../output/safe-text.ts";
import { openSupervisor } from "../supervisor-client.ts";
import type { ServiceFlags } from "./services.ts";

/** Sends a signal to everything of services, or tells what would get it. Where nothing was there, that is said. */
export async function signalServices(
  args: ServiceFlags & {
    readonly name: readonly string[];
    readonly signal: string;
    readonly dryRun: boolean;
  },
): Promise<number> {
  const { name: names, dryRun } = args;
  const signal = toSignal(args.signal);
  const client = await openSupervisor(args);
  const { instances, reached = [] } = await client.ask((daemon) =>
    daemon.services.act({ verb: "kill", names, signal, dryRun }),
  );
  const missed = instances.filter((name) => !reached.some((one) => one.name === name));
  if (args.json) {
    const shown = { signal, dry_run: dryRun, instances: reached.map(({ name }) => name) };
    printJson("kill", { ...shown, services: reached, not_running: missed });
  } else {
    if (reached.length > 0) {
      printText(safe`${dryRun ? "Would send" : "Sent"} ${signal} to ${reached.map(inWords).join(", ")}`);
    }
    if (missed.length > 0)
      printNotice(safe`Nothing of ${missed.join(", ")} runs: there is nothing to signal`);
  }
  if (missed.length === 0) return 0;
  return reached.length === 0 ? EXIT_CODES.FAILED : EXIT_CODES.PARTIAL;
}

const inWords = ({ name, pids }: ReachedInstance): string =>
  pids.length === 0 ? name : `${name} (${pids.join(", ")})`;

/** The name of a signal as typed: with or without "SIG", or its number. @throws FleetError USAGE */
function toSignal(text: string): string {
  const name = text.toUpperCase();
  const signal = /^\d{1,2}$/.test(text)
    ? signalName(Number(text))
    : name.startsWith("SIG")
      ? name
      : `SIG${name}`;
  if (signal !== null && signalNumber(signal) !== null) return signal;
  throw new FleetError("USAGE", `Cannot send "${text.slice(0, 80)}": there is no such signal`, {
    hint: "Name one as this system does, such as HUP, TERM or USR1",
  });
}
