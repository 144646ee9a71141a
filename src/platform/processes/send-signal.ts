import type { ProcessIdentity } from "../../base/ports/process-host.ts";
import type { SignalOutcome } from "../../base/ports/process-table.ts";
import { hasCode } from "../io-error.ts";

/** Signals a process that still has the start it was known by; `startNow` is asked immediately before. */
export function sendSignal(
  { pid, start }: ProcessIdentity,
  signal: "SIGTERM" | "SIGKILL",
  startNow: (pid: number) => string | null,
): SignalOutcome {
  if (startNow(pid) !== start) return "gone";
  try {
    process.kill(pid, signal);
    return "sent";
  } catch (thrown) {
    if (hasCode(thrown, "ESRCH")) return "gone";
    if (hasCode(thrown, "EPERM", "EACCES")) return "forbidden";
    throw thrown;
  }
}
