import { boundSecondInstance, type SecondInstance } from "../fleet/supervisor/second-instance.ts";
import { createControlClient } from "../http/client/control-client.ts";
import { isOwnSocket } from "../platform/socket.ts";

/** A daemon that is not stuck answers within a few ms; whoever called waits for the word that it runs already. Chosen. */
const HAND_OVER_WITHIN_MS = 250;

/** Tells the daemon behind `socket` how this one was called; one that is just starting, or stuck, is not told. */
export async function handOver(socket: string, call: SecondInstance): Promise<void> {
  if (!isOwnSocket(socket)) return;
  try {
    await createControlClient(socket).secondInstance(boundSecondInstance(call), HAND_OVER_WITHIN_MS);
  } catch {
    // That it runs already is the answer in any case; what it was not told is in nobody's way.
  }
}
