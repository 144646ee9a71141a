import type { ControlClient } from "../http/client/control-client.ts";
import { systemClock } from "../platform/clock.ts";
import { isAlive } from "../platform/is-alive.ts";
import { readHolder } from "../platform/process-lock.ts";
import { socketStamp } from "../platform/socket.ts";
import { askDaemon } from "./ask-daemon.ts";
import { commandSignal } from "./command-signal.ts";

/** A monitor that becomes another program has no socket for some 100 ms; a machine that swaps takes seconds. Chosen. */
const BACK_WITHIN_MS = 10_000;
const LOOK_MS = 25;

/**
 * As `askDaemon`, for what only a daemon can do: one that runs and has no socket is just starting, or becoming another
 * program, and is waited for. `lock`: the file of its lock.
 */
export async function askReturningDaemon<T>(
  { socket, lock }: { readonly socket: string; readonly lock: string },
  call: (daemon: ControlClient) => Promise<T>,
): Promise<T | null> {
  const deadlineMs = systemClock.monotonicMs() + BACK_WITHIN_MS;
  while (systemClock.monotonicMs() < deadlineMs) {
    const stamp = socketStamp(socket);
    if (stamp === null) {
      const holder = readHolder(lock);
      if (holder === null || !isAlive(holder.pid)) return null;
      await systemClock.sleep(LOOK_MS, commandSignal());
      continue;
    }
    const answer = await askDaemon(socket, call);
    // A socket that stands there as before has nobody behind it, or somebody who is stuck.
    if (answer !== null || socketStamp(socket) === stamp) return answer;
  }
  return null;
}
