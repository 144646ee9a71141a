import type { ControlClient } from "../http/client/control-client.ts";
import { systemClock } from "../platform/clock.ts";
import { isAlive } from "../platform/is-alive.ts";
import { readHolder } from "../platform/process-lock.ts";
import { socketStamp } from "../platform/socket.ts";
import { askDaemon } from "./ask-daemon.ts";
import { commandSignal } from "./command-signal.ts";

/** A monitor that becomes another program has no socket for some 100 ms; a machine that swaps takes many seconds. Chosen. */
const BACK_WITHIN_MS = 30_000;
const LOOK_MS = 25;
/** How often a socket that nobody listens on is tried again. Chosen: a second, far above what it takes to listen. */
const REFUSALS_MAX = 40;

/**
 * As `askDaemon`, for what only a daemon can do: one that runs and has no socket is just starting, or becoming another
 * program, and is waited for. `lock`: the file of its lock.
 */
export async function askReturningDaemon<T>(
  { socket, lock }: { readonly socket: string; readonly lock: string },
  call: (daemon: ControlClient) => Promise<T>,
): Promise<T | null> {
  const deadlineMs = systemClock.monotonicMs() + BACK_WITHIN_MS;
  let refusals = 0;
  while (systemClock.monotonicMs() < deadlineMs) {
    const stamp = socketStamp(socket);
    if (stamp === null) {
      if (livingHolder(lock) === null) return null;
      await systemClock.sleep(LOOK_MS, commandSignal());
      continue;
    }
    const answer = await askDaemon(socket, call);
    if (answer !== null) return answer;
    if (socketStamp(socket) !== stamp) continue;
    // A daemon that was killed left it standing; one that lives may have made it this moment, and not listen yet.
    refusals += 1;
    if (refusals > REFUSALS_MAX || livingHolder(lock) === null) return null;
    await systemClock.sleep(LOOK_MS, commandSignal());
  }
  return null;
}

/** The process id of the last holder of a lock, if that lives. */
export function livingHolder(lock: string): number | null {
  const holder = readHolder(lock);
  return holder !== null && isAlive(holder.pid) ? holder.pid : null;
}
