import { parseDuration } from "../../base/duration.ts";
import { FleetError, requireOk } from "../../base/errors.ts";
import type { DaemonStatus, ReexecAnswer } from "../../http/protocol.ts";
import { systemClock } from "../../platform/clock.ts";
import { isAlive } from "../../platform/is-alive.ts";
import { askDaemon } from "../ask-daemon.ts";
import { commandSignal } from "../command-signal.ts";
import type { GlobalArguments } from "../global-flags.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { openProgress } from "../output/progress.ts";
import { safe } from "../output/safe-text.ts";
import { loadSettings, requireServer } from "../settings.ts";

/** How often it is asked whether it is back. */
const LOOK_MS = 25;

/**
 * Lets the monitor become what stands at its path now, in the same process, and waits until that answers.
 * @throws FleetError UNAVAILABLE when no monitor runs or it cannot be replaced here, BAD_INPUT when that is no fleetd,
 *   CONFIG when it refuses the configuration, FAILED when the monitor went on as before or ended, NOT_YET
 */
export async function reexec(
  args: Omit<GlobalArguments, "help"> & { readonly timeout: string },
): Promise<void> {
  const timeoutMs = requireOk("USAGE", parseDuration(args.timeout));
  const { folder, socket } = requireServer(await loadSettings(args));
  const began = await askDaemon(socket, (daemon) => daemon.reexec(commandSignal()));
  if (began === null) {
    throw new FleetError("UNAVAILABLE", `Cannot replace the monitor of "${folder}": none runs there`, {
      hint: 'Start one with "fleetd monitor"',
    });
  }
  const { server, before, version } = await untilBack(socket, began, timeoutMs);
  const { pid, from } = began;
  const failed = before?.failed ?? null;
  if (failed !== null) {
    throw new FleetError(
      "FAILED",
      `Cannot replace the monitor of "${server}": ${failed}; ${from} goes on (pid ${pid})`,
    );
  }
  if (args.json) printJson("reexec", { server, pid, from, version });
  else printText(safe`The monitor of ${server} (pid ${String(pid)}) is ${version} now, it was ${from}`);
}

/** Waits until another monitor answers in the same process. */
async function untilBack(socket: string, began: ReexecAnswer, timeoutMs: number): Promise<DaemonStatus> {
  const { pid, startedWallMs, from, version } = began;
  const signal = commandSignal();
  const deadlineMs = systemClock.monotonicMs() + timeoutMs;
  const progress = openProgress();
  try {
    for (;;) {
      signal.throwIfAborted();
      progress.update(`The monitor (pid ${pid}) is being replaced, ${from} by ${version}`);
      const status = await askDaemon(socket, (daemon) => daemon.status());
      if (status !== null && status.pid === pid && status.startedWallMs !== startedWallMs) return status;
      if (!isAlive(pid) || (status !== null && status.pid !== pid)) {
        throw new FleetError(
          "FAILED",
          `Cannot replace the monitor: ${version} ended in its place (pid ${pid})`,
          {
            hint: 'See "fleetd logs"; services run on, and the next monitor adopts them',
          },
        );
      }
      if (systemClock.monotonicMs() >= deadlineMs) {
        throw new FleetError(
          "NOT_YET",
          `Cannot tell that the monitor (pid ${pid}) was replaced: it does not answer yet`,
          {
            hint: 'Handlers that run are waited for; see "fleetd logs"',
          },
        );
      }
      await systemClock.sleep(LOOK_MS, signal);
    }
  } finally {
    progress.clear();
  }
}
