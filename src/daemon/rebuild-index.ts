import { ingestStore, type ReceiveReport } from "../fleet/messaging/receive-messages.ts";
import type { ServerPaths } from "../platform/paths.ts";
import { openMailbox } from "./open-mailbox.ts";
import { removeIndex } from "./renewable-index.ts";

/**
 * Makes the index from the object store alone, whatever state its file is in. A daemon that runs finds another file in
 * the place of its own at its next look, and goes on with that one.
 */
export async function rebuildIndex(paths: ServerPaths): Promise<ReceiveReport> {
  removeIndex(paths);
  const mailbox = openMailbox(paths);
  try {
    return await ingestStore(mailbox.receivePorts());
  } finally {
    await mailbox.close();
  }
}
