import { FleetError } from "../base/errors.ts";
import { type ControlClient, createControlClient } from "../http/client/control-client.ts";
import { isOwnSocket } from "../platform/socket.ts";

/** Asks the daemon behind the socket `path`; null when there is none. @throws FleetError what the daemon answered */
export async function askDaemon<T>(
  path: string,
  call: (daemon: ControlClient) => Promise<T>,
): Promise<T | null> {
  if (!isOwnSocket(path)) return null;
  try {
    return await call(createControlClient(path));
  } catch (thrown) {
    // A socket that nobody answers was left by a daemon that was killed: the command does it by itself.
    // A daemon that answers "unavailable" is one that runs; only what kept an answer from coming is a cause.
    const isUnanswered = thrown instanceof FleetError && thrown.code === "UNAVAILABLE";
    if (isUnanswered && thrown.cause !== undefined) return null;
    throw thrown;
  }
}
