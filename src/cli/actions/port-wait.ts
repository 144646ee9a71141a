import { formatDuration } from "../../base/duration.ts";
import { EXIT_CODES, FleetError } from "../../base/errors.ts";
import { systemClock } from "../../platform/clock.ts";
import { openProcessTable } from "../../platform/processes/process-table.ts";
import { commandSignal } from "../command-signal.ts";
import { toDuration } from "../kill-view.ts";
import { listenerToJson, ofProtocol, toPort } from "../listener-view.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { openProgress } from "../output/progress.ts";
import type { PortArguments } from "./port.ts";

/** The arguments of `port wait`, as typed. */
export interface PortWaitArguments extends PortArguments {
  readonly free: boolean;
  readonly timeout: string;
}

/** A look takes some 10 ms of the kernel's time; chosen so that waiting costs a few percent of a processor. */
const POLL_MS = 200;

/** Blocks until somebody listens, or with `--free` nobody does. @throws FleetError NOT_YET at the timeout */
export async function waitForPort(args: PortWaitArguments): Promise<number> {
  const port = toPort(args.port);
  const timeoutMs = toDuration(args.timeout);
  const table = await openProcessTable();
  const startMs = systemClock.monotonicMs();
  const reached = await pollUntil(
    async () => (await table.isListened(port, args.protocol ?? null)) !== args.free,
    { timeoutMs, what: args.free ? `port ${port} to become free` : `somebody to listen on port ${port}` },
  );
  const waitedMs = Math.round(systemClock.monotonicMs() - startMs);
  if (args.json) {
    const listeners = ofProtocol(await table.listeners(port), args.protocol).map((one) =>
      listenerToJson(one),
    );
    printJson("port.wait", {
      port,
      wanted: args.free ? "free" : "listened",
      reached,
      waited_ms: waitedMs,
      listeners,
    });
    return reached ? 0 : EXIT_CODES.NOT_YET;
  }
  const waited = formatDuration(waitedMs);
  if (!reached) {
    const found = args.free ? "is still listened on" : "has nobody who listens";
    throw new FleetError("NOT_YET", `Cannot go on: port ${port} ${found} after ${waited}`);
  }
  printText(
    args.free ? `Port ${port} is free after ${waited}` : `Port ${port} is listened on after ${waited}`,
  );
  return 0;
}

async function pollUntil(
  isReached: () => Promise<boolean>,
  { timeoutMs, what }: { readonly timeoutMs: number; readonly what: string },
): Promise<boolean> {
  const deadlineMs = systemClock.monotonicMs() + timeoutMs;
  if (await isReached()) return true;
  const signal = commandSignal();
  const progress = openProgress();
  try {
    for (;;) {
      const leftMs = deadlineMs - systemClock.monotonicMs();
      if (leftMs <= 0) return false;
      progress.update(`Waiting for ${what}, ${formatDuration(leftMs)} left`);
      await systemClock.sleep(Math.min(POLL_MS, leftMs), signal);
      if (await isReached()) return true;
    }
  } finally {
    progress.clear();
  }
}
