import { FleetError } from "../../base/errors.ts";
import { askReturningDaemon } from "../ask-returning-daemon.ts";
import type { GlobalArguments } from "../global-flags.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { safe } from "../output/safe-text.ts";
import { loadSettings, requireServer } from "../settings.ts";

/**
 * Lets the monitor read its configuration again, as SIGHUP does, and tells what changed.
 * @throws FleetError CONFIG what is wrong with it, UNAVAILABLE when no monitor runs
 */
export async function reload(args: Omit<GlobalArguments, "help">): Promise<void> {
  const { folder, socket, daemonLock } = requireServer(await loadSettings(args));
  const reloaded = await askReturningDaemon({ socket, lock: daemonLock }, (daemon) => daemon.reload());
  if (reloaded === null) {
    throw new FleetError("UNAVAILABLE", `Cannot reload "${folder}": no monitor runs there`, {
      hint: "A monitor reads its configuration when it starts",
    });
  }
  const { file, changes } = reloaded;
  if (args.json) {
    printJson("reload", { file, changes });
    return;
  }
  if (changes.length === 0) printText(safe`Nothing changed (${file ?? "no file, the defaults"})`);
  for (const { key, before, after, restart } of changes) {
    printText(safe`${key}: ${before} -> ${after}${restart ? " (needs a restart of the monitor)" : ""}`);
  }
}
